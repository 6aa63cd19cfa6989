"""As `flup.server.fcgi`."""

from flup.server.fcgi import WSGIServer as WSGIServer
