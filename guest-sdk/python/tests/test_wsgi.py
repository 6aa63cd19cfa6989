"""The WSGI adapter, with a response that is a list."""

import io
import unittest
from contextlib import redirect_stderr

from fcgi_wasm.guest.body import BodyError, Input
from fcgi_wasm.guest.environ import make_environ
from fcgi_wasm.guest.wsgi import Disconnected, FileWrapper, serve


class Kept:
    """Keeps what was done, in order."""

    def __init__(self, writes_max=None):
        self.events = []
        self.writes_left = writes_max

    def start(self, status, headers):
        self.events.append(("start", status, headers))

    def write(self, data):
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise Disconnected
            self.writes_left -= 1
        self.events.append(("write", data))

    def flush(self):
        self.events.append(("flush",))

    @property
    def body(self):
        return b"".join(event[1] for event in self.events if event[0] == "write")

    def header(self, name):
        values = [value for known, value in self.events[0][2] if known == name]
        return values[0] if values else None


def environ(method="GET", params=(), headers=(), body=b""):
    return make_environ(method, list(params), list(headers), Input(io.BytesIO(body).read))


def run(app, response=None, **request):
    response = response or Kept()
    serve(app, environ(**request), response)
    return response


def answering(result, status="200 OK", headers=()):
    def app(_environ, start_response):
        start_response(status, list(headers))
        return result

    return app


class Environ(unittest.TestCase):
    def test_params_and_headers(self):
        found = environ(
            "POST",
            [("SCRIPT_NAME", b"/app"), ("PATH_INFO", "/ä".encode()), ("REMOTE_USER", b"ada")],
            [("cookie", b"a=1"), ("cookie", b"b=2"), ("accept", b"x"), ("accept", b"y"), ("content-type", b"a/b")],
        )
        self.assertEqual(found["REQUEST_METHOD"], "POST")
        self.assertEqual(found["SCRIPT_NAME"], "/app")
        self.assertEqual(found["PATH_INFO"], "/Ã¤")
        self.assertEqual(found["REMOTE_USER"], "ada")
        self.assertEqual(found["HTTP_COOKIE"], "a=1; b=2")
        self.assertEqual(found["HTTP_ACCEPT"], "x, y")
        self.assertEqual(found["CONTENT_TYPE"], "a/b")
        self.assertIs(type(found), dict)

    def test_what_must_not_arrive(self):
        found = environ(headers=[("proxy", b"evil"), ("transfer-encoding", b"chunked"), ("content-length", b"")])
        for name in ("HTTP_PROXY", "HTTP_TRANSFER_ENCODING", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"):
            self.assertNotIn(name, found)

    def test_scheme(self):
        for params, scheme in [
            ([], "http"),
            ([("HTTPS", b"on")], "https"),
            ([("HTTPS", b"off")], "http"),
            ([("HTTPS", b"")], "http"),
            ([("REQUEST_SCHEME", b"https")], "https"),
        ]:
            self.assertEqual(environ(params=params)["wsgi.url_scheme"], scheme, params)


class Body(unittest.TestCase):
    def test_ways_to_read(self):
        text = b"one\ntwo\nthree"
        self.assertEqual(environ(body=text)["wsgi.input"].read(), text)
        self.assertEqual(environ(body=text)["wsgi.input"].read(5), b"one\nt")
        self.assertEqual(environ(body=text)["wsgi.input"].readline(), b"one\n")
        self.assertEqual(environ(body=text)["wsgi.input"].readline(2), b"on")
        self.assertEqual(environ(body=text)["wsgi.input"].readlines(), [b"one\n", b"two\n", b"three"])
        self.assertEqual(list(environ(body=text)["wsgi.input"]), [b"one\n", b"two\n", b"three"])

    def test_in_pieces_and_past_the_end(self):
        pieces = iter([b"ab", b"c", b""])
        body = Input(lambda _size: next(pieces))
        self.assertEqual((body.read(), body.read(), body.read(1)), (b"abc", b"", b""))

    def test_errors_are_os_errors(self):
        def fetch(_size):
            raise BodyError("gone")

        with self.assertRaises(OSError):
            Input(fetch).read(1)

    def test_unknown_length_becomes_known(self):
        def app(environ, start_response):
            start_response("200 OK", [])
            return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]

        self.assertEqual(run(app, method="POST", body=b"x" * 100_000).body, b"x" * 100_000)


