"""Is the caption about the class its words name? Decided by the text similarity of caption and class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.manifests.errors import BadInput
from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.manifests.tables import ALIVE, TEXT_MATCHES, shape_table
from relaionet.pipeline.embeddings.class_texts import check_template, embed_labels

if TYPE_CHECKING:
    import numpy as np

    from relaionet.pipeline.captions.text_encoders import TextEncoder

VERSION = "2"
TEMPLATE = "{name}: {gloss}"
STEPS_PER_UNIT = 10_000  # cosines are rounded to 1e-4 before anything is decided: float noise never flips a status
TEXTS_PER_BLOCK = 4096


@dataclass(frozen=True, kw_only=True)
class TextMatchConfig:
    """How captions are compared with classes.

    Attributes:
        encoder: text encoder (docs/guides/candidates.md names them); None compares nothing, so that the images decide.
        encoder_options: passed to the encoder; those of the run's own encoder where it is the same and these are empty.
        template: text of a class; {name} and {gloss} are filled in.
        min_cosine: cosine of caption and class (-1 to 1), at least; None takes the encoder's published one, else
            calibrates.
        min_cosine_doubtful: the same where the caption's words often mean something else (`possible_wnids`); None
            calibrates, and is never less than the other.
        use_published: take the published cosine of an encoder that has one; False calibrates for it too.
        max_false_accept_frac: share of wrong classes, drawn at random, that may pass for a caption; calibrates.
        max_false_accept_doubtful_frac: the same for words that often mean something else: fewer, as fewer of their
            captions are about the class.
        min_margin: by how much the best of several possible classes must lead the next, in cosine.
        max_chars: longest part of a caption that is read, characters.
        sample_count: captions the calibration looks at.
        seed: which captions these are.
    """

    encoder: str | None = None
    encoder_options: dict[str, Any] = field(default_factory=dict)
    template: str = TEMPLATE
    min_cosine: float | None = None
    min_cosine_doubtful: float | None = None
    use_published: bool = True
    max_false_accept_frac: float = 0.01
    max_false_accept_doubtful_frac: float = 0.002
    min_margin: float = 0.05
    max_chars: int = 2000
    sample_count: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        check_template(self.template)
        for name in ("min_cosine", "min_cosine_doubtful"):
            value = getattr(self, name)
            if value is not None and not -1 <= value <= 1:
                raise BadInput(f"{name} = {value}: expected -1 to 1.")
        for name in ("max_false_accept_frac", "max_false_accept_doubtful_frac"):
            if not 0 < getattr(self, name) < 1:
                raise BadInput(f"{name} = {getattr(self, name)}: expected more than 0 and less than 1.")
        if not 0 <= self.min_margin <= 2:
            raise BadInput(f"min_margin = {self.min_margin}: expected 0 to 2.")
        for name in ("max_chars", "sample_count"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name} = {getattr(self, name)}: expected 1 or more.")


@dataclass(frozen=True, kw_only=True)
class TextThresholds:
    """Least cosines that pass.

    Attributes:
        sure: for words that mean the class and little else, and for classes that were searched for.
        doubtful: for words that often mean something else.
    """

    sure: float
    doubtful: float


def given_thresholds(config: TextMatchConfig) -> TextThresholds:
    """The thresholds a recipe states itself.

    Raises:
        BadInput: it states none.
    """
    if config.min_cosine is None:
        raise BadInput("no threshold: give min_cosine, or calibrate first.")
    doubtful = config.min_cosine if config.min_cosine_doubtful is None else config.min_cosine_doubtful
    return TextThresholds(sure=config.min_cosine, doubtful=doubtful)


def fold_captions(captions: pl.Expr, max_chars: int) -> pl.Expr:
    """Captions as they are encoded: runs of white space and control characters become one space, long ones are cut."""
    folded = captions.str.slice(0, 2 * max_chars).str.replace_all(r"[\s\p{Cc}]+", " ").str.strip_chars()
    return folded.str.slice(0, max_chars).str.strip_chars()


def embed_classes(encoder: TextEncoder, template: str = TEMPLATE) -> np.ndarray:
    """Unit rows of the 1000 classes' texts, [1000, D] float32, in class order."""
    return embed_labels(encoder, read_labels(), (template,))  # type: ignore[arg-type]  # needs encode_texts only


