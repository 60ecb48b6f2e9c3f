"""Finding many phrases as whole words in many texts at once, with polars' Aho-Corasick automaton.

A text is padded with a space on both sides and every ASCII character that is no part of a word becomes a space, byte by
byte, so that " bow tie " is found in " my bow tie " by plain string search, whatever stood between the words.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np
import polars as pl

WORD_CHARACTERS = (string.ascii_letters + string.digits).encode()
# lower-case letters and digits stay, every other byte is a space
FOLD_TABLE = bytes(ord(chr(byte).lower()) if byte in WORD_CHARACTERS else 32 for byte in range(256))
# ASCII punctuation is a space, everything else stays: case, line ends, bytes of other alphabets
PUNCTUATION_TABLE = bytes(32 if chr(byte) in string.punctuation else byte for byte in range(256))
PAD = "_"  # a space in both tables


def space_texts(texts: pl.Series, table: bytes) -> pl.Series:
    """Pad every text with a space on both sides and replace its bytes.

    Args:
        texts: N strings without nulls, together below 4 GiB.
        table: 256 bytes; what each byte becomes, a space for `PAD`. A byte over 127 must stay or become ASCII.

    Returns:
        N strings named text.
    """
    import pyarrow as pa

    # one string of all, so that no text is copied by itself; the outer pads are those of the empty texts at its ends
    end = pl.Series([""], dtype=pl.String)
    joined = pl.concat([end, texts.rename(""), end]).str.join(PAD * 2).to_arrow(compat_level=pl.CompatLevel.oldest())
    characters = memoryview(joined[0].as_buffer())[1:-1]
    ends = np.cumsum(texts.str.len_bytes().to_numpy() + 2 * len(PAD), dtype=np.int64)
    offsets = pa.py_buffer(np.concatenate([np.zeros(1, dtype=np.int64), ends]))
    replaced = pa.py_buffer(characters.tobytes().translate(table))
    return pl.Series("text", pl.from_arrow(pa.LargeStringArray.from_buffers(texts.len(), offsets, replaced)))


def find_words(rows: pl.DataFrame, patterns: Sequence[str]) -> pl.DataFrame:
    """Rows whose text holds patterns.

    Args:
        rows: text, spaced; other columns are kept.
        patterns: phrases with a space on both sides.

    Returns:
        The rows with a hit, in order, with found List(String): every occurrence of every pattern, overlapping ones
        too, in the order in which they end.
    """
    found = pl.col("text").str.extract_many(list(patterns), overlapping=True).alias("found")
    return rows.lazy().with_columns(found).filter(pl.col("found").list.len() > 0).collect()
