"""The few requests of Google's and Azure's object stores that Gnomon makes, over a dictionary.

Written after the providers' public references (Cloud Storage XML API; Azure Blob service REST API).
There is no server for them that a test could start, so this only shows that our options reach the
client and that its conditional writes, metadata, ranges and parts are understood as meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock, Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HTTP_TIME = "%a, %d %b %Y %H:%M:%S GMT"
Headers = dict[str, str]


@dataclass
class Blob:
    data: bytes
    meta: Headers
    generation: int

    @property
    def etag(self) -> str:
        return f'"{md5(self.data).hexdigest()}-{self.generation}"'


@dataclass
class Objects:
    """What is stored, and parts on their way."""

    lock: Lock = field(default_factory=Lock)
    blobs: dict[str, Blob] = field(default_factory=dict)
    parts: dict[tuple[str, str], bytes] = field(default_factory=dict)
    uploads: dict[str, Headers] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def put(self, key: str, data: bytes, meta: Headers, *, only_new: bool) -> Blob | None:
        with self.lock:
            if only_new and key in self.blobs:
                return None
            blob = self.blobs[key] = Blob(data, meta, next(self.numbers))
            return blob


class FakeCloud(BaseHTTPRequestHandler):
    """What both have in common: reading."""

    protocol_version = "HTTP/1.1"
    objects: Objects
    meta_prefix: str

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def setup_request(self) -> None:
        parts = urlsplit(self.path)
        self.key = unquote(parts.path).lstrip("/").partition("/")[2]
        self.query = {
            name: values[0]
            for name, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.meta = {
            name.lower(): value
            for name, value in self.headers.items()
            if name.lower().startswith(self.meta_prefix)
        }

    def reply(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def described(self, blob: Blob) -> Headers:
        described = {"ETag": blob.etag, "Last-Modified": MOMENT.strftime(HTTP_TIME), **blob.meta}
        return described | {"x-goog-generation": str(blob.generation)}

    def do_HEAD(self) -> None:
        self.setup_request()
        blob = self.objects.blobs.get(self.key)
        if blob is None:
            return self.reply(404)
        self.send_response(200)
        for name, value in self.described(blob).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(blob.data)))
        return self.end_headers()

    def do_GET(self) -> None:
        self.setup_request()
        if not self.key:
            return self.listing()
        blob = self.objects.blobs.get(self.key)
        if blob is None:
            return self.reply(404)
        if self.headers.get("If-Match", blob.etag) != blob.etag:
            return self.reply(412)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted is None:
            return self.reply(200, blob.data, **self.described(blob))
        first, last = int(wanted[1]), min(int(wanted[2]), len(blob.data) - 1)
        if first >= len(blob.data):
            return self.reply(416)
        place = {"Content-Range": f"bytes {first}-{last}/{len(blob.data)}"}
        return self.reply(206, blob.data[first : last + 1], **self.described(blob), **place)

    def below(self) -> list[tuple[str, Blob]]:
        found = sorted(self.objects.blobs.items())
        return [(key, blob) for key, blob in found if key.startswith(self.query["prefix"])]

    def listing(self) -> None:
        """Answers with what is below a prefix."""


class FakeGcs(FakeCloud):
    meta_prefix = "x-goog-meta-"

    def listing(self) -> None:
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{MOMENT:%Y-%m-%dT%H:%M:%SZ}"
            f"</LastModified><Size>{len(blob.data)}</Size><ETag>{blob.etag}</ETag></Contents>"
            for key, blob in self.below()
        )
        self.reply(200, f"<ListBucketResult>{rows}</ListBucketResult>")

    def do_PUT(self) -> None:
        self.setup_request()
        if "uploadId" in self.query:
            number = self.query["partNumber"].rjust(5, "0")
            self.objects.parts[self.query["uploadId"], number] = self.body
            return self.reply(200, ETag=f'"{number}"')
        only_new = self.headers.get("x-goog-if-generation-match") == "0"
        blob = self.objects.put(self.key, self.body, self.meta, only_new=only_new)
        return self.reply(412) if blob is None else self.reply(200, **self.described(blob))

    def do_POST(self) -> None:
        self.setup_request()
        if "uploads" in self.query:
            upload = str(next(self.objects.numbers))
            self.objects.uploads[upload] = self.meta
            answer = f"<UploadId>{upload}</UploadId>"
            return self.reply(
                200, f"<InitiateMultipartUploadResult>{answer}</InitiateMultipartUploadResult>"
            )
        upload = self.query["uploadId"]
        parts = sorted(part for part in self.objects.parts if part[0] == upload)
        data = b"".join(self.objects.parts.pop(part) for part in parts)
        blob = self.objects.put(self.key, data, self.objects.uploads.pop(upload), only_new=False)
        assert blob is not None
        answer = f"<ETag>{escape(blob.etag)}</ETag>"
        return self.reply(
            200,
            f"<CompleteMultipartUploadResult>{answer}</CompleteMultipartUploadResult>",
            **self.described(blob),
        )

    def do_DELETE(self) -> None:
        self.setup_request()
        self.reply(404 if self.objects.blobs.pop(self.key, None) is None else 204)


class FakeAzure(FakeCloud):
    meta_prefix = "x-ms-meta-"

    def listing(self) -> None:
        rows = "".join(
            f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>"
            f"{MOMENT.strftime(HTTP_TIME)}</Last-Modified><Etag>{blob.etag}</Etag>"
            f"<Content-Length>{len(blob.data)}</Content-Length>"
            "<Content-Type>application/octet-stream</Content-Type></Properties></Blob>"
            for key, blob in self.below()
        )
        self.reply(
            200, f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker/></EnumerationResults>"
        )

    def do_PUT(self) -> None:
        self.setup_request()
        kind = self.query.get("comp")
        if kind == "block":
            self.objects.parts[self.key, self.query["blockid"]] = self.body
            return self.reply(201)
        data = self.body
        if kind == "blocklist":
            names = re.findall(r"<(?:Uncommitted|Latest)>([^<]+)<", self.body.decode())
            data = b"".join(self.objects.parts.pop((self.key, name)) for name in names)
        only_new = self.headers.get("If-None-Match") == "*"
        blob = self.objects.put(self.key, data, self.meta, only_new=only_new)
        if blob is None:
            return self.reply(409, x_ms_error_code="BlobAlreadyExists")
        return self.reply(201, **self.described(blob))

    def do_POST(self) -> None:
        """A batch of removals."""
        self.setup_request()
        answers = ""
        for number, path in enumerate(re.findall(r"DELETE (\S+) HTTP", self.body.decode())):
            key = unquote(path).lstrip("/").partition("/")[2]
            gone = self.objects.blobs.pop(key, None)
            status = "202 Accepted" if gone else "404 The specified blob does not exist."
            answers += (
                "--answers\r\nContent-Type: application/http\r\n"
                f"Content-ID: {number}\r\n\r\nHTTP/1.1 {status}\r\n"
                + ("\r\n" if gone else "x-ms-error-code: BlobNotFound\r\n\r\n")
            )
        self.reply(
            202, answers + "--answers--\r\n", Content_Type="multipart/mixed; boundary=answers"
        )


@contextmanager
def running(kind: type[FakeCloud]) -> Iterator[str]:
    """The address of an empty store."""
    handler = type(kind.__name__, (kind,), {"objects": Objects()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
