"""What the web server and the client say of a request, as a WSGI environ.

Bytes become text as PEP 3333 has it: one character for each byte.
"""

import sys

Fields = list[tuple[str, bytes]]


def make_environ(method: str, params: Fields, headers: Fields, body) -> dict:
    """The environ of one request. Params are the web server's word and keep
    their names; headers are the client's and are told apart by `HTTP_`."""
    environ = {
        "SCRIPT_NAME": "",
        "PATH_INFO": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    for name, value in params:
        if not name.startswith("HTTP_"):
            environ[name] = value.decode("latin-1")
    for name, value in _joined(headers).items():
        environ[name] = value
    environ["REQUEST_METHOD"] = method
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if not environ.get(name):
            environ.pop(name, None)
    environ.update(
        {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": scheme(environ),
            "wsgi.input": body,
            # The end of the body is the end of the input, length or not.
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": True,
        }
    )
    return environ


def scheme(environ: dict) -> str:
    if environ.get("HTTPS", "").lower() not in ("", "off", "0"):
        return "https"
    return "https" if environ.get("REQUEST_SCHEME") == "https" else "http"


def _joined(headers: Fields) -> dict[str, str]:
    """Headers by their CGI names, repeated ones joined."""
    joined: dict[str, str] = {}
    for name, value in headers:
        variable = name.upper().replace("-", "_")
        # `Proxy` would be taken for a setting of outgoing requests (httpoxy).
        # The body has no transfer coding any more.
        if variable in ("PROXY", "TRANSFER_ENCODING"):
            continue
        if variable not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            variable = f"HTTP_{variable}"
        text = value.decode("latin-1")
        if variable in joined:
            separator = "; " if variable == "HTTP_COOKIE" else ", "
            text = joined[variable] + separator + text
        joined[variable] = text
    return joined
