"""Takes note of which environment variables an application reads while it is
imported: their values at that moment stay in the component for good."""

import os
import sys

# These read the environment on behalf of an application.
_READERS = ("decouple", "environ", "environs", "dynaconf", "starlette/config")


class Lookups:
    """Watches `os.environ` and `os.getenv`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.names: set[str] = set()
        self.mapping = type(os.environ)
        self.real = self.mapping.__getitem__

    def install(self) -> None:
        def getitem(mapping, name):
            if isinstance(name, str) and self._is_the_application():
                self.names.add(name)
            return self.real(mapping, name)

        self.mapping.__getitem__ = getitem

    def remove(self) -> None:
        self.mapping.__getitem__ = self.real

    def _is_the_application(self) -> bool:
        frame = sys._getframe(2)
        while frame is not None and _is_plumbing(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is None:
            return False
        file = frame.f_code.co_filename
        return file.startswith(self.folder + "/") or any(f"/{name}" in file for name in _READERS)


def _is_plumbing(file: str) -> bool:
    return file.endswith(("/os.py", "_collections_abc.py")) or file.startswith("<frozen")
