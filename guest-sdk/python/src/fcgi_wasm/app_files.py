"""Which files of the application's folder and of its packages are embedded."""

import fnmatch
import os
import re
from pathlib import Path
from typing import Iterator

# Folders that hold nothing an application reads when it serves.
_FOLDERS_LEFT_OUT = {"__pycache__", "node_modules", "htmlcov"}

_FILES_LEFT_OUT = ("*.pyc", "*.pyo", "*.so", "*.pyd", "*.wasm", "*.cwasm", "*.log", "*.pid", "*.sock")

# Sources of translations, stubs and headers: nothing reads them at run time.
_PACKAGE_FILES_LEFT_OUT = (*_FILES_LEFT_OUT, "*.po", "*.pot", "*.pyi", "*.pxd", "*.pyx", "*.c", "*.h")

# Read by dotenv; everything else that begins with a dot is the developer's.
_DOT_FILES = {".env", ".flaskenv"}

_TEXTS = (".py", ".fcgi", ".cgi", ".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".txt", ".env", ".flaskenv")

_TEXT_BYTES_MAX = 1 << 20

# A package's own tests, not a module that happens to be named so.
_TESTS = re.compile(r"^[^/]+/(.*/)?tests?/")


def of_app(folder: Path, excluded: list[str]) -> Iterator[tuple[Path, str]]:
    """The application's files, each with its path below the folder."""
    for above, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _skips(Path(above, name), folder, excluded))
        for name in sorted(names):
            path = Path(above, name)
            below = path.relative_to(folder).as_posix()
            is_hidden = name.startswith(".") and name not in _DOT_FILES
            if is_hidden or _matches(below, (*_FILES_LEFT_OUT, *excluded)) or not path.is_file():
                continue
            yield path, below


def _skips(path: Path, top: Path, excluded: list[str]) -> bool:
    is_environment = (path / "pyvenv.cfg").exists()
    is_known = path.name in _FOLDERS_LEFT_OUT or path.name.startswith(".")
    return is_environment or is_known or _matches(path.relative_to(top).as_posix(), tuple(excluded))


def of_package(files: list[tuple[Path, str]]) -> Iterator[tuple[Path, str]]:
    """Those of a distribution's files that may be read when it serves."""
    for path, below in files:
        is_left_out = _matches(below, _PACKAGE_FILES_LEFT_OUT) or "__pycache__/" in below
        if not is_left_out and not _TESTS.search(below) and path.is_file():
            yield path, below


def texts(files: list[tuple[Path, str]]) -> Iterator[str]:
    """What of an application's files may name packages."""
    for path, _ in files:
        if path.suffix in _TEXTS or path.name in _DOT_FILES:
            if path.stat().st_size <= _TEXT_BYTES_MAX:
                yield path.read_text(encoding="utf-8", errors="replace")


def _matches(below: str, patterns: tuple[str, ...]) -> bool:
    name = below.rpartition("/")[2]
    return any(fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(below, pattern) for pattern in patterns)
