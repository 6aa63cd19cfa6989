"""`wasi:http/handler@0.3`, for an ASGI application."""

import asyncio
import sys

import componentize_py_async_support as support
import wit_world
from componentize_py_types import Err, Ok
from wit_world.imports import request as native
from wit_world.imports.wasi_http_types import (
    ErrorCode_InternalError,
    Fields,
    Request,
    Response,
    Scheme_Https,
)

from . import event_loop
from .asgi import make_scope, serve
from .instance import begin

event_loop.install()

# The host refuses these in a list of fields: they are about the connection.
_OF_THE_CONNECTION = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "host"}


class _Connection:
    """The streams of one request and its response."""

    def __init__(self, request: Request) -> None:
        self.response: asyncio.Future = asyncio.get_running_loop().create_future()
        _, sent = wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))
        self.body, self.trailers = Request.consume_body(request, sent)
        self.writer = self.ending = self.outcome = None

    async def read(self, size: int) -> bytes:
        while not self.body.writer_dropped:
            piece = await self.body.read(size)
            if piece:
                return piece
        trailers, self.trailers = self.trailers, None
        if trailers is not None:
            outcome = await trailers.read()
            if isinstance(outcome, Err):
                raise OSError(f"the body is not complete: {outcome.value}")
        return b""

    def start(self, status: int, headers: list[tuple[str, bytes]]) -> None:
        fields = Fields.from_list([field for field in headers if field[0] not in _OF_THE_CONNECTION])
        self.writer, body = wit_world.byte_stream()
        future = wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future
        self.ending, ending = future(lambda: Ok(None))
        response, self.outcome = Response.new(fields, body, ending)
        response.set_status_code(status)
        self.response.set_result(response)

    async def write(self, data: bytes) -> bool:
        await self.writer.write_all(data)
        return not self.writer.reader_dropped

    async def finish(self) -> None:
        self._close()
        await self.ending.write(Ok(None))

    async def break_off(self) -> None:
        """Makes the host see that the response is not all there."""
        await self.ending.write(Err(ErrorCode_InternalError("the application failed")))
        self._close()

    def _close(self) -> None:
        with self.writer:
            pass


async def handle(app, request: Request, environment: dict[str, str]) -> Response:
    """Returns the response once it has begun; its body follows."""
    begin(environment)
    event_loop.begin()
    scope = _scope(request)
    connection = _Connection(request)
    support.spawn(_run(app, scope, connection))
    return await connection.response


async def _run(app, scope: dict, connection: _Connection) -> None:
    exchange = await serve(app, scope, connection)
    if not exchange.is_started:
        failure = Err(ErrorCode_InternalError("the application failed before it responded"))
        connection.response.set_exception(failure)
    elif not exchange.is_complete:
        await connection.break_off()
    sys.stdout.flush()
    sys.stderr.flush()


def _scope(request: Request) -> dict:
    method = request.get_method()
    kind = type(method).__name__.partition("_")[2].upper()
    if kind == "OTHER":
        kind = method.value
    scheme = "https" if isinstance(request.get_scheme(), Scheme_Https) else "http"
    with request.get_headers() as fields:
        headers = fields.copy_all()
    params = {name: value.decode("latin-1") for name, value in native.params()}
    target = request.get_path_with_query() or "/"
    return make_scope(kind, scheme, request.get_authority() or "", target, headers, params)
