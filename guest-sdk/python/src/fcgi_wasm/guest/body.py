"""The request's body as `wsgi.input`: read from the web server as it is asked for."""

import io
from typing import Callable

# The most that is asked for at once.
_PIECE_BYTES = 256 * 1024


class BodyError(OSError):
    """The client sent less than it announced, or more than is allowed."""


class Body(io.RawIOBase):
    """The raw stream. `fetch(max)` gives the next bytes, none at the end."""

    def __init__(self, fetch: Callable[[int], bytes]) -> None:
        self.fetch = fetch
        self.is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self.is_at_end or not len(buffer):
            return 0
        piece = self.fetch(min(len(buffer), _PIECE_BYTES))
        buffer[: len(piece)] = piece
        self.is_at_end = not piece
        return len(piece)


class Input(io.BufferedReader):
    """What an application reads: `read`, `readline`, `readlines`, iteration."""

    def __init__(self, fetch: Callable[[int], bytes]) -> None:
        super().__init__(Body(fetch), 64 * 1024)

    def whole(self) -> bytes:
        """All of it, which stays readable."""
        content = self.read()
        self.raw.fetch = io.BytesIO(content).read
        self.raw.is_at_end = False
        return content
