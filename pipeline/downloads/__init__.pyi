from .fetch import DownloadConfig, fetch_images
from .rate_limits import RateLimits, spread_hosts
from .web_guard import Limits, WebGuard
from .web_rules import encode_url, is_public, refuse_url

__all__ = [
    "DownloadConfig",
    "Limits",
    "RateLimits",
    "WebGuard",
    "encode_url",
    "fetch_images",
    "is_public",
    "refuse_url",
    "spread_hosts",
]
