"""A network for processes that a test starts: names resolve as it says, a public address leads to a loopback server.

The processes load `sitecustomize` from a folder of ours. Every connection they make is written down, so that a test
sees where something went, whatever it was told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PUBLIC = "93.184.216.34"
STUB = """
import json, os, pathlib, socket
told = json.loads(pathlib.Path(os.environ["STUB_NETWORK"]).read_text())
log = pathlib.Path(os.environ["STUB_NETWORK"]).with_suffix(".log")
asked, real_look_up, real_connect = {}, socket.getaddrinfo, socket.create_connection

def look_up(host, port, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name not in told["names"]:
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in name else socket.AF_INET, name)
        except OSError:
            raise socket.gaierror(socket.EAI_NONAME, "no such name") from None
        return real_look_up(host, port, *args, **kwargs)
    answers = told["names"][name]
    number = asked[name] = asked.get(name, -1) + 1
    addresses = answers[min(number, len(answers) - 1)]
    return [(socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in addresses]

def connect(address, *args, **kwargs):
    with log.open("a") as lines:
        lines.write(f"{address[0]} {address[1]}\\n")
    if address[0] == told["public"]:
        address = ("127.0.0.1", told["port"])
    return real_connect(address, *args, **kwargs)

socket.getaddrinfo, socket.create_connection = look_up, connect
"""


@dataclass(frozen=True)
class StubNetwork:
    """What became of the network.

    Attributes:
        log: one line per connection, `address port`.
    """

    log: Path

    def connections(self) -> list[tuple[str, int]]:
        """Address and port of every connection that was tried, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines]


@contextmanager
def stub_network(folder: Path, names: Mapping[str, Sequence[Sequence[str]]], port: int) -> Iterator[StubNetwork]:
    """Give the processes that are started inside a network of ours; there is no proxy in their environment.

    Args:
        folder: for the stub's files.
        names: host -> the addresses of its first answer, of its second, and so on; the last one stays. No other name
            exists.
        port: of the loopback server that answers for `PUBLIC`, on every port of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(STUB)
    told = folder / "network.json"
    told.write_text(json.dumps({"names": names, "public": PUBLIC, "port": port}))
    kept = dict(os.environ)
    paths = [str(folder), *filter(None, [kept.get("PYTHONPATH")])]
    try:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            del os.environ[name]
        os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "STUB_NETWORK": str(told)}
        yield StubNetwork(told.with_suffix(".log"))
    finally:
        os.environ.clear()
        os.environ.update(kept)
