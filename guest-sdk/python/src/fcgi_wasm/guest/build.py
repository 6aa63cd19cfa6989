"""What happens in the component while it is being built, in this order.

The entry module, which the packager writes, calls `build` and exports what it
returns. All that the packager has to know goes back as a file, since what is
printed during a build is not shown.
"""

import gc
import importlib
import json
import os
import sys
import traceback
import zoneinfo

from . import key_derivation, late_imports, threads, warm_up
from .environment import Lookups
from .files.tree import Tree
from .finding import NotFound, in_module, in_script, is_asgi
from .module_state import ModuleState
from .offline import offline

APP = "/app"

# Of the standard library, what no web application imports.
_LEFT_OUT = {
    "__phello__", "_pyrepl", "config-3.14-wasm32-wasi", "curses", "ensurepip", "idlelib", "lib-dynload",
    "msilib", "pydoc_data", "site-packages", "test", "tkinter", "turtledemo", "venv",
}  # fmt: skip


class Stopped(Exception):
    """The build can not go on; the report says why."""


class Report:
    """What the packager gets to know."""

    def __init__(self, path: str, real_open) -> None:
        self.path = path
        self.real_open = real_open
        self.content: dict = {"warnings": [], "warmed": []}

    def warn(self, text: str) -> None:
        self.content["warnings"].append(text)

    def save(self, **further) -> None:
        self.content.update(further)
        with self.real_open(self.path, "w") as file:
            json.dump(self.content, file)


def build(settings: dict, tree: Tree):
    """Loads the application, with all that it needs in memory."""
    report = Report(settings["report"], open)
    # Not by `os`, which is frozen into the interpreter and has no true path.
    standard_library = os.path.dirname(traceback.__file__)
    sys.path[:] = [APP, *settings["path"], settings["stand_ins"], standard_library, *sys.path]
    sys.dont_write_bytecode = True
    if settings["has_servers"]:
        sys.path.insert(0, settings["stand_ins"])
    # Now, since asyncio was imported without: it asks what ssl can do.
    importlib.import_module("ssl")
    zoneinfo.reset_tzpath(["/usr/share/zoneinfo"])
    os.chdir(APP)
    os.environ.update(settings["environment"])
    threads.install()
    key_derivation.install()
    lookups = Lookups(APP)
    lookups.install()
    try:
        with offline():
            app = _loaded(settings, report)
    except Stopped:
        raise
    except NotFound as failure:
        report.save(failure="not found", text=str(failure))
        raise
    except BaseException as failure:
        report.save(failure="exception", **_described(failure))
        raise
    lookups.remove()
    for name in settings["environment"]:
        os.environ.pop(name, None)
    names = sorted(lookups.names - set(settings["environment"]))
    _hold(tree, standard_library, settings)
    report.save(looked_up=names, modules=len(sys.modules))
    return app


def _loaded(settings: dict, report: Report):
    app = _found(settings)
    if is_asgi(app) != settings["is_asgi"]:
        report.save(failure="interface", is_asgi=is_asgi(app))
        raise Stopped
    if settings["is_asgi"]:
        from .event_loop import run_workers_inline

        run_workers_inline()
    for name in [*_usual_late_imports(), *settings["preload"]]:
        importlib.import_module(name)
    _warm(app, settings, report)
    return app


def _usual_late_imports() -> list[str]:
    """What libraries import when they first need it, which is soon."""
    late = {"anyio": ("anyio._core._fileio",), "django": ("django.views.debug", "django.core.files.uploadhandler")}
    return [name for library, names in late.items() if library in sys.modules for name in names]


def _found(settings: dict):
    if settings["script"]:
        return in_script(f"{APP}/{settings['script']}")
    return in_module(settings["module"], settings["attribute"])


def _warm(app, settings: dict, report: Report) -> None:
    state = ModuleState(APP)
    try:
        for failure in warm_up.templates(app):
            report.warn(failure)
    except Exception as failure:
        report.warn(f"the templates can not be loaded: {failure}")
    for target in settings["warm"]:
        status, errors = warm_up.request(app, target, settings["is_asgi"])
        report.content["warmed"].append([target, status, errors])
    state.restore()


def _described(failure: BaseException) -> dict:
    """An exception as the packager shows it."""
    frames = traceback.extract_tb(failure.__traceback__)
    return {
        "kind": type(failure).__name__,
        "text": str(failure),
        "module": getattr(failure, "name", None),
        "files": [frame.filename for frame in frames],
        "traceback": traceback.format_exception(failure),
    }


def _hold(tree: Tree, standard_library: str, settings: dict) -> None:
    """Takes the files into memory, those of the standard library with them."""
    tree.hold(_sources(standard_library) if settings["standard_library"] else ())
    sys.path[:] = [APP, *settings["path"], standard_library]
    late_imports.watch()
    gc.collect()


def _sources(folder: str):
    for above, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _LEFT_OUT - {"__pycache__", "tests"})
        for name in sorted(names):
            if name.endswith(".py"):
                path = f"{above}/{name}"
                with open(path, "rb") as file:
                    yield path, file.read(), os.stat(path).st_mtime
