"""Loopback servers for the tests of sources: a web server that gives parts of files, and enough of S3 to read."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

CHANGED_AT = 1704067200  # 2024-01-01


class FilesHandler(BaseHTTPRequestHandler):
    """GET and HEAD of the files of a folder, with ranges, ETag and faults."""

    protocol_version = "HTTP/1.1"
    server: FilesServer

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.server.asked.append(
            (
                self.command,
                self.path,
                self.headers.get("Range"),
                {key.lower(): value for key, value in self.headers.items()},
            )
        )
        if self.server.failing > 0 and with_body:
            self.server.failing -= 1
            return self._send(503, b"", {}, with_body=True)
        path = self.server.folder / unquote(urlsplit(self.path).path).lstrip("/")
        if not path.is_file():
            return self._send(404, b"", {}, with_body=with_body)
        data = path.read_bytes()
        facts = {"ETag": f'"{md5(data).hexdigest()}"', "Accept-Ranges": "bytes" if self.server.ranges else "none"}
        facts["Last-Modified"] = formatdate(CHANGED_AT, usegmt=True)
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if wanted is None or not self.server.ranges:
            return self._send(200, data, facts, with_body=with_body)
        start = int(wanted[1]) if wanted[1] else max(0, len(data) - int(wanted[2]))
        end = min(int(wanted[2]) if wanted[1] and wanted[2] else len(data) - 1, len(data) - 1)
        facts["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        return self._send(206, data[start : end + 1], facts, with_body=with_body)

    def note(self, span: str | None) -> None:
        """Remember a request."""
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, span, headers))

    def _send(self, code: int, body: bytes, facts: dict[str, str], *, with_body: bool) -> None:
        self.send_response(code)
        for key, value in facts.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class BucketHandler(FilesHandler):
    """The same as S3 says it: keys under /bucket/, ListObjectsV2, and HEAD of the bucket."""

    def _answer(self, *, with_body: bool) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = parts.path.lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if key:
            return super()._answer(with_body=with_body)
        self.server.asked.append(
            (self.command, self.path, None, {key.lower(): value for key, value in self.headers.items()})
        )
        if not (self.server.folder / bucket).is_dir():
            return self._send(404, b"", {}, with_body=with_body)
        return self._send(200, self._list(bucket, query), {"Content-Type": "application/xml"}, with_body=with_body)

    def _list(self, bucket: str, query: dict[str, str]) -> bytes:
        root = self.server.folder / bucket
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        contents, folders = [], set()
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            key = path.relative_to(root).as_posix()
            if not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
                continue
            data = path.read_bytes()
            contents.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{md5(data).hexdigest()}&quot;</ETag><Size>{len(data)}</Size></Contents>"
            )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders)
        )
        count = len(contents) + len(folders)
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>false</IsTruncated>{''.join(contents)}{common}</ListBucketResult>"
        ).encode()


class FilesServer(ThreadingHTTPServer):
    """A server of a folder's files.

    Attributes:
        asked: (method, path, range, headers) of every request.
        ranges: parts of files are given.
        failing: requests from now on that are answered by 503.
    """

    daemon_threads = True

    def __init__(self, folder: Path, handler: type[FilesHandler], *, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.folder, self.ranges, self.failing = folder, ranges, 0
        self.asked: list[tuple[str, str, str | None, dict[str, str]]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serve_files(folder: Path, *, as_bucket: bool = False, ranges: bool = True) -> Iterator[FilesServer]:
    """Serve a folder until the end of the block."""
    server = FilesServer(folder, BucketHandler if as_bucket else FilesHandler, ranges=ranges)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
