"""Stands in for flipflop, flup's small brother, while a component is built."""

from flup.server.fcgi import WSGIServer as WSGIServer
