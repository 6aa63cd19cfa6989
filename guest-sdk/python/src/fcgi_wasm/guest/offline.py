"""No network while a component is being built.

The host's handle for the network would stay in the picture, where it means
nothing any more, and the first look-up of a request would crash on it.
"""

import contextlib
import errno
import socket

_FUNCTIONS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo")


def _refuse(*_arguments, **_options):
    raise OSError(errno.EACCES, "there is no network while the component is being built")


@contextlib.contextmanager
def offline():
    """Refuses sockets and look-ups; libraries that only try go on without."""
    places = [(socket.socket, "__init__"), *((socket, name) for name in _FUNCTIONS)]
    real = [(place, name, getattr(place, name)) for place, name in places if hasattr(place, name)]
    for place, name, _ in real:
        setattr(place, name, _refuse)
    try:
        yield
    finally:
        for place, name, function in real:
            setattr(place, name, function)
