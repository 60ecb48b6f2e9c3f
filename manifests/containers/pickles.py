"""Pickles of tensors (torch's checkpoints), gone through without making anything: what would be made is known before.

torch's own guarded reader runs no code of a stranger, but makes what it is told: a hundred bytes ask for ten gigabytes.
Here every call, every storage and every view of one is looked at; a pickle that asks for anything else than what
`torch.save` writes of tensors, numbers and texts is refused.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from relaionet.manifests.containers.limits import MIB, PICKLE, Limits, Refused
from relaionet.manifests.escape import message_of

REBUILDS = {f"torch._utils {name}" for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")}
PARAMETERS = {"torch._utils _rebuild_parameter", "torch.nn.parameter Parameter"}
PLAIN = {
    "collections OrderedDict", "collections Counter", "torch Size", "torch device", "_codecs encode", "builtins set",
    "builtins complex", "__builtin__ set", "__builtin__ complex", "torch.serialization _get_layout",
}  # fmt: skip
# what training scripts keep their settings in; it runs nothing, and is made without arguments and filled afterwards
NAMESPACES = {"argparse Namespace"}
ITEM_BYTES = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
    "ComplexDouble": 16, "ComplexFloat": 8, "Untyped": 1,
}  # fmt: skip
# views of one storage, such as weights that two layers share
VIEWS_RATIO, VIEWS_FLOOR = 4, 16 * MIB
MOST_EXPANDED = 4_000_000


@dataclass(eq=False)
class _Node:
    """Something that holds others."""

    items: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    item_bytes: int
    count: int


class _Mark:
    pass


@dataclass(kw_only=True)
class Asked:
    """What a pickle asks for.

    Attributes:
        storages: key -> bytes.
        views_bytes: bytes of all tensors, those that share a storage counted each.
        top: what it makes, as plain values and nodes.
    """

    storages: dict[str, int] = field(default_factory=dict)
    views_bytes: int = 0
    top: Any = None


def check_pickle(stream: Any, file_bytes: int, limits: Limits = PICKLE) -> Asked:
    """Go through one pickle of tensors.

    Args:
        stream: binary, at its first byte; it stands behind its last one afterwards.
        file_bytes: length of the file it belongs to: no storage in it can be longer.
        limits: how much it may hold.

    Raises:
        Refused: it is damaged, holds more, or asks for anything else; the message has no file's name and no full stop.
    """
    walk = _Walk(file_bytes)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > limits.max_members:
                raise Refused(f"more than {limits.max_members:,} steps")
            walk.step(opcode.name, argument)
        walk.asked.top = walk.stack.pop()
    except Refused:
        raise
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, AttributeError, MemoryError) as error:
        raise Refused(f"a damaged pickle ({message_of(error, 100)})") from None
    if walk.asked.views_bytes > VIEWS_FLOOR + VIEWS_RATIO * file_bytes:
        raise Refused(f"tensors of {walk.asked.views_bytes:,} bytes in a file of {file_bytes:,}")
    _check_shape(walk.asked.top, limits.max_depth)
    return walk.asked


class _Walk:
    """A pickle's stack and memo, of stand-ins for what would be made."""

    def __init__(self, file_bytes: int) -> None:
        self.asked = Asked()
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._file_bytes = file_bytes

    def step(self, name: str, argument: Any) -> None:
        """Do what one step says."""
        if name in PUSHES:
            self.stack.append(PUSHES[name](argument))
        elif name in ("PROTO", "FRAME", "STOP"):
            return
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[argument])
        elif name in TUPLES:
            count = TUPLES[name]
            kept = self.stack[len(self.stack) - count :]
            del self.stack[len(self.stack) - count :]
            self.stack.append(tuple(kept))
        elif name == "TUPLE":
            self.stack.append(tuple(self._to_mark()))
        elif name in ("APPENDS", "SETITEMS", "ADDITEMS"):
            items = self._to_mark()
            self._node().items.extend(items)
        elif name in ("APPEND", "SETITEM", "BUILD"):
            items = [self.stack.pop() for _ in range(2 if name == "SETITEM" else 1)]
            self._node(is_built=name == "BUILD").items.extend(items)
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, called = self.stack.pop(), self.stack.pop()
            self.stack.append(self._call(called, arguments))
        elif name == "STACK_GLOBAL":
            part, module = self.stack.pop(), self.stack.pop()
            self.stack.append(_Global(f"{module} {part}"))
        elif name == "BINPERSID":
            self.stack.append(self._storage(self.stack.pop()))
        else:
            raise Refused(f"a step {name}, which tensors do not need")

    def _to_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while not isinstance(self.stack[place], _Mark):
            place -= 1
            if place < 0:
                raise Refused("a damaged pickle")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def _node(self, *, is_built: bool = False) -> _Node:
        top = self.stack[-1]
        if not isinstance(top, _Node):
            if is_built:
                return _Node()
            raise Refused("a damaged pickle")
        return top

    def _storage(self, told: Any) -> _Storage:
        """A storage by its name, kind and length."""
        if not isinstance(told, tuple) or len(told) < 5 or told[0] != "storage" or not isinstance(told[1], _Global):
            raise Refused("a storage that is none")
        kind = told[1].name.rpartition(" ")[2].removesuffix("Storage")
        count = told[4]
        if kind not in ITEM_BYTES or type(count) is not int or count < 0:
            raise Refused("a storage of an unknown kind or length")
        storage = _Storage(str(told[2]), ITEM_BYTES[kind], count)
        if storage.count * storage.item_bytes > self._file_bytes:
            raise Refused(
                f"a storage of {storage.count * storage.item_bytes:,} bytes in a file of {self._file_bytes:,}"
            )
        self.asked.storages[storage.key] = max(
            self.asked.storages.get(storage.key, 0), storage.count * storage.item_bytes
        )
        return storage

    def _call(self, called: Any, arguments: Any) -> Any:
        """What calling something gives; only what tensors are made of is called."""
        name = called.name if isinstance(called, _Global) else ""
        if not isinstance(arguments, tuple):
            raise Refused("a damaged pickle")
        if name in REBUILDS:
            return self._tensor(arguments)
        if name in PARAMETERS | PLAIN or (name in NAMESPACES and not arguments):
            return _Node([arguments])
        raise Refused(f"it calls {name.replace(' ', '.')[:80] or 'something'}, which tensors do not need")

    def _tensor(self, arguments: tuple[Any, ...]) -> _Node:
        storage, offset, sizes, strides = arguments[:4]
        if not isinstance(storage, _Storage) or not isinstance(sizes, tuple) or not isinstance(strides, tuple):
            raise Refused("a tensor that is none")
        numbers = (offset, *sizes, *strides)
        if len(sizes) != len(strides) or any(type(one) is not int or one < 0 for one in numbers) or len(sizes) > 64:
            raise Refused("a tensor of an odd shape")
        count = math.prod(sizes)
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if count and last >= storage.count:
            raise Refused("a tensor that is larger than its storage")
        self.asked.views_bytes += count * storage.item_bytes
        return _Node(list(arguments[4:]))


