"""Reads logs from URLs within bounds: HTTP by the standard library, object stores by fsspec.

A server is untrusted: it may not answer, send one byte per second, never end, or redirect. User
and password are sent only to the host of the original URL.
"""

from __future__ import annotations

import base64
import http.client
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from harness.errors import ParseError
from harness.storage import bounded
from harness.storage.bounded import Bounded, size
from harness.system.connection import Watch, words

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
        self._watch = Watch(TOTAL_S)
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
            raise ParseError(
                f"the server answers {reason}; check the URL and your access to it",
                source=self.source,
            )
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
            if self._watch.expired:
                raise self.too_long() from error
            raise self.error(words(error, wait_s=WAIT_S)) from error


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


class StoreLog(Bounded):
    """An object of a store, read by fsspec.

    Raises:
        ParseError: the library of the store is not installed, or the object cannot be opened.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, total_s=TOTAL_S, advice=ADVICE)
        import fsspec  # noqa: PLC0415  (only object stores need it)

        self._file: IO[bytes] = fsspec.open(url, "rb").open()

    def close(self) -> None:
        """Closes the object."""
        with suppress(AttributeError):  # the constructor failed before it set `_file`
            self._file.close()
        super().close()

    def _next(self, n: int) -> bytes:
        return self._file.read(n)
