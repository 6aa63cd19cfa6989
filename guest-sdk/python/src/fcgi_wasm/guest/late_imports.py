"""Imports at request time: they work, and they say what they cost.

The sources are among the embedded files, so Python's own import finds them.
This finder only stands where the path finder stood, and writes a line for
each module that a request had to wait for.
"""

import importlib
import sys
import time
from importlib.machinery import PathFinder, SourceFileLoader


class _LateLoader(SourceFileLoader):
    """Loads a module and says so, unless another one wanted it."""

    depth = 0

    def exec_module(self, module) -> None:
        start = time.monotonic()
        _LateLoader.depth += 1
        try:
            super().exec_module(module)
        finally:
            _LateLoader.depth -= 1
        if _LateLoader.depth == 0:
            milliseconds = (time.monotonic() - start) * 1000
            print(
                f"fcgi-wasm: {self.name} was imported during a request ({milliseconds:.0f} ms); "
                f"--preload {self.name} imports it when the component is built",
                file=sys.stderr,
            )


class LateFinder(PathFinder):
    """The path finder, with loaders that tell."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _LateLoader(spec.loader.name, spec.loader.path)
        return spec


def watch() -> None:
    """From here on imports are late."""
    sys.meta_path[:] = [
        LateFinder if finder is PathFinder else finder for finder in sys.meta_path
    ]
    # Folders were read from the disk so far, and are read from memory now.
    importlib.invalidate_caches()
    sys.path_importer_cache.clear()
