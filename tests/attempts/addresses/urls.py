"""URLs that lead where nobody should get, each by another trick: as a row's, a redirect's, and through a proxy."""

from __future__ import annotations

from tests.attempts.addresses.fetched import INSIDE

# name of the trick -> URL. Port 8080 is any that is not blocked for itself
LITERAL = {
    "loopback": "http://127.0.0.1:8080/", "loopback, another of its addresses": "http://127.9.8.7:8080/",
    "two numbers": "http://127.1:8080/", "three numbers": "http://127.0.1:8080/", "one number": "http://2130706433:8080/",
    "hexadecimal": "http://0x7f000001:8080/", "hexadecimal parts": "http://0x7F.0.0.0x1:8080/",
    "octal": "http://0177.0.0.01:8080/", "octal, one number": "http://017700000001:8080/",
    "mixed bases": "http://0x7f.0.1:8080/", "zeros before": "http://00000177.0.0.1:8080/",
    "percent-encoded digits": "http://%31%32%37.0.0.1:8080/", "percent-encoded dots": "http://127%2E0%2E0%2E1:8080/",
    "full-width digits": "http://１２７.0.0.1:8080/", "full-width dots": "http://127．0．0．1:8080/",
    "ideographic dots": "http://127。0。0。1:8080/", "circled digits": "http://①②⑦.⓪.⓪.①:8080/",
    "mathematical digits": "http://𝟏𝟐𝟕.0.0.1:8080/", "encoded full-width digits": "http://%EF%BC%91%EF%BC%92%EF%BC%97.1:8080/",
    "a dot at the end": "http://127.0.0.1.:8080/", "soft hyphens within": "http://127.\u00ad0.0.1:8080/",
    "zero": "http://0.0.0.0:8080/", "zero, short": "http://0:8080/", "private, ten": "http://10.0.0.1/",
    "private, 172": "http://172.31.255.255/", "private, 192.168": "http://192.168.0.1/", "link-local": "http://169.254.1.1/",
    "shared by carriers": "http://100.64.0.1/", "protocol assignments": "http://192.0.0.1/",
    "port control anycast": "http://192.0.0.9/", "benchmarking": "http://198.19.255.255/", "TEST-NET-1": "http://192.0.2.1/",
    "TEST-NET-3": "http://203.0.113.1/", "6to4 relay": "http://192.88.99.1/", "multicast": "http://239.255.255.250/",
    "reserved": "http://255.255.255.255/", "metadata": "http://169.254.169.254/latest/meta-data/",
    "metadata, one number": "http://2852039166/latest/meta-data/", "metadata, octal": "http://0251.0376.0251.0376/",
    "metadata of ECS": "http://169.254.170.2/v2/credentials", "metadata of Oracle": "http://192.0.0.192/latest/",
    "host services of Azure": "http://168.63.129.16/machine", "metadata of Alibaba": "http://100.100.100.200/latest/",
    "IPv6 loopback": "http://[::1]:8080/", "IPv6 loopback, long": "http://[0:0:0:0:0:0:0:1]:8080/",
    "IPv6 unspecified": "http://[::]:8080/", "IPv4-mapped": "http://[::ffff:127.0.0.1]:8080/",
    "IPv4-mapped, hexadecimal": "http://[::ffff:7f00:1]:8080/", "IPv4-compatible": "http://[::127.0.0.1]:8080/",
    "IPv4-translated": "http://[::ffff:0:127.0.0.1]:8080/", "NAT64": "http://[64:ff9b::127.0.0.1]:8080/",
    "NAT64 of one's own": "http://[64:ff9b:1::7f00:1]/", "6to4": "http://[2002:7f00:1::]/", "Teredo": "http://[2001::1]/",
    "ORCHIDv2": "http://[2001:20::1]/", "IPv6 link-local": "http://[fe80::1]/", "IPv6 site-local": "http://[fec0::1]/",
    "IPv6 unique local": "http://[fd12::1]/", "IPv6 multicast": "http://[ff02::1]/", "IPv6 discard": "http://[100::1]/",
    "IPv6 documentation, new": "http://[3fff:fff::1]/", "SRv6": "http://[5f00::1]/", "IPv6 never given out": "http://[4000::1]/",
    "IPv6 metadata of AWS": "http://[fd00:ec2::254]/latest/", "IPv6 metadata of Google": "http://[fd20:ce::254]/",
    "mapped metadata": "http://[::ffff:169.254.169.254]/", "6to4 of metadata": "http://[2002:a9fe:a9fe::1]/",
    "localhost": "http://localhost:8080/", "localhost, percent-encoded": "https://%6cocalhost/",
    "localhost, full-width": "http://ｌｏｃａｌｈｏｓｔ:8080/", "localhost with a dot": "http://LOCALHOST.:8080/",
    "below localhost": "http://a.localhost:8080/", "metadata by name": "http://metadata.google.internal/",
    "mDNS": "http://printer.local/", "home network": "http://router.home.arpa/", "bare word": "http://intranet/",
}  # fmt: skip
PORTS = {
    f"port {port}, {how}": f"http://pub.test{text}/"
    for port in (22, 25, 6000, 6379, 11211)
    for how, text in (("encoded colon", f"%3A{port}"), ("and digit encoded", f"%3a%3{str(port)[0]}{str(port)[1:]}"))
} | {
    "SSH": "http://pub.test:22/", "mail": "http://pub.test:25/", "X11": "http://pub.test:6000/",
    "SSH, zeros before": "http://pub.test:00022/", "port zero": "http://pub.test:0/", "port too high": "http://pub.test:65558/",
    "port far too high": "http://pub.test:4294967318/", "port with a sign": "http://pub.test:+8080/",
    "port with a blank": "http://pub.test: 22/", "full-width port": "http://pub.test:２２/", "two ports": "http://pub.test:80:22/",
    "port in hexadecimal": "http://pub.test:0x16/",
}  # fmt: skip
CONFUSING = {
    "user name as host": "http://pub.test@127.0.0.1:8080/", "two at signs": "http://a@pub.test@127.0.0.1/",
    "encoded at sign": "http://pub.test%40127.0.0.1/", "empty user name": "http://@127.0.0.1:8080/",
    "backslash before at": "http://pub.test\\@127.0.0.1:8080/", "backslashes for slashes": "http:\\\\127.0.0.1:8080\\",
    "backslash in the host": "http://127.0.0.1:8080\\.pub.test/", "encoded slash": "http://127.0.0.1%2F.pub.test/",
    "encoded question mark": "http://127.0.0.1%3F.pub.test/", "encoded hash": "http://127.0.0.1%23.pub.test/",
    "zero byte": "http://127.0.0.1%00.pub.test/", "line end in the host": "http://127.0.0.1%0d%0aHost:%20a.test/",
    "blank in the host": "http://127.0.0.1 .pub.test/", "tab in the scheme and host": "ht\ttp://127.0.\n0.1:8080/",
    "control characters around": "\x01\x1f http://127.0.0.1:8080/\x00",
    "encoded twice": "http://%2531%2532%2537.0.0.1/", "sign that becomes a slash": "http://127.0.0.1℀.pub.test/",
    "zone": "http://[fe80::1%25lo]/", "zone, not encoded": "http://[::1%lo]/", "no bracket": "http://::1/",
    "text after a bracket": "http://[::1].pub.test/", "name in brackets": "http://[pub.test]/",
    "future address": "http://[v7.127.0.0.1]/", "no host": "http:///127.0.0.1/", "one slash": "http:/127.0.0.1:8080/",
    "no slash": "http:127.0.0.1:8080", "only a port": "http://:8080/", "empty label": "http://127..0.1/",
    "long label": f"http://{'a' * 64}.test/", "long name": f"http://{'a.' * 130}test/",
    "very long host": f"http://{'1' * 70000}/", "huge number": f"http://{'9' * 900}/",
    "five numbers": "http://127.0.0.0.1/", "number too large": "http://127.0.0.256/",
    "ends like an address": "http://pub.127/", "bad octal": "http://127.0.0.08/",
    "URL: before it": "URL:http://127.0.0.1:8080/", "angle brackets": "<http://127.0.0.1:8080/>",
    "a file": "file:///etc/passwd", "script": "javascript:alert(1)", "data": "data:image/png;base64,AAAA",
    "gopher": "gopher://127.0.0.1:6379/_FLUSHALL", "no scheme": "//127.0.0.1:8080/", "ftp": "ftp://127.0.0.1/x",
}  # fmt: skip
RESOLVED = {f"a name for {address}": f"http://{name}/x" for name, address in INSIDE.items()} | {
    "one of two addresses is private": "http://both.test/x", "first private, later public": "http://turned.test/x",
    "another spelling of such a name": "http://%69nside.test./x",
}  # fmt: skip
REBINDING = {"public when looked at, loopback later": "http://rebind.test/x", "and once more": "http://rebind.test/y"}
