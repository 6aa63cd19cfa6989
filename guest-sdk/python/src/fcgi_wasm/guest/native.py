"""The native contract, `fcgi-wasm:app/handler`, for a WSGI application."""

import sys
import traceback

from componentize_py_types import Err
from wit_world.imports import request, response
from wit_world.imports.types import BodyError as HostBodyError

from .body import BodyError, Input
from .environ import make_environ
from .instance import begin
from .wsgi import Disconnected, serve

_WHY = {
    HostBodyError.INCOMPLETE: "the client went away before its body was complete",
    HostBodyError.TOO_LARGE: "the body is larger than the host allows",
}


def _fetch(size: int) -> bytes:
    try:
        return request.read(size)
    except Err as failure:
        raise BodyError(_WHY.get(failure.value, str(failure.value))) from None


class _Response:
    """The host's functions, with exceptions that say what they mean."""

    def start(self, status: int, headers: list[tuple[str, bytes]]) -> None:
        try:
            response.start(status, headers)
        except Err as failure:
            raise ValueError(f"the host refuses the response: {failure.value}") from None

    def write(self, data: bytes) -> None:
        try:
            response.write(data)
        except Err:
            raise Disconnected from None

    def flush(self) -> None:
        try:
            response.flush()
        except Err:
            raise Disconnected from None


def handle(app, environment: dict[str, str]) -> None:
    """Serves the one request of this instance."""
    begin(environment)
    environ = make_environ(request.method(), request.params(), request.headers(), Input(_fetch))
    try:
        serve(app, environ, _Response())
    except SystemExit as end:
        _fail(f"the application exited: {end.code}")
    except BaseException as failure:
        traceback.print_exc()
        _fail(f"{type(failure).__name__}: {failure}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _fail(why: str) -> None:
    """A plain 500 if nothing was sent, else a response that breaks off."""
    raise Err(why)
