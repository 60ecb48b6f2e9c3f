"""Every fault the fetcher is tried on: what is served or asked for, and the status the row must get."""

from __future__ import annotations

import gzip
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from tests.fakes.web import pictures
from tests.fakes.web.server import Answer, drip, reply

MAX_BYTES, MAX_PIXELS, TIMEOUT_S, DECODE_S = 1_000_000, 4_000_000, 4.0, 4.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        group: heading it stands under.
        what: in words.
        status: the row must get.
        url: asked for; made from its number where empty.
        answer: what the server does; None where the server is never to be asked.
        mode: of the picture that must come out, for `ok`.
    """

    group: str
    what: str
    status: str
    url: str = ""
    answer: Answer | None = None
    mode: str = "RGB"


def body(data: bytes, *headers: str, **told: object) -> Answer:
    return lambda sock, _target: reply(sock, data, *headers, **told)  # type: ignore[arg-type]


def raw(data: bytes) -> Answer:
    return lambda sock, _target: sock.sendall(data)


def code(text: str, *headers: str) -> Answer:
    return body(b"<html>no</html>", *headers, code=text, kind="text/html")


def move(where: str, text: str = "302 Found") -> Answer:
    return code(text, f"Location: {where}")


def then_drip(start: bytes, piece: bytes, every_s: float = 0.1) -> Answer:
    def answer(sock: socket.socket, _target: str) -> None:
        sock.sendall(start)
        drip(sock, piece, every_s)

    return answer


def reset(sock: socket.socket, _target: str) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def hop_on(sock: socket.socket, target: str) -> None:
    """A chain of redirects without end, each to another address."""
    move(f"{target}x")(sock, target)


def endless(sock: socket.socket, _target: str) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
    drip(sock, b"\xff" * 65536, 0)


def endless_redirect(sock: socket.socket, _target: str) -> None:
    sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://good.invalid/x\r\n\r\n")
    drip(sock, b"\xff" * 65536, 0.001)


def chunks(*parts: bytes) -> Answer:
    return raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(parts))


JPEG = pictures.jpeg()
ANSWERS = "Answers"
FAULTS = [
    Fault(group=ANSWERS, what="401", status="refused", answer=code("401 Unauthorized")),
    Fault(group=ANSWERS, what="403", status="refused", answer=code("403 Forbidden")),
    Fault(group=ANSWERS, what="404", status="gone", answer=code("404 Not Found")),
    Fault(group=ANSWERS, what="410", status="gone", answer=code("410 Gone")),
    Fault(group=ANSWERS, what="429, Retry-After: 3600", status="refused",
          answer=code("429 Too Many Requests", "Retry-After: 3600")),
    Fault(group=ANSWERS, what="451", status="refused", answer=code("451 Unavailable For Legal Reasons")),
    Fault(group=ANSWERS, what="500", status="gone", answer=code("500 Internal Server Error")),
    Fault(group=ANSWERS, what="503", status="gone", answer=code("503 Service Unavailable")),
    Fault(group=ANSWERS, what="204 without a body", status="broken", answer=raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    Fault(group=ANSWERS, what="206 though all was asked for", status="broken",
          answer=body(JPEG, code="206 Partial Content")),
    Fault(group=ANSWERS, what="304 though nothing is cached", status="gone",
          answer=raw(b"HTTP/1.1 304 Not Modified\r\n\r\n")),
    Fault(group=ANSWERS, what="the host does not exist (a proxy says 502)", status="gone"),
    Fault(group=ANSWERS, what="X-Robots-Tag: noai", status="refused", answer=body(JPEG, "X-Robots-Tag: noai")),
    Fault(group=ANSWERS, what="X-Robots-Tag: otherbot: noindex, relaionet: noimageindex", status="refused",
          answer=body(JPEG, "X-Robots-Tag: otherbot: none, relaionet: noimageindex")),
    Fault(group=ANSWERS, what="X-Robots-Tag: otherbot: noai (not meant for us)", status="ok",
          answer=body(JPEG, "X-Robots-Tag: otherbot: noai")),
    Fault(group=ANSWERS, what="something that is not HTTP", status="gone", answer=raw(b"SSH-2.0-OpenSSH_9.2\r\n")),
    Fault(group=ANSWERS, what="nothing, and the connection is closed", status="gone", answer=raw(b"")),
    Fault(group=ANSWERS, what="connection reset within the headers", status="gone", answer=reset),
    Fault(group=ANSWERS, what="a header line of 100 kB", status="gone",
          answer=raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n")),
    Fault(group=ANSWERS, what="5,000 header lines", status="gone",
          answer=raw(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 5000 + b"\r\n")),
    Fault(group=ANSWERS, what="headers, drop by drop", status="slow",
          answer=then_drip(b"HTTP/1.1 200 OK\r\nX: ", b"a")),
    Fault(group=ANSWERS, what="'100 Continue' without end", status="slow",
          answer=then_drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01)),
    Fault(group=ANSWERS, what="https: no TLS behind the connection", status="gone", url="https://no-tls.invalid/x.jpg",
          answer=raw(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100))),
    Fault(group=ANSWERS, what="https: the handshake, drop by drop", status="slow", url="https://slow-tls.invalid/x.jpg",
          answer=then_drip(b"\x16\x03\x03\x40\x00", b"\x00")),
]  # fmt: skip
REDIRECTS = "Redirects"
FAULTS += [
    Fault(group=REDIRECTS, what="to another host", status="ok", answer=move("http://good.invalid/x")),
    Fault(group=REDIRECTS, what="whose own body never ends", status="ok", answer=endless_redirect),
    Fault(group=REDIRECTS, what="to itself", status="gone", url="http://itself.invalid/x",
          answer=move("http://itself.invalid/x")),
    Fault(group=REDIRECTS, what="ever on to other addresses", status="gone", answer=hop_on),
    Fault(group=REDIRECTS, what="without an address", status="gone", answer=code("302 Found")),
    Fault(group=REDIRECTS, what="to file:///etc/passwd", status="refused", answer=move("file:///etc/passwd")),
    Fault(group=REDIRECTS, what="to ftp://", status="refused", answer=move("ftp://good.invalid/x.jpg")),
    Fault(group=REDIRECTS, what="to http://127.0.0.1/", status="refused", answer=move("http://127.0.0.1/x")),
    Fault(group=REDIRECTS, what="to http://169.254.169.254/ (cloud metadata)", status="refused",
          answer=move("http://169.254.169.254/latest/meta-data/", "307 Temporary Redirect")),
    Fault(group=REDIRECTS, what="to http://[::ffff:10.0.0.1]/", status="refused",
          answer=move("http://[::ffff:10.0.0.1]/")),
    Fault(group=REDIRECTS, what="to a URL with a password", status="refused", answer=move("http://a:b@good.invalid/")),
    Fault(group=REDIRECTS, what="to port 25", status="refused", answer=move("http://good.invalid:25/")),
]  # fmt: skip
BODIES = "Bodies"
FAULTS += [
    Fault(group=BODIES, what="no bytes", status="broken", answer=body(b"")),
    Fault(group=BODIES, what="text", status="broken", answer=body(b"not found", kind="text/plain")),
    Fault(group=BODIES, what="HTML", status="broken", answer=body(b"<!DOCTYPE html><html></html>", kind="text/html")),
    Fault(group=BODIES, what="HTML declared as JPEG", status="broken", answer=body(b"<html><script>1</script></html>")),
    Fault(group=BODIES, what="SVG declared as JPEG", status="broken",
          answer=body(b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>")),
    Fault(group=BODIES, what="PostScript", status="broken",
          answer=body(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")),
    Fault(group=BODIES, what="a JPEG packed with gzip, unasked", status="broken",
          answer=body(gzip.compress(JPEG), "Content-Encoding: gzip")),
    Fault(group=BODIES, what="a gzip bomb of 60 MB", status="broken",
          answer=body(gzip.compress(bytes(60_000_000), 1), "Content-Encoding: gzip")),
    Fault(group=BODIES, what="3 MB, announced", status="broken", answer=body(JPEG + bytes(3_000_000))),
    Fault(group=BODIES, what="without end, at full speed", status="broken", answer=endless),
    Fault(group=BODIES, what="drop by drop", status="slow",
          answer=then_drip(b"HTTP/1.1 200 OK\r\n\r\n" + JPEG[:99], b"\xff")),
    Fault(group=BODIES, what="Content-Length too long", status="broken", answer=body(JPEG, length=len(JPEG) + 100)),
    Fault(group=BODIES, what="Content-Length too short", status="broken", answer=body(JPEG, length=len(JPEG) // 2)),
    Fault(group=BODIES, what="Content-Length: -5", status="ok", answer=body(JPEG, "Content-Length: -5", length=-1)),
    Fault(group=BODIES, what="no Content-Length", status="ok", answer=body(JPEG, length=-1)),
    Fault(group=BODIES, what="half a JPEG, announced as whole", status="broken", answer=body(JPEG[: len(JPEG) // 2])),
    Fault(group=BODIES, what="chunks with garbage for a length", status="broken", answer=chunks(b"zz\r\n", JPEG)),
    Fault(group=BODIES, what="a chunk of 2⁶⁰ bytes that does not come", status="broken",
          answer=chunks(b"1000000000000000\r\n", JPEG)),
    Fault(group=BODIES, what="chunks without the last one", status="broken",
          answer=chunks(f"{len(JPEG):x}\r\n".encode(), JPEG, b"\r\n")),
    Fault(group=BODIES, what="a JPEG with a ZIP archive behind it", status="ok",
          answer=body(JPEG + b"PK\x03\x04" + bytes(500))),
]  # fmt: skip
BOMBS = "Pictures made to hurt"
FAULTS += [
    Fault(group=BOMBS, what="a PNG of 9 million pixels in 10 kB", status="broken",
          answer=body(pictures.encode(Image.new("L", (3000, 3000)), "PNG"))),
    Fault(group=BOMBS, what="a PNG that claims 60,000 × 60,000", status="broken",
          answer=body(pictures.png_claiming(60_000, 60_000))),
    Fault(group=BOMBS, what="a PNG whose text unpacks to 60 MB", status="ok",
          answer=body(pictures.png_with(b"zTXt", b"Comment\x00\x00" + pictures.zlib_bomb()))),
    Fault(group=BOMBS, what="a PNG whose colour profile unpacks to 60 MB", status="ok",
          answer=body(pictures.png_with(b"iCCP", b"x\x00\x00" + pictures.zlib_bomb()))),
    Fault(group=BOMBS, what="a JPEG with 950 kB of colour profile", status="ok",
          answer=body(pictures.jpeg_with_segment(0xE2, b"ICC_PROFILE\x00\x01\xff" + bytes(60_000), 15))),
    Fault(group=BOMBS, what="a JPEG with 950 kB of broken EXIF", status="ok",
          answer=body(pictures.jpeg_with_segment(0xE1, b"Exif\x00\x00MM" + bytes(60_000), 15))),
    Fault(group=BOMBS, what="a JPEG of 58 kB and 3,000 scans, 17 s to decode", status="broken",
          answer=body(pictures.many_scans_jpeg(3000, 2000))),
    Fault(group=BOMBS, what="a GIF of 3,000 frames", status="ok",
          answer=body(pictures.animation("GIF", 3000)), mode="P"),
    Fault(group=BOMBS, what="a TIFF whose strips lie outside the file", status="broken",
          answer=body(pictures.tiff([(0xFFFFFF00, 4096)], rows_per_strip=64))),
    Fault(group=BOMBS, what="a TIFF whose directories follow each other in a circle", status="broken",
          answer=body(pictures.tiff([(8, 4096)], loop=True, rows_per_strip=64))),
    Fault(group=BOMBS, what="a TIFF with garbage for LZW", status="broken",
          answer=body(pictures.tiff([(8, 4096)], rows_per_strip=0xFFFFFFFF, compression=5))),
]  # fmt: skip
BASE = pictures.base_picture()
UNUSUAL = "Unusual pictures, which must decode to the right one"
FAULTS += [
    Fault(group=UNUSUAL, what=what, status="ok", answer=body(data), mode=mode)
    for what, data, mode in (
        ("CMYK JPEG", pictures.encode(BASE.convert("CMYK"), "JPEG", quality=95), "CMYK"),
        ("grey JPEG", pictures.encode(BASE.convert("L"), "JPEG", quality=95), "L"),
        ("JPEG that EXIF turns by 90°", pictures.rotated_jpeg(), "RGB"),
        ("16-bit grey PNG", pictures.sixteen_bit_png(), "L"),
        ("palette PNG", pictures.encode(BASE.quantize(256), "PNG"), "P"),
        ("grey PNG with transparency", pictures.encode(BASE.convert("LA"), "PNG"), "LA"),
        ("1-bit PNG", pictures.encode(BASE.convert("1"), "PNG"), "1"),
        ("animated GIF", pictures.animation("GIF"), "P"),
        ("animated WebP", pictures.animation("WEBP"), "RGB"),
        ("animated PNG", pictures.animation("PNG"), "RGB"),
        ("TIFF", pictures.encode(BASE, "TIFF", compression="tiff_lzw"), "RGB"),
        ("AVIF", pictures.encode(BASE, "AVIF", quality=95), "RGB"),
        ("BMP", pictures.encode(BASE, "BMP"), "RGB"),
    )
]
URLS = "Addresses, which are refused before anything is sent"
FAULTS += [
    Fault(group=URLS, what=f"`{url}`", status="refused", url=url)
    for url in (
        "file:///etc/passwd", "ftp://good.invalid/x.jpg", "data:image/png;base64,AAAA", "javascript:alert(1)",
        "//good.invalid/x.jpg", "http:///x.jpg", "http://user:password@good.invalid/x.jpg",
        "http://good.invalid:22/x.jpg", "http://good.invalid:99999/x.jpg", "http://localhost/x", "http://a.localhost/x",
        "http://metadata.google.internal/x", "http://127.0.0.1/x", "http://127.1/x", "http://2130706433/x",
        "http://0x7f.0.0.1/x", "http://0177.0.0.1/x", "http://0.0.0.0/x", "http://10.1.2.3/x", "http://192.168.0.1/x",
        "http://100.64.0.1/x", "http://169.254.169.254/latest/meta-data/", "http://224.0.0.1/x", "http://[::1]/x",
        "http://[::]/x", "http://[::127.0.0.1]/x", "http://[::ffff:127.0.0.1]/x", "http://[64:ff9b::7f00:1]/x",
        "http://[2002:7f00:1::]/x", "http://[fe80::1]/x", "http://[fd00:ec2::254]/latest/meta-data/",
        "http://[fec0::1]/x",
    )
]  # fmt: skip


def urls() -> list[str]:
    """The URL of each fault."""
    return [fault.url or f"http://fault-{number}.invalid/x.jpg" for number, fault in enumerate(FAULTS)]


def answers() -> dict[str, Answer]:
    """What the server does for each host."""
    hosts: dict[str, Callable[[socket.socket, str], None]] = {"good.invalid": body(JPEG)}
    for fault, url in zip(FAULTS, urls(), strict=True):
        if fault.answer is not None:
            hosts[url.split("/")[2]] = fault.answer
    return hosts
