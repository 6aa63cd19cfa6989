"""One request through an ASGI application (version 3).

It knows nothing of where requests come from: a `Connection` reads the body
and takes the response.
"""

import asyncio
import sys
import traceback
from typing import Callable, Protocol
from urllib.parse import unquote_to_bytes

from .environ import Fields

_PIECE_BYTES = 64 * 1024


class Connection(Protocol):
    """Where a request comes from and its response goes."""

    async def read(self, size: int) -> bytes: ...
    def start(self, status: int, headers: list[tuple[str, bytes]]) -> None: ...
    async def write(self, data: bytes) -> bool:
        """Whether somebody still reads."""

    async def finish(self) -> None: ...


def make_scope(method: str, scheme: str, authority: str, target: str, headers: Fields, params: dict) -> dict:
    """The connection scope. Params are the web server's: what of them ASGI has
    a place for goes there, and all of them into the extension `fcgi-wasm`."""
    path, _, query = target.partition("?")
    known = [(name.lower().encode("latin-1"), value) for name, value in headers]
    # wasi:http has the host apart; applications look for the header.
    if authority and not any(name == b"host" for name, _ in known):
        known.insert(0, (b"host", authority.encode()))
    client = None
    if params.get("REMOTE_ADDR"):
        client = (params["REMOTE_ADDR"], _number(params.get("REMOTE_PORT")))
    host, _, port = authority.rpartition(":") if _has_port(authority) else (authority, "", "")
    default = 443 if scheme == "https" else 80
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": scheme,
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": params.get("SCRIPT_NAME", "").rstrip("/"),
        "headers": known,
        "client": client,
        "server": (host or "localhost", _number(port) or default),
        "extensions": {"fcgi-wasm": {"params": params}},
    }


def _has_port(authority: str) -> bool:
    return authority.rpartition(":")[2].isdigit() and not authority.endswith("]")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


class Exchange:
    """One call of an application: what it receives and sends."""

    def __init__(self, connection: Connection, is_head: bool) -> None:
        self.connection = connection
        self.is_head = is_head
        self.head: tuple[int, list] | None = None
        self.is_started = False
        self.is_complete = False
        self.has_body_ended = False
        self.is_over = asyncio.Event()

    async def receive(self) -> dict:
        if self.has_body_ended:
            await self.is_over.wait()
            return {"type": "http.disconnect"}
        piece = await self.connection.read(_PIECE_BYTES)
        self.has_body_ended = not piece
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def send(self, message: dict) -> None:
        if message["type"] == "http.response.start":
            if self.head is not None:
                raise RuntimeError("http.response.start was sent twice")
            self.head = (message["status"], list(message.get("headers", ())))
        elif message["type"] == "http.response.body":
            await self._send_body(bytes(message.get("body", b"")), message.get("more_body", False))
        else:
            raise RuntimeError(f"a message of type {message['type']!r} can not be sent here")

    async def _send_body(self, body: bytes, has_more: bool) -> None:
        if self.head is None:
            raise RuntimeError("http.response.body came before http.response.start")
        if self.is_complete:
            raise RuntimeError("the response is complete already")
        if not self.is_started:
            self.is_started = True
            status, headers = self.head
            self.connection.start(status, [(name.decode("latin-1").lower(), value) for name, value in headers])
        if body and not self.is_head and not await self.connection.write(body):
            self.is_over.set()
            raise OSError("nobody reads the response any more")
        if not has_more:
            self.is_complete = True
            await self.connection.finish()
            self.is_over.set()


class Lifespan:
    """The start and the end of an application, around the one request."""

    def __init__(self, app: Callable) -> None:
        self.app = app
        self.state: dict = {}
        self.messages: asyncio.Queue = asyncio.Queue()
        self.answered = asyncio.Event()
        self.failure = ""
        self.task: asyncio.Task | None = None

    async def start(self) -> None:
        """Waits until the application is ready, or has no use for this."""
        self.task = asyncio.create_task(self._run())
        await self._tell("lifespan.startup")
        if self.failure:
            raise RuntimeError(f"the application failed to start: {self.failure}")

    async def end(self) -> None:
        if self.task is not None and not self.task.done():
            await self._tell("lifespan.shutdown")

    async def _tell(self, kind: str) -> None:
        self.answered.clear()
        self.messages.put_nowait({"type": kind})
        await self.answered.wait()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self.app(scope, self.messages.get, self._send)
        except Exception:
            # An application may know nothing of lifespans. One that has said
            # what failed is heard.
            pass
        finally:
            self.answered.set()

    async def _send(self, message: dict) -> None:
        if message["type"].endswith(".failed"):
            self.failure = message.get("message") or "it does not say why"
        self.answered.set()


async def serve(app: Callable, scope: dict, connection: Connection) -> Exchange:
    """Serves one request, start and end of the application included. What it
    raises is printed; the caller sees from the exchange how far it came."""
    exchange = Exchange(connection, scope["method"] == "HEAD")
    lifespan = Lifespan(app)
    try:
        await lifespan.start()
        scope["state"] = dict(lifespan.state)
        await app(scope, exchange.receive, exchange.send)
        if not exchange.is_complete:
            print("fcgi-wasm: the application ended without a complete response", file=sys.stderr)
    except Exception:
        if not exchange.is_over.is_set() or exchange.is_complete:
            traceback.print_exc()
    finally:
        exchange.is_over.set()
        await lifespan.end()
    return exchange
