"""Requests to the JSON interface of a tracker's server, within bounds of time and size."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from harness.errors import ParseError
from harness.log.shown import shown
from harness.system.connection import Watch, words

WAIT_S = 60.0
"""Seconds to wait for an answer, and for each further byte: it may come from a large database."""
TOTAL_S = 300.0
"""Seconds within which everything must be read that one name gives."""
MAX_BYTES = 256 << 20
"""Most bytes of one answer."""
_MOVED = range(300, 400)


class Api:
    """A server. User and password of the URL become a header, unless `headers` has one.

    Raises:
        ParseError: the URL has no host.
    """

    def __init__(
        self,
        url: str,
        *,
        source: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            msg = "a URL without a host; expected http://host:port"
            raise ParseError(msg, source=source)
        self._source = source
        self._base = urlunsplit(
            (parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", "")
        )
        self.shown = shown(self._base)
        self._headers = {
            "User-Agent": "ccnet-port-harness",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **headers,
        }
        if parts.username and "Authorization" not in headers:
            pair = (unquote(parts.username), unquote(parts.password or ""))
            self._headers["Authorization"] = basic(*pair)
        self._watch = Watch(TOTAL_S)
        self._opener = self._watch.opener(tls)

    def close(self) -> None:
        """Ends the connection."""
        self._watch.end()

    def get(self, path: str, **values: object) -> dict[str, Any] | None:
        """Returns the answer to a question; None if the server knows no such thing.

        Raises:
            ParseError: the server cannot be reached, refuses, or answers something else.
        """
        return self._answer(urllib.request.Request(f"{self._base}{path}?{urlencode(values)}"))  # noqa: S310

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any] | None:
        """Returns the answer to a question that has the form of JSON, as `get` does."""
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self._base}{path}", data=data, method="POST")  # noqa: S310
        request.add_header("Content-Type", "application/json")
        return self._answer(request)

    def _answer(self, request: urllib.request.Request) -> dict[str, Any] | None:
        for name, value in self._headers.items():
            request.add_unredirected_header(name, value)
        try:
            response: http.client.HTTPResponse = self._opener.open(request, timeout=WAIT_S)
            try:
                data = response.read(MAX_BYTES + 1)
            finally:
                response.close()
                self._watch.hang_up()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise self._error(self._cause(error)) from error
        return self._content(response, data)

    def _cause(self, error: Exception) -> str:
        if self._watch.expired:
            return f"did not answer everything within {TOTAL_S:g} s; name fewer runs"
        return words(error, wait_s=WAIT_S)

    def _content(self, response: http.client.HTTPResponse, data: bytes) -> dict[str, Any] | None:
        if len(data) > MAX_BYTES:
            raise self._error(f"the answer has more than {MAX_BYTES >> 20} MiB")
        if response.status in _MOVED:
            to = shown(response.headers.get("Location", ""))
            raise self._error(f"the server redirects to {to:.200}; give that URL")
        answer = _json(data)
        if response.status == http.HTTPStatus.OK and answer is not None:
            return answer
        if answer is not None and answer.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise self._error(_refusal(response, answer))

    def _error(self, what: str) -> ParseError:
        return ParseError(f"{self.shown}: {what}", source=self._source)


def _json(data: bytes) -> dict[str, Any] | None:
    """Returns the object of an answer; None if it is something else."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refusal(response: http.client.HTTPResponse, answer: Mapping[str, Any] | None) -> str:
    """Returns why the server gave no answer, with its own words if it has any."""
    if response.status in {401, 403}:
        return f"the server answers {response.status}: user, password or token are refused"
    if response.status == http.HTTPStatus.OK:
        return "the answer is not JSON; check that the URL is that of the tracker's server"
    own = "" if answer is None else shown(str(answer.get("message", "")))[:200]
    return (
        f"the server answers {response.status} {shown(own or response.reason)[:200]}; check the URL"
    )


def basic(user: str, password: str) -> str:
    """Returns the header of a user with a password."""
    pair = f"{user}:{password}".encode("utf-8", "replace")
    return f"Basic {base64.b64encode(pair).decode()}"
