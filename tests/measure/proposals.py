"""Proposals on real photos: how right each tier is, and whether the probabilities come true.

    python -m tests.measure.proposals [--plot docs/pictures/proposals-reliability.png] [--seed 0]
    python -m tests.measure.proposals --reviewed 200 [--draws 20]

1,058 photos of ../shared/real with captions made from class names: right, wrong, none, two classes. The photos are cut
into two halves; what is fitted on one is measured on the other, and the other way round, among all 1,000 classes.
What is fitted without labels uses the captions of the half that is measured, as a run does. Copies of one picture stay
in one half. The truth is read for scoring and, by `labelled`, as the labels of the half that is fitted on.

`--reviewed` is a run whose recipe says nothing of calibration and whose rows have no captions: so many of its tasks are
drawn and settled, its probabilities are fitted on them as `review pull` does, and measured on the photos nobody looked
at. Its templates are a recipe's own, and of pictures that stand twice one is kept, as the screens do. The mean over
draws, since a sample of 200 is right or wrong by a few hundredths of its own.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.flows.curation.calibration import group_name
from relaionet.flows.curation.recipe import CurateRecipe
from relaionet.flows.pages.charts.reliability import draw_reliability
from relaionet.manifests.labels import Label, read_labels
from relaionet.pipeline.captions.lemma_match import name_classes
from relaionet.pipeline.embeddings.class_texts import embed_labels
from relaionet.pipeline.embeddings.encoders import Encoder, load_encoder, logit_scale_of
from relaionet.pipeline.proposals.calibration import Calibration, uncalibrated
from relaionet.pipeline.proposals.calibration_fit import CalibrateConfig, Examples, fit_calibration, fit_on_review
from relaionet.pipeline.proposals.caption_errors import Captions
from relaionet.pipeline.proposals.caption_evidence import read_words
from relaionet.pipeline.proposals.propose import ProposeConfig, propose_labels
from relaionet.pipeline.proposals.reliability import Reliability, measure_reliability

REAL = (Path(__file__).resolve().parents[3] / "shared" / "real").resolve()
ENCODER = f"{REAL / 'encoder' / 'conse.py'}:ConseEncoder"
TIERS = ("agree", "picture", "caption", "disagree", "unclear")
BASES = ("labelled", "captions", "encoder")


@dataclass(frozen=True, kw_only=True)
class Photos:
    """The photos, their captions and what they show.

    Attributes:
        rows: candidate_id, wnid, possible_wnids, other_wnids (what captions name), truth, caption_kind, half (0 or 1).
        vectors: [N, D] unit rows.
        label_vectors: [1000, D] unit rows.
        own: the encoder's own probabilities.
    """

    rows: pl.DataFrame
    vectors: np.ndarray
    label_vectors: np.ndarray
    own: Calibration


@cache
def _read_encoder() -> Encoder:
    os.environ["HF_HUB_OFFLINE"] = "1"
    return load_encoder(ENCODER, device="cpu")


@cache
def _embed_photos() -> tuple[pl.DataFrame, np.ndarray]:
    """The rows of the photos, and their unit rows [N, D]."""
    import torch
    from PIL import Image

    encoder = _read_encoder()
    captions = pl.read_parquet(REAL / "rows.parquet").select(url="URL", caption="TEXT").unique("url", keep="first")
    rows = pl.read_parquet(REAL / "truth.parquet").select("url", "file", "caption_kind", truth="wnid")
    rows = rows.join(captions, on="url", how="left", maintain_order="left")
    parts = []
    for start in range(0, rows.height, 16):
        pictures = [Image.open(REAL / "photos" / file) for file in rows["file"][start : start + 16]]
        parts.append(encoder.encode_images(torch.stack([encoder.preprocess(picture) for picture in pictures])))
    return rows, np.concatenate(parts)


@cache
def read_photos(seed: int = 0, templates: tuple[str, ...] = ("a photo of a {name}",)) -> Photos:
    """Read and embed the photos, and the class texts that these templates make."""
    encoder, (rows, vectors) = _read_encoder(), _embed_photos()
    # a picture and its copy are the same row of the encoder, or nearly
    first = (vectors @ vectors.T > 0.999).argmax(axis=1)
    half = np.random.default_rng(seed).integers(2, size=rows.height)[first]
    label_vectors = embed_labels(encoder, read_labels(), templates)
    own = uncalibrated(
        encoder=encoder.name, fingerprint=encoder.fingerprint, label_vectors=label_vectors,
        logit_scale=logit_scale_of(encoder),
    )  # fmt: skip
    table = (
        rows.rename({"url": "candidate_id"}).hstack(name_classes(rows["caption"])).with_columns(half=pl.Series(half))
    )
    return Photos(rows=table, vectors=vectors, label_vectors=label_vectors, own=own)


def fit_half(photos: Photos, half: int, basis: str) -> Calibration:
    """Fit on the other half's labels (`labelled`), on this half's captions, or on nothing."""
    here, other = (photos.rows["half"] == half).to_numpy(), (photos.rows["half"] != half).to_numpy()
    named, words = read_words(photos.rows.filter(here))
    told = [place for place, how in enumerate(words) if how != "none"]
    captions = Captions(
        vectors=photos.vectors[here][told], named=[named[place] for place in told],
        words=[words[place] for place in told],
    )  # fmt: skip
    known = other if basis == "labelled" else np.zeros_like(other)
    examples = Examples(vectors=photos.vectors[known], wnids=photos.rows.filter(known)["truth"].to_list())
    config = CalibrateConfig(use_captions=basis == "captions")
    return fit_calibration(
        examples, captions, photos.label_vectors, read_labels(), config, photos.own, group_of=group_name
    )


@cache
def measure_halves(basis: str, seed: int = 0, *, use_captions: bool = True) -> pl.DataFrame:
    """PROPOSALS of all photos with `truth`, `right` and `nearest_right`, each half by what was fitted on the other."""
    photos = read_photos(seed)
    parts = []
    for half in (0, 1):
        here = (photos.rows["half"] == half).to_numpy()
        table = propose_labels(
            photos.rows.filter(here), photos.vectors[here], photos.label_vectors, read_labels(),
            # what nothing was fitted on is measured as it would be if it were taken for a probability
            ProposeConfig(
                use_captions=use_captions, logit_scale=photos.own.logit_scale if basis == "encoder" else 0.0
            ),
            fit_half(photos, half, basis),
        )  # fmt: skip
        parts.append(table.with_columns(photos.rows.filter(here)["truth"], photos.rows.filter(here)["caption_kind"]))
    rows = pl.concat(parts)
    return rows.with_columns(
        right=(pl.col("wnid") == pl.col("truth")).fill_null(value=False),
        nearest_right=pl.col("top_wnids").list.first() == pl.col("truth"),
    )


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """What some reviewed tasks make of the probabilities of the photos nobody looked at.

    Attributes:
        before: of the encoder's own scores, were they taken for probabilities.
        after: of what was fitted.
        clear: the same of the photos that a recipe's least score and margin call clear.
        shown_before: scores that the proposals had before.
    """

    before: Reliability
    after: Reliability
    clear: Reliability
    shown_before: int


@cache
def _first_photos() -> Photos:
    """One of each picture, without its caption, by the class texts of a recipe."""
    photos = read_photos(templates=CurateRecipe(source="").templates)
    rows = photos.rows.with_columns(wnid=pl.lit(None, pl.String))
    kept = ~rows["file"].str.starts_with("again/")  # the copies
    return replace(photos, rows=rows.filter(kept), vectors=photos.vectors[kept.to_numpy()])


def _propose(found: Calibration, rows: np.ndarray, scale: float = 0.0) -> pl.DataFrame:
    """PROPOSALS of some of the photos, and whether each is right."""
    photos = _first_photos()
    table = propose_labels(
        photos.rows[rows].select("candidate_id", "wnid"), photos.vectors[rows], photos.label_vectors, read_labels(),
        ProposeConfig(logit_scale=scale), found,
    )  # fmt: skip
    truth = [group_name(wnid) for wnid in photos.rows[rows]["truth"]]
    right = [group_name(wnid) == true for wnid, true in zip(table["wnid"], truth, strict=True)]
    return table.with_columns(right=pl.Series(right))


def _fitting() -> tuple[Captions, np.ndarray, Sequence[Label], CalibrateConfig, Calibration]:
    photos = _first_photos()
    nothing = Captions(vectors=photos.vectors[:0], named=[], words=[])
    return nothing, photos.label_vectors, read_labels(), CalibrateConfig(), photos.own


@cache
def _before() -> tuple[int, pl.DataFrame]:
    """How many scores the proposals have that nothing was fitted on, and what they would say as probabilities."""
    photos, own = _first_photos(), _first_photos().own
    first = fit_calibration(Examples(vectors=photos.vectors[:0], wnids=[]), *_fitting(), group_of=group_name)
    every = np.arange(photos.rows.height)
    shown = _propose(first, every).drop_nulls("label_score").height
    return shown, _propose(replace(first, basis="review"), every, own.logit_scale)


@cache
def measure_reviewed(count: int, draw: int) -> Reviewed:
    """Settle so many tasks of a run without captions, drawn by seed, fit on them, and measure on the others."""
    photos, (shown, before) = _first_photos(), _before()
    order = np.random.default_rng(draw).permutation(photos.rows.height)
    seen, unseen = order[:count], order[count:]
    examples = Examples(vectors=photos.vectors[seen], wnids=photos.rows[seen]["truth"].to_list())
    fitted = fit_on_review(examples, *_fitting(), group_of=group_name)
    after, config = _propose(fitted, unseen), ProposeConfig()
    is_clear = (pl.col("label_score") >= config.min_score) & (pl.col("label_margin") >= config.min_margin)
    found = [
        measure_reliability(table["label_score"].to_numpy().clip(0, 1), table["right"].to_numpy())
        for table in (before[unseen], after, after.filter(is_clear))
    ]
    return Reviewed(before=found[0], after=found[1], clear=found[2], shown_before=shown)


def _mean_of(parts: Sequence[Reliability], name: str) -> float:
    return float(np.mean([getattr(one, name) for one in parts]))


def print_reviewed(count: int, draws: int) -> None:
    """Print the calibration error before and after so many reviewed tasks."""
    found = [measure_reviewed(count, draw) for draw in range(draws)]
    print(f"{count} reviewed tasks, {found[0].after.count} photos nobody looked at, no captions; mean of {draws} draws")
    for name, parts in (
        ("the encoder's own", [one.before for one in found]),
        ("fitted", [one.after for one in found]),
        ("fitted, clear", [one.clear for one in found]),
    ):
        errors, mean = np.array([one.ece for one in parts]), partial(_mean_of, parts)
        print(
            f"  {name:<20} {mean('count'):.0f} photos, mean score {mean('mean_score'):.3f}, "
            f"right {mean('right_frac'):.3f}, error {errors.mean():.3f} ({errors.min():.3f} to {errors.max():.3f}; "
            f"by chance up to {mean('ece_if_true_high'):.3f}), rms without bias {mean('rms_debiased'):.3f}"
        )
    print(f"  scores shown before the review: {found[0].shown_before}")


def by_tier(rows: pl.DataFrame) -> pl.DataFrame:
    """Per tier: rows, share of all, share right, mean probability."""
    found = rows.group_by("tier").agg(
        rows=pl.len(), share=pl.len() / rows.height, right=pl.col("right").mean(), mean_p=pl.col("label_score").mean()
    )
    order = pl.DataFrame({"tier": TIERS})
    return order.join(found, on="tier", how="left", maintain_order="left")


def reliability(rows: pl.DataFrame) -> dict[str, Reliability]:
    """Of the picture's own probability for the nearest class, and of the proposed label's with the caption."""
    proposed = rows.filter(status="ok")
    return {
        "picture alone": measure_reliability(rows["score"].to_numpy().clip(0, 1), rows["nearest_right"].to_numpy()),
        "picture and caption": measure_reliability(
            proposed["label_score"].to_numpy().clip(0, 1), proposed["right"].to_numpy()
        ),
    }


def main() -> None:
    """Print tiers and calibration errors; draw the diagram."""
    parser = argparse.ArgumentParser(description="How right proposals are on real photos.")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reviewed", type=int, metavar="TASKS")
    parser.add_argument("--draws", type=int, default=20)
    chosen = parser.parse_args()
    if chosen.reviewed:
        print_reviewed(chosen.reviewed, chosen.draws)
        return
    for basis in BASES:
        rows = measure_halves(basis, chosen.seed)
        print(f"\n{basis}: {rows.filter(status='ok').height} of {rows.height} photos proposed, "
              f"{rows.filter(status='ok')['right'].mean():.1%} right")  # fmt: skip
        print(f"  {'tier':<10}{'rows':>6}{'of all':>8}{'right':>8}{'mean p':>8}")
        for row in by_tier(rows).drop_nulls("rows").iter_rows(named=True):
            right = "" if row["tier"] == "unclear" else f"{row['right']:.1%}"
            print(f"  {row['tier']:<10}{row['rows']:>6}{row['share']:>8.1%}{right:>8}{row['mean_p']:>8.3f}")
        for name, found in reliability(rows).items():
            print(f"  {name:<20} error {found.ece:.3f} (by chance up to {found.ece_if_true_high:.3f}); "
                  f"rms without bias {found.rms_debiased:.3f} [{found.low:.3f}, {found.high:.3f}]; "
                  f"Brier {found.brier:.3f}, log loss {found.nll:.3f}")  # fmt: skip
    if chosen.plot is not None:
        before, after = (reliability(measure_halves(basis, chosen.seed)) for basis in ("encoder", "labelled"))
        panels = {
            "picture alone, not calibrated": before["picture alone"],
            "picture alone, calibrated": after["picture alone"],
            "picture and caption, calibrated": after["picture and caption"],
        }
        chosen.plot.write_bytes(draw_reliability(panels, form=chosen.plot.suffix.removeprefix(".")))


if __name__ == "__main__":
    main()
