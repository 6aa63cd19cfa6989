"""Says in the user's words why a build failed."""

import re

from . import packages
from .componentizing import Failed
from .plan import Plan
from .staging import Embedded

_TRACEBACK_LINES = 14

_NOT_IN_GUESTS = {
    "_ctypes": "components can not load C libraries, so there is no ctypes",
    "ctypes": "components can not load C libraries, so there is no ctypes",
    "fcntl": "WASI has no fcntl",
    "distutils": "distutils is gone since Python 3.12, and the component's Python is 3.14",
    "imp": "imp is gone since Python 3.12, and the component's Python is 3.14",
    "cgi": "cgi is gone since Python 3.13, and the component's Python is 3.14",
}


def explained(failure: Failed, plan: Plan, embedded: Embedded) -> str:
    """What went wrong, and what can be done about it."""
    report = failure.report
    if report.get("failure") == "not found":
        return report["text"]
    if report.get("failure") == "exception":
        tail = "".join(report["traceback"]).rstrip().splitlines()[-_TRACEBACK_LINES:]
        head = f"the application could not be imported as {plan.target}:"
        hint = _hint(report, embedded)
        lines = [head, *(f"  {line}" for line in tail)]
        return "\n".join(lines + ([f"hint: {hint}"] if hint else []))
    tail = failure.output.partition("Stack backtrace:")[0].strip().splitlines()[-_TRACEBACK_LINES:]
    return "\n".join(["componentize-py failed:", *(f"  {line}" for line in tail)])


def _hint(report: dict, embedded: Embedded) -> str:
    native = _native_package(report, embedded)
    if native:
        module = native.native_modules()[0]
        return (
            f"the package {native.name!r} needs machine code ({module}), which can not run in a component; "
            "use a pure Python package in its place"
        )
    missing = report.get("module") if report["kind"] in ("ModuleNotFoundError", "ImportError") else None
    if missing:
        return _missing(missing.split(".")[0], embedded)
    if "start new thread" in report["text"]:
        return "components have no threads; start none while the application is imported"
    if report["kind"] == "KeyError" and re.fullmatch(r"'[A-Z][A-Z0-9_]+'", report["text"]):
        return f"if this is an environment variable, give it with --env {report['text'][1:-1]}=VALUE"
    if "Read-only file system" in report["text"]:
        return "embedded files can not be written; write to a folder that the host grants, or below /tmp"
    return ""


def _native_package(report: dict, embedded: Embedded) -> packages.Package | None:
    """The package with machine code that the import failed in or for."""
    if report["kind"] not in ("ImportError", "ModuleNotFoundError", "AttributeError"):
        return None
    module = (report.get("module") or "").split(".")
    for package in embedded.installed.values():
        endings = {name.split("/")[-1].partition(".")[0] for name in package.native_modules()}
        if module[-1] in endings:
            return package
    last = next((file for file in reversed(report["files"]) if file.startswith("/packages")), "")
    top = last.split("/")[2:3]
    for package in embedded.packages:
        if top and top[0] in package.modules and package.native_modules():
            return package
    return None


def _missing(module: str, embedded: Embedded) -> str:
    if module in _NOT_IN_GUESTS:
        return _NOT_IN_GUESTS[module]
    for package in embedded.installed.values():
        if module in package.modules:
            return f"{package.name} is installed but nothing names it: --include {package.name}"
    if packages.is_of_standard_library(module):
        return f"the component's Python (3.14, for WASI) has no module {module!r}"
    return f"no installed package has a module {module!r}: is the application's environment active?"
