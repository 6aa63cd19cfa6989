"""Makes `open`, `os` and `import` see the embedded files.

What the host grants comes first, so a folder granted with `--dir` hides an
embedded one of the same name; where the system knows no such file, the
embedded ones are asked.
"""

import builtins
import errno
import functools
import io
import os
import posix
import stat as stats
import time

import _io

from .archive import Archive
from .handles import Handles, file_object, flags_of
from .tree import Tree, is_temporary

# How the system says that nothing is there. 76 is WASI's "not capable".
_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, 76}


class FolderEntry:
    """What `os.scandir` yields for an embedded file."""

    def __init__(self, tree: Tree, folder, name: str) -> None:
        self._tree = tree
        self._path = tree.absolute(os.path.join(os.fsdecode(folder), name))
        self.name = os.fsencode(name) if isinstance(folder, bytes) else name
        self.path = os.path.join(folder, self.name)

    def __fspath__(self):
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._path in self._tree.folders

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return not self.is_dir()

    def is_symlink(self) -> bool:
        return False

    def is_junction(self) -> bool:
        return False

    def inode(self) -> int:
        return self.stat().st_ino

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return self._tree.stat(self._path)


class FolderEntries:
    """What `os.scandir` returns for an embedded folder."""

    def __init__(self, entries) -> None:
        self._entries = iter(entries)

    def __iter__(self):
        return self

    def __next__(self) -> FolderEntry:
        return next(self._entries)

    def __enter__(self):
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())


