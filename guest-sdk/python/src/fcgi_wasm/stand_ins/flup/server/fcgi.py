"""Takes note of the application that flup's server was to serve."""

from fcgi_wasm.guest.finding import record


class WSGIServer:
    """Whatever it is told about sockets, threads and debugging is moot."""

    def __init__(self, application, *_arguments, **_options) -> None:
        self.application = application

    def run(self, *_arguments, **_options) -> bool:
        record(self.application)
        return False