def _text(argument: Any) -> str:
    return str(argument)


PUSHES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET"), lambda _none: _Node()),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING"), _text),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "LONG4"), int),
    **dict.fromkeys(("BINFLOAT", "SHORT_BINBYTES", "BINBYTES", "NONE", "NEWTRUE", "NEWFALSE"), lambda value: value),
    "EMPTY_TUPLE": lambda _none: (),
    "MARK": lambda _none: _Mark(),
    "GLOBAL": _Global,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _check_shape(top: Any, most_depth: int) -> None:
    """Refuse what holds itself, is too deep, or is far more than it looks where each thing stands where it is named."""
    sizes: dict[int, int] = {}
    open_ones = {id(top)}
    walk: list[tuple[Any, Iterator[Any]]] = [(top, iter(_items(top)))]
    while walk:
        holder, rest = walk[-1]
        item = next(rest, _Mark)
        if item is _Mark:
            walk.pop()
            open_ones.discard(id(holder))
            sizes[id(holder)] = 1 + sum(sizes.get(id(one), 1) for one in _items(holder))
            if sizes[id(holder)] > MOST_EXPANDED:
                raise Refused("values that hold each other many times over")
        elif _items(item) and id(item) not in sizes:
            if id(item) in open_ones:
                raise Refused("values that hold themselves")
            if len(walk) > most_depth:
                raise Refused(f"nested more than {most_depth} levels deep")
            open_ones.add(id(item))
            walk.append((item, iter(_items(item))))


def _items(value: Any) -> Any:
    return value.items if isinstance(value, _Node) else value if isinstance(value, tuple) else ()
