"""Connections to strangers' hosts: addresses are looked at before they are connected to, and every wait has an end."""

from __future__ import annotations

import heapq
import http.client
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from relaionet.pipeline.addresses.parse import RefusedUrl, WebAddress
from relaionet.pipeline.addresses.ranges import explain_private

# how long an answer of the resolver is believed; what was looked at is what is connected to
RESOLVED_FOR_S = 60.0


class Watchdog:
    """Shuts a connection's socket when its time is over, which wakes the thread that reads from it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, socket.socket]] = []
        self._change = threading.Condition()
        threading.Thread(target=self._watch, daemon=True, name="web-guard").start()

    def watch(self, sock: socket.socket, deadline: float) -> None:
        """End a connection at `deadline` (of `time.monotonic`), whatever it is waiting for."""
        with self._change:
            first = not self._heap or deadline < self._heap[0][0]
            heapq.heappush(self._heap, (deadline, id(sock), sock))
            if first:
                self._change.notify()

    def _watch(self) -> None:
        while True:
            with self._change:
                while not self._heap or self._heap[0][0] > time.monotonic():
                    self._change.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                sock = heapq.heappop(self._heap)[2]
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # finished and closed long ago


class _WatchedContext(ssl.SSLContext):
    """A TLS context whose handshakes are watched: a server may answer them drop by drop."""

    watch: Callable[[socket.socket], None]

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """As `ssl.SSLContext.wrap_socket` of a connected client socket."""
        wrapped = super().wrap_socket(sock, *args, **(kwargs | {"do_handshake_on_connect": False}))
        self.watch(wrapped)
        wrapped.do_handshake()
        return wrapped


class AddressedRequest(urllib.request.Request):
    """A request to an address that was read and judged; nothing in its URL is left to be read otherwise.

    Args:
        address: asked for.
        headers: sent with it.
        hops: URLs of the redirects that led here, in order.
    """

    def __init__(self, address: WebAddress, headers: Mapping[str, str], hops: tuple[str, ...] = ()) -> None:
        super().__init__(address.text, headers=dict(headers))
        self.address, self.hops = address, hops


class Connector:
    """Connects to hosts.

    Args:
        allow_private: let names resolve to addresses that are not public.
        deadline: when (of `time.monotonic`) the request of the calling thread must be over.
    """

    def __init__(self, *, allow_private: bool, deadline: Callable[[], float]) -> None:
        self._allow_private, self._deadline = allow_private, deadline
        self._watchdog = Watchdog()
        self._resolved: dict[tuple[str, int], tuple[float, list[Any]]] = {}
        # one for all connections: reading the system's certificates takes longer than a handshake
        self.tls = _WatchedContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.load_default_certs()
        self.tls.set_alpn_protocols(["http/1.1"])
        self.tls.watch = self._watch

    def _watch(self, sock: socket.socket) -> None:
        self._watchdog.watch(sock, self._deadline())

    def _resolve(self, host_port: tuple[str, int]) -> list[Any]:
        known = self._resolved.get(host_port)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        found = [entry[4] for entry in socket.getaddrinfo(*host_port, type=socket.SOCK_STREAM)]
        self._resolved[host_port] = (time.monotonic() + RESOLVED_FOR_S, found)
        return found

    def connect(self, host_port: tuple[str, int], *, checked: bool) -> socket.socket:
        """A socket to a host, after a look at every address its name has.

        Args:
            host_port: of the address that was judged, or of a proxy.
            checked: the addresses must be such as may be asked; a proxy's may be any.

        Raises:
            RefusedUrl: one of them may not.
            OSError: none of them can be reached.
        """
        found = self._resolve(host_port)
        for address in found if checked else ():
            why = explain_private(str(address[0]), allow_private=self._allow_private)
            if why is not None:
                raise RefusedUrl(f"{host_port[0]} resolves to {why}")
        failure: OSError = OSError(f"{host_port[0]} has no address")
        for address in found:
            left = self._deadline() - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            try:
                # connecting to the address that was looked at: a second look-up could answer differently
                sock = socket.create_connection((str(address[0]), host_port[1]), left)
            except OSError as error:
                failure = error  # an IPv6 address where there is no IPv6, say
                continue
            self._watch(sock)
            return sock
        raise failure


def make_handler(connector: Connector, scheme: str) -> urllib.request.BaseHandler:
    """urllib's handler of a scheme ("http" or "https"), connecting through `connector`.

    It takes requests of the kind `AddressedRequest`, and connects to their address unless a proxy stands between.
    """
    base: Any = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    parent: Any = urllib.request.HTTPSHandler if scheme == "https" else urllib.request.HTTPHandler
    settings = {"context": connector.tls} if scheme == "https" else {}

    class Connection(base):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, address: WebAddress | None, **kwargs: Any) -> None:
            super().__init__(*args, **(kwargs | settings))
            self._address = address
            self._create_connection = self._connect

        def _connect(self, host_port: tuple[str, int], *_: Any) -> socket.socket:
            # a proxy's own address may be private, and it is the proxy that resolves the host
            place = host_port if self._address is None else (self._address.host, self._address.port)
            return connector.connect(place, checked=self._address is not None)

    class Handler(parent):  # type: ignore[misc, valid-type]
        def _open(self, request: AddressedRequest) -> Any:
            by_proxy = request.has_proxy() or getattr(request, "_tunnel_host", None) is not None
            return self.do_open(Connection, request, address=None if by_proxy else request.address)

    setattr(Handler, f"{scheme}_open", Handler._open)
    return Handler()  # type: ignore[no-any-return]
