"""Reads logs from URLs within bounds: HTTP by the standard library, object stores by fsspec.

A server is untrusted: it may not answer, send one byte per second, never end, or redirect. User
and password are sent only to the host of the original URL.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from harness.errors import ParseError
from harness.storage import bounded
from harness.storage.bounded import Bounded, size
from harness.storage.stores import BUSY_STATUS, on_store

WAIT_S = 10.0
"""Seconds to wait for a connection, and for each further byte."""
TOTAL_S = 120.0
"""Seconds within which a log must end."""
REDIRECTS = 5
ADVICE = "Download the log and pass its path."

_MOVED = frozenset({301, 302, 303, 307, 308})
_SAFE = "%/:=&?~+!$,;'@()*[]|"
_PORTS = {"http": 80, "https": 443}


class HttpLog(Bounded):
    """A server's response. `encoding` is the suffix of its compression; empty if there is none."""

    def __init__(self, url: str) -> None:
        super().__init__(url, total_s=TOTAL_S, advice=ADVICE)
        self._watch = _Watch(TOTAL_S)
        self._response: http.client.HTTPResponse | None = None
        try:
            with self._explained():
                self._response = self._answer(url)
            self.length = self._stated_length(self._response)
            self.encoding = self._stated_encoding(self._response)
        except BaseException:
            self.close()
            raise
        if self.length is None and not self._response.chunked:
            self.note = "the server states no length of this log; a missing end would go unnoticed"

    def close(self) -> None:
        """Ends the connection."""
        self._watch.end()
        if self._response is not None:
            self._response.close()
        super().close()

    def _next(self, n: int) -> bytes:
        with self._explained():
            assert self._response is not None  # noqa: S101  (the constructor opened it)
            data: bytes = self._response.read1(n)  # `read` would wait until it has all n bytes
        if not data:
            if self._watch.expired:
                raise self.too_long()
            if self.length is not None and self.count < self.length:
                msg = f"the connection closed after {self.count} of {self.length} bytes"
                raise self.error(msg)
        return data

    def _answer(self, url: str) -> http.client.HTTPResponse:
        """Returns the response after redirects.

        Raises:
            ParseError: too many redirects, a redirect to an unsupported URL, or an error status.
        """
        given = now = urlsplit(url)
        opener = self._watch.opener()
        for _ in range(REDIRECTS + 1):
            response: http.client.HTTPResponse = opener.open(_request(now, given), timeout=WAIT_S)
            if response.status not in _MOVED:
                break
            response.close()
            before, now = now, self._next_place(now, response)
            if (before.scheme, now.scheme) == ("https", "http"):
                raise self.error("the server redirects from https to http, which is not followed")
            self._watch.hang_up()
        else:
            raise self.error(f"more than {REDIRECTS} redirects")
        if response.status != http.HTTPStatus.OK:
            response.close()
            reason = f"{response.status} {response.reason}"[:80].strip()
            error = ParseError(
                f"the server answers {reason}; check the URL and your access to it",
                source=self.source,
            )
            if response.status in BUSY_STATUS:  # the caller may ask again; see `is_passing`
                raise error from ConnectionError(reason)
            raise error
        return response

    def _next_place(self, now: SplitResult, response: http.client.HTTPResponse) -> SplitResult:
        to = response.headers.get("Location", "")
        try:
            place = urlsplit(urljoin(urlunsplit(now), to))
            known = bool(place.hostname) and place.port != 0
        except ValueError:
            known = False
        if not to or not known or place.scheme not in _PORTS:
            raise self.error("the server redirects to something other than an http(s) URL")
        return place

    def _stated_length(self, response: http.client.HTTPResponse) -> int | None:
        """Returns the length that the response states; None if it states none that applies."""
        stated = {text.strip() for text in response.headers.get_all("Content-Length", [])}
        if response.chunked or not stated:
            return None
        text = stated.pop()
        if stated or not (text.isascii() and text.isdigit()):
            raise self.error(f"the server states an invalid length ({text!r:.40})")
        digits = text.lstrip("0") or "0"
        if len(digits) > len(str(bounded.MAX_BYTES)) or int(digits) > bounded.MAX_BYTES:
            raise self.error(
                f"the server states more than {size(bounded.MAX_BYTES)} ({text:.40} bytes)"
            )
        return int(digits)

    def _stated_encoding(self, response: http.client.HTTPResponse) -> str:
        stated = response.headers.get("Content-Encoding", "").strip().lower()
        if stated in {"", "identity"}:
            return ""
        if stated in {"gzip", "x-gzip"}:
            return ".gz"
        raise self.error(f"the server uses the encoding {stated!r:.40}, which was not requested")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns an error of the connection into a ParseError."""
        try:
            yield
        except (OSError, ValueError, http.client.HTTPException) as error:
            if self._watch.expired:  # `from error` would look like a lost connection
                raise self.too_long() from None
            raise self.error(_words(error)) from error


def _words(error: Exception) -> str:
    """Returns the cause of an error of the connection."""
    during = "send its next byte"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error, during = error.reason, "accept the connection"
    match error:
        case TimeoutError():
            return f"the server took more than {WAIT_S:g} s to {during}"
        case socket.gaierror():
            return "the name of the server is unknown"
        case ssl.SSLError():
            why = getattr(error, "verify_message", "") or error.reason or type(error).__name__
            return f"no secure connection to the server ({why})"
        case http.client.IncompleteRead():
            return "the connection closed within the log"
        case http.client.HTTPException():
            return f"the server's answer is not HTTP ({type(error).__name__}: {str(error)[:80]})"
    why = getattr(error, "strerror", "") or str(error)[:200] or type(error).__name__
    return f"cannot be read: {why}"


def _request(now: SplitResult, given: SplitResult) -> urllib.request.Request:
    """Returns a request. User and password become a header, for the original host only."""
    host = now.netloc.rpartition("@")[2]
    clean = urlunsplit(
        (now.scheme, host, quote(now.path or "/", _SAFE), quote(now.query, _SAFE), "")
    )
    request = urllib.request.Request(  # noqa: S310  (only http and https URLs get here)
        clean, headers={"User-Agent": "ccnet-port-harness", "Accept-Encoding": "identity"}
    )
    if given.username is not None and _same_host(now, given):
        pair = f"{unquote(given.username)}:{unquote(given.password or '')}"
        token = base64.b64encode(pair.encode("utf-8", "replace")).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _same_host(now: SplitResult, given: SplitResult) -> bool:
    """Returns whether host and port are those of the original URL, or its upgrade to https."""
    if now.hostname != given.hostname:
        return False
    ports = [part.port or _PORTS[part.scheme] for part in (now, given)]
    if now.scheme == given.scheme:
        return ports[0] == ports[1]
    return ports == [_PORTS["https"], _PORTS["http"]]


class _Watch:
    """A timer that shuts the sockets down, which ends a read that is blocked in them."""

    def __init__(self, total_s: float) -> None:
        self.expired = False
        self.connections: list[http.client.HTTPConnection] = []
        self.sockets: list[socket.socket] = []
        self._timer = threading.Timer(total_s, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def opener(self) -> urllib.request.OpenerDirector:
        """Returns an opener for http and https only, which uses the environment's proxies."""
        director = urllib.request.OpenerDirector()
        director.add_handler(urllib.request.ProxyHandler())
        director.add_handler(_Http(self))
        director.add_handler(_Https(self))
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
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._connection = watch.connect(http.client.HTTPConnection)

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connection, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._connection = watch.connect(http.client.HTTPSConnection)

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connection, req, context=ssl.create_default_context())


class StoreLog(Bounded):
    """An object of a store, read by fsspec.

    Raises:
        ParseError: the library of the store is not installed, or the object cannot be opened.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, total_s=TOTAL_S, advice=ADVICE)
        self._file: IO[bytes] = on_store(url, lambda files, path: files.open(path, "rb"))

    def close(self) -> None:
        """Closes the object."""
        with suppress(AttributeError):  # the constructor failed before it set `_file`
            self._file.close()
        super().close()

    def _next(self, n: int) -> bytes:
        return self._file.read(n)
