"""Finding many phrases as whole words in many texts at once, with polars' Aho-Corasick automaton.

A text is padded with a space on both sides and every ASCII character that is no part of a word becomes a space, byte by
byte, so that " bow tie " is found in " my bow tie " by plain string search, whatever stood between the words.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import polars as pl

WORD_CHARACTERS = (string.ascii_letters + string.digits).encode()
# lower-case letters and digits stay, every other byte is a space
FOLD_TABLE = bytes(ord(chr(byte).lower()) if byte in WORD_CHARACTERS else 32 for byte in range(256))
# ASCII punctuation is a space, everything else stays: case, line ends, bytes of other alphabets
PUNCTUATION_TABLE = bytes(32 if chr(byte) in string.punctuation else byte for byte in range(256))


def space_texts(rows: pl.DataFrame, table: bytes) -> pl.DataFrame:
    """Pad every text with a space on both sides and replace its bytes.

    Args:
        rows: text, strings without nulls; other columns are kept.
        table: 256 bytes; what each byte becomes. A byte over 127 must stay or become ASCII.
    """
    import pyarrow as pa

    padded = rows.lazy().select(pl.concat_str(pl.lit(" "), "text", pl.lit(" ")).alias("text")).collect()["text"]
    array = padded.to_arrow(compat_level=pl.CompatLevel.oldest())
    # the copy of all characters is one string: replacing its bytes keeps the places where texts begin and end
    _, offsets, characters = array.buffers()
    replaced = pa.py_buffer(memoryview(characters).tobytes().translate(table))
    spaced = pa.LargeStringArray.from_buffers(len(array), offsets, replaced, offset=array.offset)
    return rows.with_columns(pl.Series("text", pl.from_arrow(spaced)))


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
