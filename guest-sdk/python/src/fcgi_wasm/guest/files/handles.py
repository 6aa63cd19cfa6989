"""Open embedded files: as file objects, and as the numbers of `os.open`."""

import errno
import io
import os

from .tree import Tree, error

# Far above what the system gives out.
_FIRST_NUMBER = 1 << 20

# Bits of their own in WASI, a number from 0 to 2 elsewhere.
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


class Handle(io.RawIOBase):
    """An open file."""

    def __init__(self, content: bytes | bytearray, flags: int, name) -> None:
        self.content = content
        self.flags = flags
        self.name = name
        self.position = 0

    def readable(self) -> bool:
        return self.flags & _ACCESS in (os.O_RDONLY, os.O_RDWR)

    def writable(self) -> bool:
        return is_writing(self.flags)

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if not self.readable():
            raise io.UnsupportedOperation("not readable")
        piece = self.content[self.position : self.position + len(buffer)]
        buffer[: len(piece)] = piece
        self.position += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        if not self.readable():
            raise io.UnsupportedOperation("not readable")
        piece = bytes(self.content[self.position :])
        self.position += len(piece)
        return piece

    def write(self, data) -> int:
        if not self.writable():
            raise io.UnsupportedOperation("not writable")
        data = memoryview(data).cast("B")
        if self.flags & os.O_APPEND:
            self.position = len(self.content)
        if self.position > len(self.content):
            self.content.extend(bytes(self.position - len(self.content)))
        self.content[self.position : self.position + len(data)] = data
        self.position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: len(self.content)}
        position = start[whence] + offset
        if position < 0:
            raise error(errno.EINVAL, self.name)
        self.position = position
        return position

    def tell(self) -> int:
        return self.position

    def truncate(self, size: int | None = None) -> int:
        if not self.writable():
            raise io.UnsupportedOperation("not writable")
        size = self.position if size is None else size
        del self.content[size:]
        self.content.extend(bytes(size - len(self.content)))
        return size


class Handles:
    """The files that are open by number, and how files are opened."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.open_files: dict[int, Handle] = {}
        self.next_number = _FIRST_NUMBER

    def open(self, path: str, flags: int, name=None) -> Handle:
        """Opens as `open(2)` does."""
        name = path if name is None else name
        if flags & os.O_CREAT:
            if flags & os.O_EXCL and self.tree.has(path):
                raise error(errno.EEXIST, path)
            self.tree.create(path)
        if is_writing(flags) and path in self.tree.archive.entries:
            raise self.tree.read_only(path)
        handle = Handle(self.tree.content(path), flags, name)
        if flags & os.O_TRUNC and handle.writable():
            handle.truncate(0)
        return handle

    def open_number(self, path: str, flags: int) -> int:
        handle = self.open(path, flags)
        number = self.next_number
        self.next_number += 1
        self.open_files[number] = handle
        return number

    def owns(self, number) -> bool:
        return isinstance(number, int) and number in self.open_files

    def close(self, number: int) -> None:
        self.open_files.pop(number).close()


def is_writing(flags: int) -> bool:
    return flags & _ACCESS in (os.O_WRONLY, os.O_RDWR)


def flags_of(mode: str) -> int:
    """What a mode of `open()` means to `os.open()`."""
    kind = [letter for letter in mode if letter in "rwax"]
    if len(kind) != 1 or set(mode) - set("rwaxbt+") or ("b" in mode and "t" in mode):
        raise ValueError(f"invalid mode: {mode!r}")
    both = "+" in mode
    flags = os.O_RDWR if both else os.O_RDONLY if kind == ["r"] else os.O_WRONLY
    further = {
        "r": 0,
        "w": os.O_CREAT | os.O_TRUNC,
        "a": os.O_CREAT | os.O_APPEND,
        "x": os.O_CREAT | os.O_EXCL,
    }
    return flags | further[kind[0]]


def file_object(handle: Handle, mode: str, buffering=-1, encoding=None, errors=None, newline=None):
    """What `open()` returns for a handle."""
    if "b" in mode:
        if encoding is not None or errors is not None or newline is not None:
            raise ValueError("binary mode takes no encoding, errors or newline argument")
        if buffering == 0:
            return handle
    elif buffering == 0:
        raise ValueError("can't have unbuffered text I/O")
    size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
    if handle.readable() and handle.writable():
        buffered = io.BufferedRandom(handle, size)
    elif handle.writable():
        buffered = io.BufferedWriter(handle, size)
    else:
        buffered = io.BufferedReader(handle, size)
    if "b" in mode:
        return buffered
    text = io.TextIOWrapper(buffered, encoding, errors, newline, buffering == 1)
    text.mode = mode
    return text