def needs_texts(rows: pl.DataFrame) -> bool:
    """True where a row has a class to compare its caption with."""
    return bool(rows.select((compared_with().list.len() > 0) & pl.col("caption").is_not_null()).to_series().any())


def compared_with() -> pl.Expr:
    """The classes a row's caption is compared with: the one it names, else those it may name, else those sought."""
    named = pl.concat_list("wnid").list.drop_nulls()
    possible, sought = pl.col("possible_wnids").fill_null([]), pl.col("sought_wnids").fill_null([])
    first = pl.when(possible.list.len() > 0).then(possible).otherwise(sought)
    return pl.when(pl.col("wnid").is_not_null()).then(named).otherwise(first)


def is_doubtful() -> pl.Expr:
    """True where a caption's words name no class for sure, but may name some."""
    return pl.col("wnid").is_null() & (pl.col("possible_wnids").fill_null([]).list.len() > 0)


def match_texts(
    rows: pl.DataFrame, config: TextMatchConfig, encoder: TextEncoder | None = None,
    class_vectors: np.ndarray | None = None, thresholds: TextThresholds | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Decide for every row which class its caption is about.

    A caption that names one class must be similar to that class's text. Where its words may name several, or often mean
    something else, the most similar class is taken if it is similar enough, which is more here, and leads by
    `config.min_margin`. A row that a search found is never turned away for its caption: what it shows brought it here,
    so where the text does not decide, the image does. Rows without any class pass.

    Args:
        rows: candidate_id, caption, wnid, possible_wnids, sought_wnids of candidates.
        config: how.
        encoder: None compares nothing: every row passes with the class its words name.
        class_vectors: [1000, D] float32 unit rows of `embed_classes`; made here where None.
        thresholds: least cosines; those of `config` where None.
        progress: called with the number of rows done since the last call.

    Returns:
        TEXT_MATCHES, one row per row given, in order. `wnid` of a row turned away is the most similar class.

    Raises:
        BadInput: an encoder is given and no threshold.
    """
    if encoder is None or not needs_texts(rows):
        if progress is not None:
            progress(rows.height)
        nothing = pl.lit(None, dtype=pl.Float32)
        return shape_table(_finish(rows.select("candidate_id", "wnid", cosine=nothing, margin=nothing)), TEXT_MATCHES)
    thresholds = thresholds or given_thresholds(config)
    vectors = embed_classes(encoder, config.template) if class_vectors is None else class_vectors
    best = _best_classes(compare_texts(rows, config, encoder, vectors, progress))
    return shape_table(_judge(rows, best, thresholds, config.min_margin), TEXT_MATCHES)


def compare_texts(
    rows: pl.DataFrame, config: TextMatchConfig, encoder: TextEncoder, class_vectors: np.ndarray,
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Cosine of every caption and every class it is compared with; equal captions are encoded once.

    Args:
        rows: as for `match_texts`.
        config: how captions are read.
        encoder: encodes them.
        class_vectors: [1000, D] float32 unit rows.
        progress: called with the number of rows done since the last call.

    Returns:
        row UInt32 (place in `rows`), class_index Int64, cosine Float64 (rounded to 1e-4); one row per pair.
    """
    index = {wnid: label.class_index for wnid, label in labels_by_wnid().items()}
    pairs = (
        rows.select(text=fold_captions(pl.col("caption"), config.max_chars), wnids=compared_with())
        .with_row_index("row")
        .filter(pl.col("text").is_not_null() & (pl.col("wnids").list.len() > 0))
        .explode("wnids")
        .unique(["row", "wnids"], maintain_order=True)
        .with_columns(class_index=pl.col("wnids").replace_strict(index, return_dtype=pl.Int64))
    )
    if progress is not None:
        progress(rows.height - pairs["row"].n_unique())
    found = [pl.DataFrame(schema={"row": pl.UInt32, "class_index": pl.Int64, "cosine": pl.Float64})]
    for block in _blocks(pairs):
        found.append(_block_cosines(block, encoder, class_vectors))
        if progress is not None:
            progress(block["row"].n_unique())
    return pl.concat(found).sort("row", "class_index")


def _blocks(pairs: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Pairs of some thousand captions at a time, so that memory does not grow with the shard; alike in length."""
    texts = pairs.select("text").unique().sort(pl.col("text").str.len_bytes(), "text").with_row_index("place")
    placed = pairs.join(texts, on="text", how="left", maintain_order="left")
    for start in range(0, texts.height, TEXTS_PER_BLOCK):
        yield placed.filter(pl.col("place").is_between(start, start + TEXTS_PER_BLOCK, closed="left"))


def _block_cosines(block: pl.DataFrame, encoder: TextEncoder, class_vectors: np.ndarray) -> pl.DataFrame:
    import numpy as np

    texts = block.unique("place").sort("place")
    vectors = encoder.encode_texts(texts["text"].to_list())  # [T, D] float32
    of_text = (block["place"] - texts["place"].min()).to_numpy()
    of_class = block["class_index"].to_numpy()
    cosines = np.einsum("nd,nd->n", vectors[of_text], class_vectors[of_class], dtype=np.float64)
    return block.select("row", "class_index", cosine=pl.Series(round_cosines(cosines)))


def round_cosines(cosines: np.ndarray) -> np.ndarray:
    """Cosines to 1e-4, float64; what is no number becomes -1, which no threshold lets pass."""
    import numpy as np

    rounded: np.ndarray = np.rint(np.nan_to_num(cosines, nan=-1.0) * STEPS_PER_UNIT) / STEPS_PER_UNIT
    return rounded.clip(-1, 1)


def _best_classes(pairs: pl.DataFrame) -> pl.DataFrame:
    """Per row: the most similar class, its cosine, its lead over the next (null where there is none), all its names."""
    labels = read_labels()
    wnids, names = [label.wnid for label in labels], [label.name for label in labels]
    ranked = pairs.sort("row", "cosine", "class_index", descending=[False, True, False])
    index = list(range(len(labels)))
    return ranked.group_by("row", maintain_order=True).agg(
        pl.col("class_index").first().replace_strict(index, wnids, return_dtype=pl.String).alias("best_wnid"),
        pl.col("cosine").first(),
        (pl.col("cosine").first() - pl.col("cosine").get(1, null_on_oob=True)).alias("margin"),
        pl.col("class_index")
        .sort()
        .replace_strict(index, names, return_dtype=pl.String)
        .str.join(" / ")
        .alias("names"),
    )


def _judge(rows: pl.DataFrame, best: pl.DataFrame, thresholds: TextThresholds, min_margin: float) -> pl.DataFrame:
    """Statuses from cosines; `rows` in order."""
    is_sought = pl.col("sought_wnids").fill_null([]).list.len() > 0
    step = 0.5 / STEPS_PER_UNIT  # margins are differences of rounded numbers
    least = pl.when(is_doubtful()).then(thresholds.doubtful).otherwise(thresholds.sure)
    too_far = pl.col("cosine") < least - step
    too_close = (pl.col("margin") < min_margin - step).fill_null(value=False)
    judged = rows.with_row_index("row").join(best, on="row", how="left", maintain_order="left")
    undecided = judged.select("row", dissimilar=too_far, ambiguous=too_close, sought=is_sought)
    judged = judged.with_columns(undecided.drop("row")).with_columns(
        pl.when("sought").then(pl.lit(None)).when("dissimilar").then(pl.format("the caption is not about {}", "names"))
        .when("ambiguous").then(pl.format("the caption may be about each of {}", "names")).alias("reason"),
        pl.when("sought").then(pl.lit(ALIVE)).when("dissimilar").then(pl.lit("dissimilar"))
        .when("ambiguous").then(pl.lit("ambiguous")).otherwise(pl.lit(ALIVE)).alias("status"),
        pl.when(pl.col("sought") & (pl.col("dissimilar") | pl.col("ambiguous"))).then("wnid")
        .otherwise(pl.coalesce("best_wnid", "wnid")).alias("wnid"),
    )  # fmt: skip
    return judged.select("candidate_id", "wnid", "cosine", "margin", "status", "reason")


def _finish(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(status=pl.lit(ALIVE), reason=pl.lit(None, dtype=pl.String))
