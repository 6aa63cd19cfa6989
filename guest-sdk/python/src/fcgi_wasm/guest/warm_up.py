"""Requests made at build time, so that those at run time find all of it ready.

What a first request imports, compiles and caches is then part of the picture
that each instance starts from.
"""

import asyncio
import io
import pathlib
import sys
import traceback
from typing import Callable

from . import asgi, wsgi
from .body import Input
from .environ import make_environ


class _Kept:
    """A response that only its status is kept of."""

    def __init__(self) -> None:
        self.status = 0

    def start(self, status: int, _headers: list) -> None:
        self.status = status

    def write(self, _data: bytes) -> None:
        pass

    def flush(self) -> None:
        pass


class _KeptAsync(_Kept):
    """The same as ASGI has it."""

    async def read(self, _size: int) -> bytes:
        return b""

    async def write(self, _data: bytes) -> bool:
        return True

    async def finish(self) -> None:
        pass


class _Recorder(io.TextIOBase):
    """Keeps what is written to stderr, and lets it through ever after: log
    handlers that were made meanwhile hold on to it."""

    def __init__(self, stderr) -> None:
        self.stderr = stderr
        self.lines: list[str] = []
        self.is_recording = True

    def write(self, text: str) -> int:
        if not self.is_recording:
            return self.stderr.write(text)
        self.lines.append(text)
        return len(text)

    def flush(self) -> None:
        self.stderr.flush()


def request(app: Callable, target: str, is_asgi: bool) -> tuple[int, str]:
    """One GET: its status, or 0 with what went wrong."""
    errors = _Recorder(sys.stderr)
    stderr, sys.stderr = sys.stderr, errors
    signal = _django_failures()
    try:
        status = _asgi_request(app, target) if is_asgi else _wsgi_request(app, target)
    except Exception:
        traceback.print_exc()
        status = 0
    finally:
        sys.stderr = stderr
        if signal is not None:
            signal.disconnect(_print_exception)
        errors.is_recording = False
    return status, "".join(errors.lines)


def _django_failures():
    """Django tells of an exception by mail and by this signal."""
    signals = sys.modules.get("django.core.signals")
    if signals is None:
        return None
    signals.got_request_exception.connect(_print_exception)
    return signals.got_request_exception


def _print_exception(**_what) -> None:
    traceback.print_exc()


def _asgi_request(app: Callable, target: str) -> int:
    kept = _KeptAsync()
    scope = asgi.make_scope("GET", "http", "localhost", target, [], {"REMOTE_ADDR": "127.0.0.1"})
    # The component's own loop passes for running all the time.
    own = asyncio.events._get_running_loop()
    asyncio.events._set_running_loop(None)
    try:
        asyncio.run(asgi.serve(app, scope, kept))
    finally:
        asyncio.events._set_running_loop(own)
    return kept.status


def _wsgi_request(app: Callable, target: str) -> int:
    path, _, query = target.partition("?")
    params = [("PATH_INFO", path), ("QUERY_STRING", query), ("REQUEST_URI", target)]
    params.append(("REMOTE_ADDR", "127.0.0.1"))
    params = [(name, value.encode()) for name, value in params]
    environ = make_environ("GET", params, [("host", b"localhost")], Input(lambda _size: b""))
    kept = _Kept()
    wsgi.serve(app, environ, kept)
    return kept.status


def templates(app: Callable) -> list[str]:
    """Compiles the templates of Flask and of Django, and says which can not be."""
    failures = []
    for load, name in _all_templates(app):
        try:
            load(name)
        except Exception as failure:
            failures.append(f"the template {name} can not be loaded: {failure}")
    return failures


def _all_templates(app: Callable):
    for environment in _jinja_environments(app):
        try:
            names = environment.list_templates(extensions=("html", "htm", "txt", "xml", "j2", "jinja"))
        except TypeError:
            # Its loader can not tell.
            continue
        for name in names:
            yield environment.get_template, name
    if "django" in sys.modules:
        yield from _django_templates()


def _jinja_environments(app: Callable) -> list:
    """Flask's, and those that variables of the application's modules hold."""
    if "jinja2" not in sys.modules:
        return []
    kind = sys.modules["jinja2"].Environment
    candidates = [app]
    for module in list(sys.modules.values()):
        if (getattr(module, "__file__", None) or "").startswith("/app/"):
            candidates.extend(vars(module).values())
    flask = getattr(sys.modules.get("flask"), "Flask", ())
    found = {}
    for value in candidates:
        # By type and by dictionary: proxies answer for what is not there yet.
        if issubclass(type(value), flask):
            value = value.jinja_env
        elif not issubclass(type(value), kind):
            value = _attributes(value).get("env")
        if issubclass(type(value), kind) and value.loader is not None:
            found[id(value)] = value
    return list(found.values())


def _attributes(value) -> dict:
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}


def _django_templates():
    from django.conf import settings

    if not settings.configured or not settings.TEMPLATES:
        return
    from django.template import engines

    for engine in engines.all():
        for folder in engine.template_dirs:
            # Those of packages are many and mostly not used.
            if str(folder).startswith("/app/"):
                for path in sorted(pathlib.Path(folder).rglob("*")):
                    if path.is_file():
                        yield engine.get_template, str(path.relative_to(folder))
