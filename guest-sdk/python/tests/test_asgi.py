"""The ASGI adapter, with a connection that is two lists."""

import asyncio
import io
import unittest
from contextlib import redirect_stderr

from fcgi_wasm.guest.asgi import make_scope, serve


class Kept:
    def __init__(self, body=()):
        self.pieces = [*body, b""]
        self.events = []

    async def read(self, _size):
        return self.pieces.pop(0)

    def start(self, status, headers):
        self.events.append(("start", status, headers))

    async def write(self, data):
        self.events.append(("write", data))
        return True

    async def finish(self):
        self.events.append(("finish",))


def scope(method="GET", target="/", headers=(), **params):
    return make_scope(method, "https", "shop.example:8443", target, list(headers), params)


def run(app, body=(), method="GET"):
    kept = Kept(body)
    with redirect_stderr(io.StringIO()) as errors:
        exchange = asyncio.run(serve(app, scope(method), kept))
    return kept.events, exchange, errors.getvalue()


class Scope(unittest.TestCase):
    def test_everything_has_its_place(self):
        found = scope(
            target="/app/%C3%A4?q=1",
            headers=[("accept", b"x")],
            SCRIPT_NAME="/app",
            REMOTE_ADDR="1.2.3.4",
            REMOTE_PORT="99",
            REMOTE_USER="ada",
        )
        self.assertEqual((found["path"], found["raw_path"]), ("/app/ä", b"/app/%C3%A4"))
        self.assertEqual((found["query_string"], found["root_path"]), (b"q=1", "/app"))
        self.assertEqual(found["client"], ("1.2.3.4", 99))
        self.assertEqual(found["server"], ("shop.example", 8443))
        self.assertEqual(found["headers"], [(b"host", b"shop.example:8443"), (b"accept", b"x")])
        self.assertEqual(found["extensions"]["fcgi-wasm"]["params"]["REMOTE_USER"], "ada")


class Exchanges(unittest.TestCase):
    def test_body_in_and_out(self):
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            size = 0
            while True:
                message = await receive()
                size += len(message["body"])
                if not message["more_body"]:
                    break
            await send({"type": "http.response.start", "status": 201, "headers": [(b"X-A", b"1")]})
            await send({"type": "http.response.body", "body": b"%d" % size, "more_body": True})
            await send({"type": "http.response.body"})
            assert (await receive())["type"] == "http.disconnect"

        events, exchange, _ = run(app, [b"ab", b"c"])
        self.assertEqual(events, [("start", 201, [("x-a", b"1")]), ("write", b"3"), ("finish",)])
        self.assertTrue(exchange.is_complete)

    def test_head(self):
        async def app(_scope, _receive, send):
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x"})

        self.assertEqual(run(app, method="HEAD")[0], [("start", 200, []), ("finish",)])

    def test_lifespan_state_reaches_the_request(self):
        order = []

        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                order.append((await receive())["type"])
                scope["state"]["pool"] = 7
                await send({"type": "lifespan.startup.complete"})
                order.append((await receive())["type"])
                await send({"type": "lifespan.shutdown.complete"})
                return
            order.append(scope["state"]["pool"])
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})

        run(app)
        self.assertEqual(order, ["lifespan.startup", 7, "lifespan.shutdown"])

    def test_failures(self):
        async def at_start(scope, receive, send):
            if scope["type"] == "lifespan":
                await receive()
                await send({"type": "lifespan.startup.failed", "message": "no luck"})

        async def before(scope, _receive, _send):
            assert scope["type"] == "http"
            raise ValueError("before")

        async def between(scope, _receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            raise ValueError("between")

        for app, text, is_started in [
            (at_start, "no luck", False),
            (before, "before", False),
            (between, "between", True),
        ]:
            _, exchange, errors = run(app)
            self.assertIn(text, errors)
            self.assertEqual((exchange.is_started, exchange.is_complete), (is_started, False))


if __name__ == "__main__":
    unittest.main()
