"""The names of the embedded files, and what an instance may do with them.

They can be read and not written. Files can be made below `/tmp` only: they
are in the instance's memory and end with it. Folders can be made anywhere,
since programs make sure of a folder that they may never write to.
"""

import errno
import os
import stat
import time

from .archive import Archive

TEMPORARY = "/tmp"

_FILE_MODE = stat.S_IFREG | 0o444
_MEMORY_MODE = stat.S_IFREG | 0o644
_FOLDER_MODE = stat.S_IFDIR | 0o755


def error(code: int, path: str, why: str = "") -> OSError:
    text = os.strerror(code)
    return OSError(code, f"{text} ({why})" if why else text, path)


class MemoryFile:
    """A file below `/tmp`."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.modified = time.time()


class Tree:
    """Paths are absolute and normal: no `..`, no `//`, no `/` at the end."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.working_folder = "/"
        self.memory: dict[str, MemoryFile] = {}
        self.folders: dict[str, dict[str, None]] = {"/": {}}
        self.make_folders(TEMPORARY)
        for name in archive.entries:
            self._enter(name)

    def hold(self, further=()) -> None:
        """Takes the archive into memory, with further files."""
        known = set(self.archive.entries)
        self.archive.hold(further)
        for name in self.archive.entries.keys() - known:
            self._enter(name)

    def absolute(self, path) -> str:
        path = os.fsdecode(path)
        if not path.startswith("/"):
            path = f"{self.working_folder}/{path}"
        # Two slashes at the start are special to POSIX and to nobody else.
        path = os.path.normpath(path)
        return path[1:] if path.startswith("//") else path

    def has(self, path: str) -> bool:
        return path in self.folders or path in self.archive.entries or path in self.memory

    def stat(self, path: str) -> os.stat_result:
        if path in self.folders:
            return _stat_result(path, _FOLDER_MODE, 0, 0)
        if path in self.memory:
            file = self.memory[path]
            return _stat_result(path, _MEMORY_MODE, len(file.content), file.modified)
        if path in self.archive.entries:
            entry = self.archive.entries[path]
            return _stat_result(path, _FILE_MODE, entry.size, entry.modified)
        raise error(errno.ENOENT, path)

    def list(self, path: str) -> list[str]:
        if path in self.folders:
            return list(self.folders[path])
        raise error(errno.ENOTDIR if self.has(path) else errno.ENOENT, path)

    def content(self, path: str) -> bytes | bytearray:
        """What is in a file; that of a memory file is the file itself."""
        if path in self.memory:
            return self.memory[path].content
        if path in self.archive.entries:
            return self.archive.read(path)
        raise error(errno.EISDIR if path in self.folders else errno.ENOENT, path)

    def create(self, path: str) -> None:
        """Makes a file, or leaves the one that is there."""
        if path in self.memory:
            return
        if path in self.folders:
            raise error(errno.EISDIR, path)
        if path in self.archive.entries:
            raise self.read_only(path)
        if os.path.dirname(path) not in self.folders:
            raise error(errno.ENOENT, path)
        if not is_temporary(path):
            raise self.read_only(path)
        self.memory[path] = MemoryFile()
        self._enter(path)

    def make_folder(self, path: str) -> None:
        if self.has(path):
            raise error(errno.EEXIST, path)
        if os.path.dirname(path) not in self.folders:
            raise error(errno.ENOENT, path)
        self.make_folders(path)

    def make_folders(self, path: str) -> None:
        self.folders.setdefault(path, {})
        self._enter(path)

    def remove_folder(self, path: str) -> None:
        if self.list(path):
            raise error(errno.ENOTEMPTY, path)
        del self.folders[path]
        self._leave(path)

    def remove(self, path: str) -> None:
        if path in self.memory:
            del self.memory[path]
            self._leave(path)
        elif path in self.folders:
            raise error(errno.EISDIR, path)
        elif path in self.archive.entries:
            raise self.read_only(path)
        else:
            raise error(errno.ENOENT, path)

    def rename(self, old: str, new: str) -> None:
        if old not in self.memory:
            raise self.read_only(old) if self.has(old) else error(errno.ENOENT, old)
        self.create(new)
        self.memory[new] = self.memory[old]
        if new != old:
            self.remove(old)

    def touch(self, path: str, modified: float) -> None:
        if path in self.memory:
            self.memory[path].modified = modified
        elif path not in self.folders:
            raise self.read_only(path) if self.has(path) else error(errno.ENOENT, path)

    def read_only(self, path: str) -> OSError:
        why = "embedded when the component was built; the host grants a folder with --dir"
        return error(errno.EROFS, path, why)

    def _enter(self, path: str) -> None:
        """Into the list of the folder above, and that into the one above it."""
        while path != "/":
            above, name = os.path.split(path)
            is_known = above in self.folders
            self.folders.setdefault(above, {})[name] = None
            if is_known:
                return
            path = above

    def _leave(self, path: str) -> None:
        above, name = os.path.split(path)
        del self.folders[above][name]


def is_temporary(path: str) -> bool:
    return path.startswith(TEMPORARY + "/")


def _stat_result(path: str, mode: int, size: int, modified: float) -> os.stat_result:
    inode = hash(path) & 0x7FFF_FFFF
    seconds = int(modified)
    whole = (mode, inode, 0, 1, 0, 0, size, seconds, seconds, seconds)
    nanoseconds = int(modified * 1_000_000_000)
    precise = (modified,) * 3 + (nanoseconds,) * 3
    return os.stat_result(whole + precise)