class System:
    """The functions that take the place of Python's own."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.handles = Handles(tree)
        self.real_open = _io.open
        self.real = {}

    def install(self) -> None:
        for name, embedded in self._by_path().items():
            self._replace(name, self._falling_back(name, embedded))
        for name, embedded in self._by_number().items():
            self._replace(name, self._by_owner(name, embedded))
        self._replace("scandir", self._scandir())
        self._replace("open", self._open_number())
        self._replace("rename", self._rename("rename"))
        self._replace("replace", self._rename("replace"))
        self._replace("getcwd", lambda: self.tree.working_folder)
        self._replace("getcwdb", lambda: os.fsencode(self.tree.working_folder))
        self._replace("chdir", lambda path: self._chdir(path))
        for module in (builtins, io, _io):
            module.open = self.open
        for module in (io, _io):
            module.open_code = lambda path: self.open(path, "rb")

    def _replace(self, name: str, function) -> None:
        """Both in `os` and below it: `import` goes by the latter."""
        real = getattr(posix, name, None)
        if real is None:
            return
        self.real[name] = real
        functools.update_wrapper(function, real)
        for module in (posix, os):
            setattr(module, name, function)
        # Not `supports_fd` nor `supports_dir_fd`: paths are all there is here.
        if real in os.supports_follow_symlinks:
            os.supports_follow_symlinks.add(function)

    def _by_path(self) -> dict:
        tree = self.tree
        return {
            "stat": lambda path, **_: tree.stat(path),
            "lstat": lambda path, **_: tree.stat(path),
            "listdir": tree.list,
            "mkdir": lambda path, *_, **__: tree.make_folder(path),
            "rmdir": lambda path, **_: tree.remove_folder(path),
            "unlink": lambda path, **_: tree.remove(path),
            "remove": lambda path, **_: tree.remove(path),
            "readlink": self._readlink,
            "access": self._access,
            "utime": self._utime,
            "chmod": lambda path, *_, **__: tree.touch(path, time.time()),
        }

    def _by_number(self) -> dict:
        return {
            "close": self.handles.close,
            "read": lambda number, size: self._handle(number).read(size),
            "write": lambda number, data: self._handle(number).write(data),
            "lseek": lambda number, offset, whence: self._handle(number).seek(offset, whence),
            "ftruncate": lambda number, size: self._handle(number).truncate(size) and None,
            "fsync": lambda number: None,
            "isatty": lambda number: False,
            "fstat": lambda number: self.tree.stat(self._handle(number).name),
        }

    def _handle(self, number: int):
        return self.handles.open_files[number]

    def _falling_back(self, name: str, embedded):
        """The system's function, and where nothing is there the embedded one."""

        def function(path=".", *arguments, **options):
            path = "." if path is None else path
            if self.handles.owns(path):
                return embedded(self._handle(path).name, *arguments, **options)
            is_plain = isinstance(path, (str, bytes, os.PathLike))
            if not is_plain or options.get("dir_fd") is not None:
                return self.real[name](path, *arguments, **options)
            absolute = self.tree.absolute(path)
            try:
                result = self.real[name](absolute, *arguments, **options)
            except OSError as failure:
                if failure.errno not in _NOTHING_THERE:
                    raise
                return embedded(absolute, *arguments, **options)
            # Only `access` fails without an exception.
            return embedded(absolute, *arguments) if result is False else result

        return function

    def _by_owner(self, name: str, embedded):
        def function(number, *arguments, **options):
            if self.handles.owns(number):
                return embedded(number, *arguments, **options)
            return self.real[name](number, *arguments, **options)

        return function

    def _open_number(self):
        def function(path, flags, mode=0o777, *, dir_fd=None):
            if dir_fd is not None:
                return self.real["open"](path, flags, mode, dir_fd=dir_fd)
            absolute = self.tree.absolute(path)
            try:
                return self.real["open"](absolute, flags, mode)
            except OSError as failure:
                if failure.errno not in _NOTHING_THERE:
                    raise
                return self.handles.open_number(absolute, flags)

        return function

    def _scandir(self):
        def function(path="."):
            path = "." if path is None else path
            absolute = self.tree.absolute(path)
            try:
                # The paths it yields begin with what was asked for.
                return self.real["scandir"](path if os.path.isabs(path) else absolute)
            except OSError as failure:
                if failure.errno not in _NOTHING_THERE:
                    raise
            folder = os.fspath(path)
            return FolderEntries([FolderEntry(self.tree, folder, n) for n in self.tree.list(absolute)])

        return function

    def _rename(self, name: str):
        def function(old, new, **options):
            old, new = self.tree.absolute(old), self.tree.absolute(new)
            if old in self.tree.memory and not is_temporary(new):
                # As between two disks: callers copy instead.
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), old, None, new)
            if self.tree.has(old):
                return self.tree.rename(old, new)
            return self.real[name](old, new, **options)

        return function

    def _chdir(self, path) -> None:
        if not stats.S_ISDIR(os.stat(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        self.tree.working_folder = self.tree.absolute(path)

    def _readlink(self, path: str, **_options) -> str:
        self.tree.stat(path)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)

    def _access(self, path: str, mode: int = os.F_OK, **_options) -> bool:
        can_write = path in self.tree.memory or path == "/tmp"
        return self.tree.has(path) and (can_write or not mode & os.W_OK)

    def _utime(self, path: str, times=None, *, ns=None, **_options) -> None:
        modified = ns[1] / 1e9 if ns else times[1] if times else time.time()
        self.tree.touch(path, modified)

    def open(
        self,
        file,
        mode="r",
        buffering=-1,
        encoding=None,
        errors=None,
        newline=None,
        closefd=True,
        opener=None,
    ):
        """`open()`, as everybody calls it."""
        further = (buffering, encoding, errors, newline)
        if opener is not None:
            number = opener(file, flags_of(mode))
            if not self.handles.owns(number):
                return self.real_open(file, mode, *further, closefd, lambda *_: number)
            handle = self.handles.open_files.pop(number)
            handle.name = file
            return file_object(handle, mode, *further)
        if self.handles.owns(file):
            return file_object(self._handle(file), mode, *further)
        if not isinstance(file, (str, bytes, os.PathLike)):
            return self.real_open(file, mode, *further, closefd)
        absolute = self.tree.absolute(file)
        try:
            return self.real_open(absolute, mode, *further, closefd)
        except OSError as failure:
            if failure.errno not in _NOTHING_THERE:
                raise
            name = os.fspath(file)
            handle = self.handles.open(absolute, flags_of(mode), name)
        return file_object(handle, mode, *further)


def mount(archive: str) -> Tree:
    """Makes the files of an archive visible to everything imported from now on."""
    tree = Tree(Archive(open(archive, "rb")))
    System(tree).install()
    return tree