class Answers(unittest.TestCase):
    def test_a_list_gets_a_length_and_no_flush(self):
        kept = run(answering([b"ab", b"c"], headers=[("X-A", "1"), ("X-A", "2")]))
        self.assertEqual(
            kept.events,
            [
                ("start", 200, [("x-a", b"1"), ("x-a", b"2"), ("content-length", b"3")]),
                ("write", b"ab"),
                ("write", b"c"),
            ],
        )

    def test_a_generator_leaves_piece_by_piece(self):
        kept = run(answering(piece for piece in (b"a", b"", b"b")))
        self.assertEqual([event[0] for event in kept.events], ["start", "write", "flush", "write", "flush"])

    def test_an_empty_answer(self):
        kept = run(answering([], "404 Not Found"))
        self.assertEqual(kept.events, [("start", 404, [("content-length", b"0")])])
        self.assertEqual(run(answering([], "304 Not Modified")).events, [("start", 304, [])])

    def test_head_has_no_body(self):
        kept = run(answering(iter([b"abc"]), headers=[("Content-Length", "3")]), method="HEAD")
        self.assertEqual(kept.events, [("start", 200, [("content-length", b"3")])])

    def test_no_more_than_the_length(self):
        with redirect_stderr(io.StringIO()):
            kept = run(answering([b"abc", b"def"], headers=[("Content-Length", "4")]))
        self.assertEqual(kept.body, b"abcd")

    def test_write(self):
        def app(_environ, start_response):
            write = start_response("200 OK", [])
            write(b"first ")
            return [b"second"]

        self.assertEqual(run(app).body, b"first second")

    def test_start_response_late(self):
        def app(_environ, start_response):
            start_response("201 Created", [])
            yield b"made"

        self.assertEqual(run(app).events[0], ("start", 201, []))

    def test_exc_info_replaces_what_was_not_sent(self):
        def app(_environ, start_response):
            start_response("200 OK", [("a", "1")])
            try:
                raise ValueError
            except ValueError as failure:
                info = (ValueError, failure, failure.__traceback__)
                start_response("500 Oh", [("b", "2")], info)
            return [b"x"]

        self.assertEqual(run(app).events[0], ("start", 500, [("b", b"2"), ("content-length", b"1")]))

    def test_exc_info_is_raised_once_sent(self):
        def app(_environ, start_response):
            start_response("200 OK", [])
            yield b"x"
            failure = KeyError("late")
            start_response("500 Oh", [], (KeyError, failure, None))

        with self.assertRaises(KeyError):
            run(app)

    def test_mistakes_of_applications(self):
        def silent(_environ, _start_response):
            return [b"x"]

        def twice(_environ, start_response):
            start_response("200 OK", [])
            start_response("200 OK", [])

        for app, kind in [
            (silent, AssertionError),
            (twice, AssertionError),
            (answering(["text"]), TypeError),
            (answering([], 200), ValueError),
        ]:
            with self.assertRaises(kind):
                run(app)

    def test_close_is_called_whatever_happens(self):
        class Result:
            closed = 0

            def __init__(self, fails):
                self.fails = fails

            def __iter__(self):
                yield b"x"
                if self.fails:
                    raise ValueError

            def close(self):
                self.closed += 1

        good, bad, unread = Result(False), Result(True), Result(False)
        run(answering(good))
        with self.assertRaises(ValueError):
            run(answering(bad))
        run(answering(unread), response=Kept(writes_max=0))
        self.assertEqual((good.closed, bad.closed, unread.closed), (1, 1, 1))

    def test_a_file_leaves_in_large_blocks(self):
        file = io.BytesIO(b"x" * 100_000)

        def app(environ, start_response):
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](file, 1024)

        kept = run(app)
        self.assertEqual(len(kept.body), 100_000)
        self.assertNotIn(("flush",), kept.events)
        self.assertTrue(file.closed)
        self.assertEqual(list(FileWrapper(io.BytesIO(b""))), [])


if __name__ == "__main__":
    unittest.main()
