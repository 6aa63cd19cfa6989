"""One request through a WSGI application (PEP 3333).

It knows nothing of where requests come from: a `Response` is anything with
`start(status, headers)`, `write(bytes)` and `flush()`.
"""

import sys
from typing import Callable, Iterable, Protocol

# One call to the host takes no more than this.
_WRITE_BYTES = 256 * 1024

_FILE_BLOCK_BYTES = 64 * 1024


class Disconnected(Exception):
    """Nobody reads the response any more."""


class Response(Protocol):
    """Where the response goes. Each may raise `Disconnected`."""

    def start(self, status: int, headers: list[tuple[str, bytes]]) -> None: ...
    def write(self, data: bytes) -> None: ...
    def flush(self) -> None: ...


class FileWrapper:
    """`wsgi.file_wrapper`: a file in blocks, which need not leave one by one."""

    def __init__(self, file, block_bytes: int = _FILE_BLOCK_BYTES) -> None:
        self.file = file
        self.block_bytes = max(block_bytes, _FILE_BLOCK_BYTES)
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self):
        return iter(lambda: self.file.read(self.block_bytes), b"")


class Exchange:
    """One call of an application."""

    def __init__(self, response: Response, is_head: bool) -> None:
        self.response = response
        self.is_head = is_head
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.is_started = False
        # What `Content-Length` still allows, if there is one.
        self.left: int | None = None

    def run(self, app: Callable, environ: dict) -> None:
        environ["wsgi.file_wrapper"] = FileWrapper
        result = app(environ, self.start_response)
        try:
            self._send_all(result)
        finally:
            if hasattr(result, "close"):
                result.close()

    def start_response(self, status: str, headers: list, exc_info=None) -> Callable:
        if exc_info:
            try:
                if self.is_started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status:
            raise AssertionError("start_response was called twice without exc_info")
        if not isinstance(status, str) or not status[:3].isdigit():
            raise ValueError(f"a status is a string like '200 OK', not {status!r}")
        self.status, self.headers = status, list(headers)
        return self._write_now

    def _send_all(self, result: Iterable[bytes]) -> None:
        # What is complete or a file is not slow: it leaves in large pieces.
        is_ready = isinstance(result, (list, tuple, FileWrapper))
        if isinstance(result, (list, tuple)) and self.status and not self.is_started:
            self._add_length(sum(map(len, result)))
        for piece in result:
            if piece:
                self._write(piece)
                if self.is_head:
                    break
                if not is_ready and self.left != 0:
                    self.response.flush()
        self._start()

    def _add_length(self, length: int) -> None:
        has_body = self.status[:3] not in ("204", "304") and not self.status.startswith("1")
        if self.is_head or not has_body or self._header("content-length") is not None:
            return
        self.headers.append(("Content-Length", str(length)))

    def _header(self, wanted: str) -> str | None:
        values = [value for name, value in self.headers if name.lower() == wanted]
        return values[0] if values else None

    def _start(self) -> None:
        if self.is_started:
            return
        if not self.status:
            raise AssertionError("the application did not call start_response")
        self.is_started = True
        length = self._header("content-length")
        if length is not None and length.strip().isdigit():
            self.left = int(length)
        headers = [(name.lower(), value.encode("latin-1")) for name, value in self.headers]
        self.response.start(int(self.status[:3]), headers)

    def _write_now(self, data: bytes) -> None:
        """The `write` that `start_response` returns."""
        self._write(data)
        self.response.flush()

    def _write(self, data: bytes) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"a body is made of bytes, not of {type(data).__name__}")
        self._start()
        if self.is_head:
            return
        if self.left is not None:
            if len(data) > self.left:
                print("fcgi-wasm: the body is longer than its Content-Length", file=sys.stderr)
                data = data[: self.left]
            self.left -= len(data)
        view = memoryview(data)
        for start in range(0, len(view), _WRITE_BYTES):
            self.response.write(bytes(view[start : start + _WRITE_BYTES]))


def streams_without_length(app) -> bool:
    """Whether an application knows `wsgi.input_terminated`; the others take a
    body of unknown length for an empty one."""
    return any(kind.__module__.partition(".")[0] == "flask" for kind in type(app).__mro__)


def serve(app: Callable, environ: dict, response: Response) -> None:
    """Serves one request. A `Disconnected` is no failure of the application."""
    method = environ["REQUEST_METHOD"]
    may_have_body = method not in ("GET", "HEAD", "OPTIONS", "TRACE")
    if may_have_body and "CONTENT_LENGTH" not in environ and not streams_without_length(app):
        environ["CONTENT_LENGTH"] = str(len(environ["wsgi.input"].whole()))
    try:
        Exchange(response, method == "HEAD").run(app, environ)
    except Disconnected:
        pass
