"""Files in one file, each compressed by itself, so that one is read alone.

The packager writes it, with the build machine's Python. The component reads
it from disk while it is being built and from memory ever after.
"""

import io
import json
import zlib
from typing import BinaryIO, Iterable, NamedTuple


class Entry(NamedTuple):
    """Where a file lies. It is stored as it is if `packed` equals `size`."""

    offset: int
    packed: int
    size: int
    modified: float


def pack(content: bytes) -> bytes:
    """The bytes to store: never more than the content itself."""
    packed = zlib.compress(content, 9)
    return packed if len(packed) < len(content) else content


class Writer:
    """Writes an archive: the files first, then where they are."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.entries: dict[str, Entry] = {}

    def add(self, name: str, content: bytes, modified: float) -> None:
        packed = pack(content)
        self.entries[name] = Entry(self.out.tell(), len(packed), len(content), modified)
        self.out.write(packed)

    def close(self) -> None:
        start = self.out.tell()
        self.out.write(json.dumps(self.entries).encode())
        self.out.write(start.to_bytes(8, "little"))
        self.out.close()


class Archive:
    """Reads an archive."""

    def __init__(self, source: BinaryIO) -> None:
        self.source = source
        source.seek(-8, io.SEEK_END)
        start = int.from_bytes(source.read(8), "little")
        end = source.seek(-8, io.SEEK_END)
        source.seek(start)
        index = json.loads(source.read(end - start))
        self.entries = {name: Entry(*entry) for name, entry in index.items()}

    def read(self, name: str) -> bytes:
        entry = self.entries[name]
        self.source.seek(entry.offset)
        content = self.source.read(entry.packed)
        return content if entry.packed == entry.size else zlib.decompress(content)

    def hold(self, further: Iterable[tuple[str, bytes, float]] = ()) -> None:
        """Takes everything into memory, and these files with it, whose names
        may be there already: the one that is there stays."""
        last = max((entry.offset + entry.packed for entry in self.entries.values()), default=0)
        self.source.seek(0)
        parts, offset = [self.source.read(last)], last
        for name, content, modified in further:
            if name not in self.entries:
                packed = pack(content)
                self.entries[name] = Entry(offset, len(packed), len(content), modified)
                parts.append(packed)
                offset += len(packed)
        self.source.close()
        self.source = io.BytesIO(b"".join(parts))
