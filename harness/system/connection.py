"""Connections to servers within bounds of time: a server may not answer, or never end."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any


def words(error: Exception, *, wait_s: float) -> str:
    """Returns the cause of an error of a connection that waits `wait_s` for each answer."""
    during = "send its next byte"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error, during = error.reason, "accept the connection"
    match error:
        case TimeoutError():
            return f"the server took more than {wait_s:g} s to {during}"
        case socket.gaierror():
            return "the name of the server is unknown"
        case ssl.SSLError():
            why = getattr(error, "verify_message", "") or error.reason or type(error).__name__
            return f"no secure connection to the server ({why})"
        case http.client.IncompleteRead():
            return "the connection closed within the answer"
        case http.client.HTTPException():
            return f"the server's answer is not HTTP ({type(error).__name__}: {str(error)[:80]})"
    why = getattr(error, "strerror", "") or str(error)[:200] or type(error).__name__
    return f"cannot be read: {why}"


class Watch:
    """A timer that shuts the sockets down, which ends a read that is blocked in them."""

    def __init__(self, total_s: float) -> None:
        self.expired = False
        self.connections: list[http.client.HTTPConnection] = []
        self.sockets: list[socket.socket] = []
        self._timer = threading.Timer(total_s, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def opener(self, tls: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
        """Returns an opener for http and https only, which uses the environment's proxies.

        It follows no redirect. `tls` decides which certificates are trusted, by default those that
        the system trusts.
        """
        director = urllib.request.OpenerDirector()
        director.add_handler(urllib.request.ProxyHandler())
        director.add_handler(_Http(self))
        director.add_handler(_Https(self, tls))
        return director

    def hang_up(self) -> None:
        """Closes the connections."""
        sockets = [*self.sockets, *(c.sock for c in self.connections if c.sock is not None)]
        for sock in sockets:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self.sockets.clear()
        self.connections.clear()

    def end(self) -> None:
        """Stops the timer and closes the connections."""
        self._timer.cancel()
        self.hang_up()

    def _expire(self) -> None:
        self.expired = True
        self.hang_up()

    def connect(self, kind: type[http.client.HTTPConnection]) -> Any:
        """Returns a connection class whose sockets are registered with this timer."""
        watch = self

        class Watched(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                watch.connections.append(self)
                super().connect()
                watch.sockets.append(self.sock)

        return Watched


class _Http(urllib.request.HTTPHandler):
    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._connection = watch.connect(http.client.HTTPConnection)

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connection, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch: Watch, tls: ssl.SSLContext | None) -> None:
        super().__init__()
        self._tls = tls
        self._connection = watch.connect(http.client.HTTPSConnection)

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(
            self._connection, req, context=self._tls or ssl.create_default_context()
        )
