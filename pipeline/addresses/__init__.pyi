from .parse import RefusedUrl, WebAddress, parse_url
from .proxies import spare_loopback, web_proxies
from .ranges import explain_private, is_public

__all__ = ["RefusedUrl", "WebAddress", "explain_private", "is_public", "parse_url", "spare_loopback", "web_proxies"]
