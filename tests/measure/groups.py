"""How often raters said yes to two classes of one picture: what `class_groups.tsv` says, and what it leaves out.

    python -m tests.measure.groups [--least 0.3]

ReaL's votes (Beyer et al. 2020) from ../shared/real: 184,962 pairs of an ImageNet validation picture and a label, each
with five answers. A picture counts for a pair of classes where it was asked about both and most raters said yes to one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.manifests.class_groups import groups_by_wnid, read_class_groups
from relaionet.manifests.labels import labels_by_wnid, read_labels

VOTES = (Path(__file__).resolve().parents[3] / "shared" / "real" / "votes").resolve()
FEWEST = 8  # pictures with both


def read_yes() -> pl.DataFrame:
    """picture, wnid, yes (most of the five raters said so)."""
    stored = np.load(VOTES / "raters.npz")
    counts = stored["tensor"].sum(axis=0)  # [P, 3] no, maybe, yes
    wnids = np.array([label.wnid for label in read_labels()])
    return pl.DataFrame(
        {"picture": stored["info"][:, 0], "wnid": wnids[stored["info"][:, 1].astype(int)], "yes": counts[:, 2] >= 3}
    )


def count_group(yes: pl.DataFrame, wnids: tuple[str, ...]) -> tuple[int, int]:
    """Pictures with two members or more, and with one or more, of those asked about two."""
    counted = yes.filter(pl.col("wnid").is_in(wnids)).group_by("picture").agg(pl.len(), pl.col("yes").sum())
    asked = counted.filter(pl.col("len") >= 2)
    return asked.filter(pl.col("yes") >= 2).height, asked.filter(pl.col("yes") >= 1).height


def measure_pairs(yes: pl.DataFrame) -> pl.DataFrame:
    """Every pair of classes that some picture got both of: one, two, both, either, share; most often first."""
    pairs = yes.join(yes, on="picture", suffix="_two").filter(pl.col("wnid") < pl.col("wnid_two"))
    either, both = pl.col("yes") | pl.col("yes_two"), pl.col("yes") & pl.col("yes_two")
    counted = pairs.group_by(one="wnid", two="wnid_two").agg(both=both.sum(), either=either.sum())
    found = counted.filter(pl.col("both") >= FEWEST).with_columns(share=pl.col("both") / pl.col("either"))
    return found.sort("share", "one", descending=[True, False])


def main() -> None:
    """Print the groups with what the votes say, then pairs that are no group."""
    parser = argparse.ArgumentParser(description="Pairs of classes that raters say yes to together.")
    parser.add_argument("--least", type=float, default=0.3, help="share of pictures with both, of those with either")
    chosen = parser.parse_args()
    yes = read_yes()
    print("groups")
    for group in read_class_groups():
        both, either = count_group(yes, group.wnids)
        names = ", ".join(labels_by_wnid()[wnid].name for wnid in group.wnids)
        print(f"  {group.name:<20}{both:>4} of {either:>3}  {both / max(either, 1):>4.0%}  {group.kind:<8}{names}")
    print("\nseen together, and no group: two things in one picture")
    for row in measure_pairs(yes).filter(pl.col("share") >= chosen.least).iter_rows(named=True):
        if groups_by_wnid().get(row["one"], 1) is not groups_by_wnid().get(row["two"], 2):
            names = " + ".join(labels_by_wnid()[row[key]].name for key in ("one", "two"))
            print(f"  {row['both']:>4} of {row['either']:>3}  {row['share']:>4.0%}  {names}")


if __name__ == "__main__":
    main()
