"""The command `fcgi-wasm-python`."""

import os
import sys
import tempfile
import time
from pathlib import Path

from . import componentizing, staging
from .componentizing import Failed
from .explaining import explained
from .plan import Mistake, Plan, parser, understood
from .staging import Embedded


def main(arguments: list[str] | None = None) -> int:
    """Packages an application; 0 if there is a component now."""
    try:
        plan = understood(parser().parse_args(arguments))
        _build(plan)
    except Mistake as mistake:
        _say(f"error: {mistake}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _say(text: str) -> None:
    print(f"fcgi-wasm-python: {text}", file=sys.stderr, flush=True)


def _build(plan: Plan) -> None:
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fcgi-wasm-") as name:
        folder = Path(name)
        embedded, path = staging.gather(plan, folder / "archive")
        names = ", ".join(package.name for package in embedded.packages) or "no packages"
        _say(f"{plan.target}: {embedded.app_files} files, {names}")
        if any(Path(below).name in (".env", ".flaskenv") for below in embedded.app_paths):
            _say("note: .env is embedded: whoever has the component has its secrets")
        _say("importing the application in a component; this takes some seconds ...")
        report = _built(plan, folder, path, embedded)
    _tell(report)
    size = plan.output.stat().st_size / 1e6
    shown = os.path.relpath(plan.output)
    if shown.startswith(".."):
        shown = str(plan.output)
    _say(f"{shown}: {size:.1f} MB in {time.monotonic() - start:.0f} s; now run")
    print(f"  fcgi-wasm serve {shown} --http 127.0.0.1:8080", file=sys.stderr)


def _built(plan: Plan, folder: Path, path: list[str], embedded: Embedded) -> dict:
    """Builds for the interface that the application turns out to have."""
    is_asgi = embedded.seems_asgi() if plan.is_asgi is None else plan.is_asgi
    output = folder / "app.wasm"
    for _ in range(2):
        staging.write(plan, is_asgi, folder, path, embedded)
        try:
            report = componentizing.componentize(folder, is_asgi, output)
        except Failed as failure:
            if failure.report.get("failure") != "interface":
                raise Mistake(explained(failure, plan, embedded)) from None
            if plan.is_asgi is not None:
                found = "ASGI" if failure.report["is_asgi"] else "WSGI"
                raise Mistake(f"{plan.target} is an {found} application") from None
            is_asgi = failure.report["is_asgi"]
            continue
        _move(output, plan.output)
        return report
    raise Mistake("the application is WSGI in one import and ASGI in the other")


def _move(built: Path, output: Path) -> None:
    """In one step, so that a server never sees half of it."""
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    temporary.write_bytes(built.read_bytes())
    temporary.replace(output)


def _tell(report: dict) -> None:
    for text in report["warnings"]:
        _say(f"warning: {text}")
    for target, status, errors in report["warmed"]:
        if not 200 <= status < 400:
            what = f"answered {status}" if status else "failed"
            _say(f"warning: GET {target} {what} while building; --warm PATH asks for another page")
            for line in errors.strip().splitlines()[-6:]:
                print(f"  {line}", file=sys.stderr)
    if report.get("looked_up"):
        names = ", ".join(report["looked_up"])
        _say(f"note: the application read {names} from the environment while it was imported;")
        print("  what it made of them is now fixed; --env NAME=VALUE sets them for the build", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
