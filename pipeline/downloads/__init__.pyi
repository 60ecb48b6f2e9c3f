from .fetch import DownloadConfig, fetch_images
from .rate_limits import RateLimits, spread_hosts
from .web_guard import Limits, WebGuard
from .web_rules import judge_url, refuse_address

__all__ = [
    "DownloadConfig",
    "Limits",
    "RateLimits",
    "WebGuard",
    "fetch_images",
    "judge_url",
    "refuse_address",
    "spread_hosts",
]
