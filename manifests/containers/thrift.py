"""Thrift's compact form, in which parquet writes its footer and the headers of its pages."""

from __future__ import annotations

from typing import Any

from relaionet.manifests.containers.limits import Refused

MOST_DEPTH = 24
STOP, TRUE, FALSE, BYTE, BINARY, DOUBLE, LIST, SET, STRUCT = 0, 1, 2, 3, 8, 7, 9, 10, 12


class Incomplete(Exception):
    """What is read goes on behind the bytes that are there."""


def read_struct(data: bytes, place: int, depth: int) -> tuple[dict[int, Any], int]:
    """Fields of a struct in Thrift's compact form, by number, and where it ends; texts are passed over.

    Args:
        data: bytes.
        place: where it begins.
        depth: of the struct in others.

    Raises:
        Incomplete: it goes on behind the bytes.
        Refused: it is none.
    """
    if depth > MOST_DEPTH:
        raise Refused("a damaged header")
    fields: dict[int, Any] = {}
    number = 0
    while True:
        head = _byte(data, place)
        place += 1
        kind = head & 0x0F
        if kind == STOP:
            return fields, place
        if head >> 4:
            number += head >> 4
        else:
            number, place = _integer(data, place)
        if kind in (TRUE, FALSE):
            fields[number] = kind == TRUE
        else:
            fields[number], place = _read_value(data, place, kind, depth)


def _read_value(data: bytes, place: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (4, 5, 6):
        return _integer(data, place)
    if kind == STRUCT:
        return read_struct(data, place, depth + 1)
    if kind == BINARY:
        length, place = _unsigned(data, place)
        return None, _passed(data, place, length)
    if kind in (TRUE, FALSE, BYTE):
        return None, _passed(data, place, 1)
    if kind == DOUBLE:
        return None, _passed(data, place, 8)
    if kind in (LIST, SET):
        head = _byte(data, place)
        place += 1
        count = head >> 4
        if count == 15:
            count, place = _unsigned(data, place)
        if count > len(data) - place + 1 or depth > MOST_DEPTH:
            raise Refused("a damaged header")
        items = []
        for _ in range(count):
            item, place = _read_value(data, place, head & 0x0F, depth + 1)
            items.append(item)
        return items, place
    raise Refused("a damaged header")


def _byte(data: bytes, place: int) -> int:
    if place >= len(data):
        raise Incomplete
    return data[place]


def _passed(data: bytes, place: int, length: int) -> int:
    if place + length > len(data):
        raise Incomplete
    return place + length


def _unsigned(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        one = _byte(data, place)
        place += 1
        value |= (one & 0x7F) << shift
        if not one & 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise Refused("a damaged header")


def _integer(data: bytes, place: int) -> tuple[int, int]:
    value, place = _unsigned(data, place)
    return (value >> 1) ^ -(value & 1), place
