"""Pictures in a folder whose name two classes have: an encoder says which class each shows, where it is sure.

Its cosines become probabilities by a scale that is fitted on pictures of the same set whose class is named singly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from relaionet.manifests.labels import labels_by_wnid, read_labels
from relaionet.manifests.tables.adoption import CHOICES
from relaionet.manifests.tables.schema import ALIVE, shape_table
from relaionet.pipeline.adoption.adopt import Adoption
from relaionet.pipeline.embeddings.class_texts import embed_class_texts
from relaionet.pipeline.embeddings.embed import EmbedConfig, embed_images
from relaionet.pipeline.embeddings.encoders import Encoder, logit_scale_of
from relaionet.pipeline.proposals.probabilities import log_probabilities, spread
from relaionet.pipeline.proposals.temperature import fit_scale

if TYPE_CHECKING:
    import numpy as np

VERSION = "1"
TEMPLATES = ("a photo of a {name}", "a photo of a {name}, {gloss}")
# pictures the scale is fitted on, evenly of all classes; with fewer than the least the encoder's own scale is taken
LEAST_KNOWN, MOST_KNOWN = 50, 1000


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What an encoder says of pictures whose folder may mean several classes.

    Attributes:
        choices: CHOICES, one row per picture.
        scale: factor from cosines to logits.
        known_count: pictures of the set the scale was fitted on; 0 where it is the encoder's own.
    """

    choices: pl.DataFrame
    scale: float
    known_count: int


def find_open(pictures: pl.DataFrame, adoption: Adoption) -> pl.DataFrame:
    """The pictures nobody's folder decides: path, could_be.

    Args:
        pictures: PICTURES of the set.
        adoption: from `plan_adoption`.
    """
    folders = {path: folder for path, folder in adoption.layout.groups.items() if folder in adoption.could_be}
    schema: dict[str, pl.DataType] = {"path": pl.String(), "could_be": pl.List(pl.String())}
    rows = [(path, list(adoption.could_be[folder])) for path, folder in folders.items()]
    there = pictures.filter(pl.col("status") == ALIVE).select("path")
    table = pl.DataFrame(rows, schema=schema, orient="row")
    left = [path for path in folders if path in adoption.layout.left]
    return table.join(there, on="path", how="semi").filter(~pl.col("path").is_in(left)).sort("path")


def find_known(pictures: pl.DataFrame, adoption: Adoption) -> pl.DataFrame:
    """Pictures whose class the set names singly, as evenly of all classes as it goes: path, wnid."""
    single = {
        path: adoption.classes[folder] for path, folder in adoption.layout.groups.items()
        if folder not in adoption.could_be and adoption.classes.get(folder) in labels_by_wnid()
    }  # fmt: skip
    table = pl.DataFrame({"path": list(single), "wnid": list(single.values())}, schema_overrides={"path": pl.String})
    there = pictures.filter(pl.col("status") == ALIVE).select("path", "image_sha256")
    rows = there.join(table.cast({"wnid": pl.String}), on="path", how="inner").sort("image_sha256", "path")
    rows = rows.unique("image_sha256", keep="first", maintain_order=True)
    rows = rows.with_columns(turn=pl.int_range(pl.len()).over("wnid")).sort("turn", maintain_order=True)
    return rows.head(MOST_KNOWN).select("path", "wnid")


def choose_classes(
    open_rows: pl.DataFrame, known: pl.DataFrame, adoption: Adoption, encoder: Encoder, *, sure: float,
    config: EmbedConfig | None = None,
) -> Chosen:  # fmt: skip
    """Say of each picture how probable each class is that its folder may mean.

    Args:
        open_rows: from `find_open`.
        known: from `find_known`.
        adoption: where the pictures lie.
        encoder: from `load_encoder`.
        sure: probability from which a class counts as seen, 0.5 to 1.
        config: sizes of batches and pictures.
    """
    config = config or EmbedConfig()
    labels = read_labels()
    texts = embed_class_texts(encoder, labels, TEMPLATES)  # [1000, D]
    scale, known_count = logit_scale_of(encoder), 0
    cosines, places = _cosines(known, adoption, encoder, texts, config)
    if len(places) >= LEAST_KNOWN:
        classes = [labels_by_wnid()[known["wnid"][place]].class_index for place in places]
        scale, known_count = fit_scale(cosines, _as_array(classes)), len(places)
    cosines, places = _cosines(open_rows, adoption, encoder, texts, config)
    seen = dict(zip(places, cosines, strict=True))
    rows = []
    for place, (path, could_be) in enumerate(open_rows.select("path", "could_be").iter_rows()):
        indices = [labels_by_wnid()[wnid].class_index for wnid in could_be]
        given = _share(seen[place][indices] * scale, known_count) if place in seen else None
        best = None if given is None or max(given) < sure else could_be[given.index(max(given))]
        rows.append({"path": path, "could_be": could_be, "probabilities": given, "wnid": best})
    table = pl.DataFrame(rows, schema=dict(CHOICES.schema))
    return Chosen(choices=shape_table(table, CHOICES), scale=scale, known_count=known_count)


def _as_array(values: list[int]) -> np.ndarray:
    import numpy as np

    return np.asarray(values, dtype=np.int64)


def _cosines(
    rows: pl.DataFrame, adoption: Adoption, encoder: Encoder, texts: np.ndarray, config: EmbedConfig
) -> tuple[np.ndarray, list[int]]:
    """[n, 1000] cosines of the pictures that can be embedded, and their places among the rows."""
    found = embed_images(rows.select(candidate_id="path", path="path"), encoder, adoption.source, config)
    places = [place for place, row in enumerate(found.table["row"]) if row is not None]
    return found.vectors.astype("float64") @ texts.astype("float64").T, places


def _share(logits: np.ndarray, known_count: int) -> list[float]:
    """Probabilities among the classes a name may mean; as `probabilities.py` has it, none is surer than n + 1 known."""
    import numpy as np

    lapse = 1 / (known_count + 1) if known_count else 0.0
    return [float(one) for one in spread(np.exp(log_probabilities(logits[None])), lapse)[0]]
