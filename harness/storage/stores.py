"""Calls object stores by fsspec: repeats a call while the store is busy, and explains its errors.

A store without credentials is asked without a signature, which public buckets accept. Credentials
and endpoints come from the environment (such as AWS_ENDPOINT_URL) or from fsspec's configuration.
"""

from __future__ import annotations

import errno
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from harness.errors import HarnessError, ParseError
from harness.extras import needs
from harness.log.shown import shown

Answer = TypeVar("Answer")

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""The package that reads each protocol; an extra installs it."""
IN_FLIGHT = 32
"""Requests to stores and servers that run at the same time."""
TRIES = 5
FIRST_WAIT_S = 0.25
"""Seconds before the second try; each later wait is twice as long."""
BUSY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that say: try again later."""

_BUSY_ERRNO = frozenset(
    {errno.EBUSY, errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE}
    | {getattr(errno, "EREMOTEIO", errno.EIO)}
)
_BUSY_NAMES = frozenset(
    {"HTTPClientError", "IncompleteRead", "IncompleteReadError", "ResponseParserError"}
    | {"ClientPayloadError", "ClientConnectionError", "ServiceRequestError"}
    | {"ServiceResponseError", "FSTimeoutError"}
)
"""Exceptions of the stores' packages that say that a connection was lost."""
_SECRETS = ("key", "secret", "token", "account_key", "sas_token", "connection_string", "password")
_SECRET_NAMES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY",
                 "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN",
                 "AZURE_STORAGE_CONNECTION_STRING")  # fmt: skip
_unsigned: set[str] = set()
"""Protocols for which this process has no credentials."""


def on_store(url: str, act: Callable[[Any, str], Answer]) -> Answer:
    """Returns `act(file_system, path)` for the place that a URL of a store names.

    The call is repeated if the store is busy or the connection is lost (`TRIES` times, with growing
    waits), and once without a signature if there are no credentials.

    Raises:
        ParseError: the package is not installed, or the store does not answer as asked.
    """
    scheme = url.partition("://")[0]
    try:
        return repeated(lambda: _acted(url, scheme, act))
    except HarnessError:
        raise
    except Exception as error:  # the package of each store has other exceptions
        raise explained(url, error) from error


def _acted(url: str, scheme: str, act: Callable[[Any, str], Answer]) -> Answer:
    try:
        return act(*_opened(url, scheme))
    except Exception as error:
        if scheme in _unsigned or "NoCredentialsError" not in _names(error):
            raise
        _unsigned.add(scheme)
        return act(*_opened(url, scheme))


def _opened(url: str, scheme: str) -> tuple[Any, str]:
    """Returns fsspec's file system of a URL, and the path in it."""
    from fsspec.config import conf  # noqa: PLC0415  (only stores need it)
    from fsspec.core import url_to_fs  # noqa: PLC0415

    options: dict[str, Any] = {"use_listings_cache": False} if scheme in PACKAGES else {}
    if scheme == "s3" and "config_kwargs" not in conf.get("s3", {}):
        # botocore opens 10 connections by default
        options["config_kwargs"] = {"max_pool_connections": IN_FLIGHT}
    if scheme in _unsigned:
        options["anon"] = True
    file_system, path = url_to_fs(url, **options)
    return file_system, str(path)


def repeated(
    call: Callable[[], Answer], *, passing: Callable[[BaseException], bool] | None = None
) -> Answer:
    """Returns `call()`, repeated while it raises an error that may not occur again.

    `passing` recognises such errors, by default `is_passing`.

    Raises:
        The error of the last try.
    """
    for number in range(TRIES - 1):
        try:
            return call()
        except Exception as error:
            if not (passing or is_passing)(error):
                raise
        wait_s: float = FIRST_WAIT_S * 2**number
        time.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311  (spreads the load, no secret)
    return call()


def is_lost(error: BaseException) -> bool:
    """Returns whether a connection was lost, or a server said that it is busy.

    A server that was silent until a time limit is not asked again, nor a port that nobody serves.
    """
    return any(
        isinstance(one, ConnectionError) and not isinstance(one, ConnectionRefusedError)
        for one in _chain(error)
    )


def is_passing(error: BaseException) -> bool:
    """Returns whether an error of a store may not occur again, because it was busy or silent."""
    return is_lost(error) or any(
        isinstance(one, TimeoutError)
        or (isinstance(one, OSError) and one.errno in _BUSY_ERRNO)
        or _status(one) in BUSY_STATUS
        or not _BUSY_NAMES.isdisjoint(kind.__name__ for kind in type(one).__mro__)
        for one in _chain(error)
    )


def _status(error: BaseException) -> int | None:
    """Returns the HTTP status that an error carries; None without any."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        response = response.get("ResponseMetadata", {})
        status = response.get("HTTPStatusCode") if isinstance(response, dict) else None
        return status if isinstance(status, int) else None
    for name in ("status_code", "status", "code"):
        status = getattr(error, name, None)
        if isinstance(status, int):
            return status
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}


def explained(url: str, error: BaseException) -> ParseError:
    """Returns the error of a call to a store as one line: what happened, and what to do."""
    scheme = url.partition("://")[0]
    if isinstance(error, ImportError) and scheme in PACKAGES:
        return ParseError(f"a URL of {scheme}:// {needs(PACKAGES[scheme])}", source=url)
    if isinstance(error, FileNotFoundError):
        msg = "no such object; check the bucket and the key"
    elif isinstance(error, PermissionError) or _status(error) in {401, 403}:
        msg = f"the store denies access ({_words(error)}); check the credentials and their rights"
    elif "NoCredentialsError" in _names(error):
        msg = "no credentials, and the store denies access without them; set its usual variables"
    elif is_passing(error):
        msg = f"the store did not answer in {TRIES} tries ({_words(error)}); try again later"
    else:
        msg = f"cannot be read: {_words(error)}; check the URL and the endpoint"
    return ParseError(msg, source=url)


def _words(error: BaseException) -> str:
    """Returns the first line of an error's text, without credentials."""
    text = str(error).strip() or type(error).__name__
    for secret in _secrets():
        text = text.replace(secret, "***")
    return shown(text.splitlines()[0][:200]).rstrip(". ")


def _secrets() -> Iterator[str]:
    """Yields the secrets of the environment and of fsspec's configuration."""
    from fsspec.config import conf  # noqa: PLC0415  (only stores need it)

    settings = [value for options in conf.values() if isinstance(options, dict)
                for name, value in options.items() if name in _SECRETS]  # fmt: skip
    for value in [*settings, *(os.environ.get(name) for name in _SECRET_NAMES)]:
        if isinstance(value, str) and len(value) >= 4:
            yield value
