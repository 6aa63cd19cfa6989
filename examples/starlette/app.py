"""A small Starlette application: pages, a form, uploads, streams, middleware."""

import asyncio
import contextlib
import time

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

templates = Jinja2Templates(directory="templates")
counter = 0


@contextlib.asynccontextmanager
async def lifespan(_app):
    yield {"started": time.monotonic()}


class Timing(BaseHTTPMiddleware):
    """Says how long a response took to begin."""

    async def dispatch(self, request, call_next):
        start = time.monotonic()
        response = await call_next(request)
        response.headers["server-timing"] = f"app;dur={(time.monotonic() - start) * 1000:.1f}"
        return response


async def home(request: Request):
    context = {"name": request.query_params.get("name", "world")}
    return templates.TemplateResponse(request, "home.html", context)


async def upload(request: Request):
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return PlainTextResponse(f"{size} bytes\n")


async def form(request: Request):
    """A multipart form with a file in it."""
    async with request.form() as fields:
        file = fields["file"]
        content = await file.read()
        return JSONResponse({"title": fields["title"], "name": file.filename, "bytes": len(content)})


async def stream(_request: Request):
    async def lines():
        for number in range(1, 6):
            yield f"line {number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


async def slow(_request: Request):
    """The first line at once, the second half a second later."""

    async def lines():
        yield "first\n"
        await asyncio.sleep(0.5)
        yield "second\n"

    return StreamingResponse(lines(), media_type="text/plain")


def sync(_request: Request):
    """Not async: Starlette would call this in a thread."""
    return PlainTextResponse("called in the only thread there is\n")


async def threadpool(_request: Request):
    return PlainTextResponse(f"{await run_in_threadpool(sum, [1, 2, 3])}\n")


async def both(_request: Request):
    """Two things at a time: it takes as long as the longer one."""

    async def wait(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    start = time.monotonic()
    done = await asyncio.gather(wait(0.3), wait(0.2))
    async with asyncio.timeout(5):
        await asyncio.sleep(0)
    took = time.monotonic() - start
    return JSONResponse({"done": done, "at_once": took < 0.45})


async def count(_request: Request):
    global counter
    counter += 1
    return PlainTextResponse(f"{counter}\n")


async def who(request: Request):
    address = request.client.host if request.client else ""
    return PlainTextResponse(f"addr={address} script={request.scope.get('root_path', '')}\n")


async def remember(request: Request):
    if request.method == "POST":
        fields = await request.form()
        request.session["name"] = str(fields["name"])
        return RedirectResponse(request.url_for("remember"), status_code=303)
    return PlainTextResponse(f"you are {request.session.get('name', 'nobody')}\n")


async def started(request: Request):
    """Shows that the lifespan ran: in this very instance, a moment ago."""
    age = time.monotonic() - request.state.started
    return PlainTextResponse("just now\n" if age < 5 else f"{age} seconds ago\n")


async def background(_request: Request):
    async def afterwards() -> None:
        await asyncio.sleep(0.05)
        print("the background task ran")

    return PlainTextResponse("answered\n", background=BackgroundTask(afterwards))


async def fail(_request: Request):
    raise ValueError("on purpose")


async def not_found(request: Request, failure: HTTPException):
    return PlainTextResponse(f"nothing at {request.url.path}\n", status_code=404)


app = Starlette(
    routes=[
        Route("/", home),
        Route("/upload", upload, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/stream", stream),
        Route("/slow", slow),
        Route("/sync", sync),
        Route("/threadpool", threadpool),
        Route("/both", both),
        Route("/count", count),
        Route("/who", who),
        Route("/remember", remember, methods=["GET", "POST"]),
        Route("/started", started),
        Route("/background", background),
        Route("/fail", fail),
        Mount("/static", StaticFiles(directory="static"), name="static"),
    ],
    middleware=[Middleware(Timing), Middleware(SessionMiddleware, secret_key="for the example only")],
    exception_handlers={404: not_found},
    lifespan=lifespan,
)
