"""Runs componentize-py on a staging folder."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from .staging import ENTRY, HERE

_RUN = "import sys; from componentize_py import script; sys.exit(script())"


class Failed(Exception):
    """The component was not built."""

    def __init__(self, report: dict, output: str) -> None:
        super().__init__(output)
        self.report = report
        self.output = output


def componentize(staging: Path, is_asgi: bool, output: Path) -> dict:
    """Builds the component and returns the report of what ran inside."""
    wit = HERE / "wit" / ("asgi" if is_asgi else "native")
    report = staging / "report.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-c", _RUN, "-q", "-d", str(wit), "-w", "asgi" if is_asgi else "responder"]
    command += ["componentize", "-p", str(staging), ENTRY, "-o", str(output)]
    # Otherwise it would add the packages of whatever environment is active.
    environment = os.environ | {"VIRTUAL_ENV": str(staging)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=staging, env=environment, **pipes)
    out = _wait(process)
    content = json.loads(report.read_text()) if report.exists() else {}
    if process.returncode != 0 or "failure" in content:
        raise Failed(content, out)
    return content


def _wait(process: subprocess.Popen) -> str:
    """Waits, and on a terminal counts the seconds."""
    is_terminal = sys.stderr.isatty()
    start = time.monotonic()
    while True:
        try:
            out, _ = process.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            if is_terminal:
                print(f"\r  building the component ... {time.monotonic() - start:.0f} s", end="", file=sys.stderr)
            continue
        if is_terminal:
            print("\r\033[K", end="", file=sys.stderr)
        return out.decode(errors="replace")
