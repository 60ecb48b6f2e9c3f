"""Pictures that could be either of two classes: looked at by the encoder that was named, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.files import digest_of
from relaionet.manifests.labels import find_label
from relaionet.manifests.store import Store
from relaionet.manifests.tables.adoption import CHOICES
from relaionet.pipeline.adoption import doubles
from relaionet.pipeline.adoption.adopt import AdoptConfig, Adoption
from relaionet.pipeline.adoption.doubles import choose_classes, find_known, find_open
from relaionet.pipeline.adoption.published import read_double_names


class Looked(NamedTuple):
    """What was found out about pictures that could be either.

    Attributes:
        choices: CHOICES; None where nothing looked, or there are none.
        about: which encoder looked and how, for the release's notes; None where none did.
    """

    choices: pl.DataFrame | None
    about: Mapping[str, object] | None


def look_at_doubles(
    store: Store, pictures: pl.DataFrame, adoption: Adoption, config: AdoptConfig, reporter: Reporter
) -> Looked:
    """Ask the encoder about pictures whose folder may mean several classes; what it said of the same ones is kept.

    Args:
        store: of the adoption.
        pictures: PICTURES.
        adoption: what is to be adopted.
        config: how.
        reporter: where it is said.
    """
    rows = find_open(pictures, adoption)
    if rows.is_empty():
        return Looked(None, None)
    if config.encoder is None or adoption.layout.kind == "rows":
        say_sides(reporter, adoption)
        if config.encoder is not None:
            reporter.say("  either      pictures in rows are not kept, so that no encoder can look at them again")
        return Looked(None, None)
    from relaionet.pipeline.embeddings.encoders import load_encoder

    encoder = load_encoder(config.encoder, config.device)
    known = find_known(pictures, adoption)
    hashes = pictures.select("path", "image_sha256").sort("path").rows()
    digest = digest_of(doubles.VERSION, encoder.fingerprint, config.sure, rows.rows(), known.rows(), hashes)
    if not store.has_table(CHOICES, digest):
        chosen = choose_classes(rows, known, adoption, encoder, sure=config.sure)
        store.write(chosen.choices, CHOICES, digest)
    choices = store.read(CHOICES)
    say_choices(reporter, choices, encoder.name)
    about = {"encoder": encoder.name, "encoder_fingerprint": encoder.fingerprint, "sure": config.sure}
    return Looked(choices, about)


def say_sides(reporter: Reporter, adoption: Adoption) -> None:
    """Say which class each double name is taken for, and why."""
    lines = {line.could_be: (name, line) for name, line in read_double_names().items()}
    for folder, could_be in sorted(adoption.could_be.items()):
        name, line = lines.get(could_be, ("", None))
        if line is not None and folder in adoption.classes:
            taken = f"{find_label(line.wnid).name} ({line.wnid})"
            reporter.say(f"  either      {name}: undecided, taken for {taken}: {line.reason}")


def say_choices(reporter: Reporter, choices: pl.DataFrame, encoder: str) -> None:
    """Say of how many pictures the encoder was sure, by the classes they could be."""
    for could_be, some in choices.group_by("could_be", maintain_order=True):
        names = {wnid: find_label(wnid).name for wnid in could_be[0]}  # type: ignore[union-attr]
        counts = dict(some["wnid"].value_counts().iter_rows())
        parts = [f"{counts.get(wnid, 0):,} {name}" for wnid, name in names.items()]
        parts += [f"{counts.get(None, 0):,} undecided"]
        reporter.say(f"  either      {some.height:,} = {' + '.join(parts)} (by {encoder})")
