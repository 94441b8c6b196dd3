"""A small object store that speaks the part of S3 that s3fs uses: list, read, write and remove.

It makes the logs `runs/run_0000000.log`, ... of the bucket `bench` when they are asked for, and
keeps what is written. Each answer waits for a given time, as a store over a network does, and every
hundredth first request for a log is refused with 503 SlowDown.

    python -m benchmarks.store_server PORT LOGS LATENCY_MS
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from random import Random
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bench"
STEPS = 24
PAGE = 1000
REFUSED = 100
"""One of so many logs is refused at the first request."""


def log_name(number: int) -> str:
    """Returns the key of a log."""
    return f"runs/run_{number:07d}.log"


def log_bytes(number: int) -> bytes:
    """Returns a log of about 3 kB, as mmengine writes it: 24 records of four figures."""
    rng = Random(number)
    lines = [
        f"2026/01/01 00:00:{i:02d} - mmengine - INFO - Iter(train) [{10 * i:>3}/240]  "
        f"lr: 1.0000e-02  eta: 0:00:{24 - i:02d}  time: 0.1000  data_time: 0.0010  "
        f"loss: {2 / (1 + i / 8) + rng.gauss(0, 0.02):.4f}"
        for i in range(1, STEPS + 1)
    ]
    return ("\n".join(lines) + "\n").encode()


class Store:
    """The objects of the store, and what it counted."""

    def __init__(self, logs: int, latency_s: float) -> None:
        self.logs = logs
        self.latency_s = latency_s
        self.names = [log_name(n) for n in range(logs)]
        self.kept: dict[str, bytes] = {}
        self.refused: set[int] = set()

    def read(self, key: str) -> bytes | None:
        """Returns an object; None if there is no such object."""
        number = self._number(key)
        return log_bytes(number) if number is not None else self.kept.get(key)

    def _number(self, key: str) -> int | None:
        digits = key.removeprefix("runs/run_").removesuffix(".log")
        number = int(digits) if digits.isdecimal() else -1
        return number if 0 <= number < self.logs and key == log_name(number) else None

    def is_busy(self, key: str) -> bool:
        """Returns whether this request is refused: the first one for every hundredth log."""
        number = self._number(key)
        if number is None or number % REFUSED or number in self.refused:
            return False
        self.refused.add(number)
        return True

    def listing(self, query: dict[str, list[str]]) -> bytes:
        """Returns a page of ListObjectsV2."""
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", [""])[0]
        delimiter = query.get("delimiter", [""])[0]
        keys = sorted([*self.kept, *self.names])
        keys = [key for key in keys if key.startswith(prefix)]
        folders: set[str] = set()
        if delimiter:
            rests = {key: key[len(prefix) :] for key in keys}
            folders = {prefix + r.split("/")[0] + "/" for r in rests.values() if "/" in r}
            keys = [key for key, rest in rests.items() if "/" not in rest]
        first = int(after or 0)
        page, more = keys[first : first + PAGE], len(keys) > first + PAGE
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>3000</Size>"
            f'<ETag>"{hashlib.md5(key.encode()).hexdigest()}"</ETag>'
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in page
        )
        prefixes = "".join(
            f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in folders
        )
        token = f"<NextContinuationToken>{first + PAGE}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"<KeyCount>{len(page)}</KeyCount>{token}{items}{prefixes}</ListBucketResult>"
        ).encode()

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Returns status, headers and body of the answer to a request."""
        url = urlsplit(target)
        key = unquote(url.path).removeprefix(f"/{BUCKET}").lstrip("/")
        if method == "GET" and not key:
            return 200, {"Content-Type": "application/xml"}, self.listing(parse_qs(url.query))
        if method == "PUT":
            self.kept[key] = body
            return 200, {"ETag": '"x"'}, b""
        if method == "DELETE":
            self.kept.pop(key, None)
            return 204, {}, b""
        if method == "GET" and self.is_busy(key):
            return 503, {}, b"<Error><Code>SlowDown</Code><Message>slow down</Message></Error>"
        return self._content(key, headers.get("range", ""))

    def _content(self, key: str, asked: str) -> tuple[int, dict[str, str], bytes]:
        """Returns the answer to a request for an object, or for a range of its bytes."""
        data = self.read(key)
        if data is None:
            return 404, {}, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
        stated = {
            "ETag": f'"{hashlib.md5(key.encode()).hexdigest()}"',
            "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        }
        begun, _, ended = asked.removeprefix("bytes=").partition("-")
        if not begun:
            return 200, stated, data
        part = data[int(begun) : int(ended or len(data)) + 1]
        last = int(begun) + len(part) - 1
        return 206, {**stated, "Content-Range": f"bytes {begun}-{last}/{len(data)}"}, part


async def serve(store: Store, port: int) -> None:
    """Serves until the process is ended."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                pairs = (line.partition(":") for line in head[1:] if line)
                headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
                if headers.get("expect"):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await asyncio.sleep(store.latency_s)
                status, named, data = store.answer(
                    method, target, headers, unchunked(body, headers)
                )
                named.setdefault("Content-Length", str(len(data)))
                data = b"" if method == "HEAD" else data
                lines = [f"HTTP/1.1 {status} X", *(f"{k}: {v}" for k, v in named.items()), "", ""]
                writer.write("\r\n".join(lines).encode() + data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=1 << 20)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


def unchunked(body: bytes, headers: dict[str, str]) -> bytes:
    """Returns the content of an upload, without the chunks of `aws-chunked`."""
    if "aws-chunked" not in headers.get("content-encoding", ""):
        return body
    data, at = b"", 0
    while at < len(body):
        line = body.index(b"\r\n", at)
        length = int(body[at:line].split(b";")[0], 16)
        if not length:
            break
        data += body[line + 2 : line + 2 + length]
        at = line + 2 + length + 2
    return data


if __name__ == "__main__":
    asyncio.run(serve(Store(int(sys.argv[2]), float(sys.argv[3]) / 1000), int(sys.argv[1])))
