"""Counts and times in words: the one way pages, the terminal, cards and error texts write them."""

from __future__ import annotations

SHORT_S, MINUTE_S, HOUR_S = 0.1, 60, 3600
SHOWN_S = 0.01
"""Least time that is told as a number."""


def format_count(value: int) -> str:
    """A count with thousands set apart: 1,089."""
    return f"{value:,}"


def say_count(value: int, noun: str, plural: str = "") -> str:
    """A count and what is counted: `1 reviewer`, `1,089 rows`.

    Args:
        value: the count.
        noun: for one, with whatever else differs: `row`, `row is`.
        plural: for any other number; `name_many` of the noun where empty.
    """
    return f"{format_count(value)} {name_counted(value, noun, plural)}"


def name_counted(value: int, noun: str, plural: str = "") -> str:
    """What is counted, without the count, for a table whose counts are set right.

    Args:
        value: the count.
        noun: for one.
        plural: for any other number; `name_many` of the noun where empty.
    """
    return noun if value == 1 else plural or name_many(noun)


def name_many(noun: str) -> str:
    """The regular plural of a noun: rows, classes, queries.

    Args:
        noun: whose last word is the noun.
    """
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def say_seconds(value: float) -> str:
    """A time as long as it is: `under 0.01 s`, `0.04 s`, `4.7 s`, `127 s`, `1 h 5 min`.

    Args:
        value: seconds, at least 0.
    """
    if value < SHOWN_S:
        return f"under {SHOWN_S:g} s"
    if value < SHORT_S:
        return f"{value:.2f} s"
    if value < 100:
        return f"{value:.1f} s"
    if value < HOUR_S:
        return f"{value:,.0f} s"
    minutes = round(value / MINUTE_S)
    return f"{minutes // MINUTE_S} h {minutes % MINUTE_S} min"
