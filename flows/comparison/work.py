"""One comparison from the sources to the page: read, extract, compare, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from relaionet.evaluators.comparison.against_statistics import compare_with_statistics, keep_statistics
from relaionet.evaluators.comparison.compare import Comparison, compare_pair
from relaionet.evaluators.comparison.measures import About
from relaionet.evaluators.comparison.pictures import Overlap, find_overlap
from relaionet.evaluators.comparison.representations import extract_representation, made_with
from relaionet.evaluators.comparison.rows import Rows, add_overlap, add_sizes, sort_rows, swap_sides
from relaionet.evaluators.comparison.sets import ComparedSet
from relaionet.evaluators.comparison.sources import Source, StatisticsSource
from relaionet.evaluators.features.extractors import Extractor
from relaionet.evaluators.features.statistics import write_statistics
from relaionet.evaluators.protocols import Protocol
from relaionet.flows.comparison.order import CompareOrder
from relaionet.flows.comparison.read_sets import ReadSet, is_miniature, read_set
from relaionet.flows.comparison.results import Compared, describe_facts, write_results
from relaionet.flows.pages.comparison import ShownSet, write_comparison_page
from relaionet.flows.runs.reporter import Reporter
from relaionet.manifests.words import say_count

SIDES: tuple[About, About] = ("A", "B")


@dataclass(frozen=True, eq=False, kw_only=True)
class CompareWork:
    """What a comparison works with.

    Attributes:
        order: what was asked for.
        out: folder of the comparison, held by whoever made this.
        protocol: how pictures are read for the extractors.
        extractors: representation -> what gives it.
        reporter: where progress is shown.
    """

    order: CompareOrder
    out: Path
    protocol: Protocol
    extractors: Mapping[str, Extractor]
    reporter: Reporter = field(default_factory=Reporter)

    @property
    def made_with(self) -> dict[str, str]:
        """Representation -> digest of all its features depend on besides the pictures."""
        return {name: made_with(one, self.protocol) for name, one in self.extractors.items()}

    def read(self, sources: Sequence[Source]) -> list[ReadSet | StatisticsSource]:
        """The sets with their pictures read; statistics stay what they are."""
        return [
            source if isinstance(source, StatisticsSource) else read_set(source, self.out / side, self.reporter)
            for side, source in zip(SIDES, sources, strict=True)
        ]

    def compare(self, read: Sequence[ReadSet | StatisticsSource]) -> Compared:
        """Extract what is missing, compare, and write everything but a release."""
        sets = [one for one in read if isinstance(one, ReadSet)]
        overlap = find_overlap(sets[0].prints, sets[1].prints) if len(sets) == 2 else None
        given = [self._extract(one, overlap.keys[place] if overlap else None) for place, one in enumerate(sets)]
        found = self._compare(read, given)
        rows = sort_rows(pl.concat([found.rows, self._describe_files(read, overlap)]))
        lacks = [*found.lacks, *(line for one in sets for line in one.lacks)]
        facts = describe_facts(
            rows, names=[name_of(one) for one in read], digests=[digest_of_set(one) for one in read],
            words=[words_of(one) for one in read], drawn=found.drawn, lacks=lacks, made_with=self.made_with,
            protocol=self.protocol, config=self.order.config, is_miniature=is_miniature([one.source for one in sets]),
        )  # fmt: skip
        for one in given:
            for name, digest in self.made_with.items():
                write_statistics(self.out / "statistics", keep_statistics(one, name, digest))
        write_results(self.out, rows, facts)
        shown = [_show(one) for one in read]
        page = write_comparison_page(self.out, rows, shown, overlap, facts)
        return Compared(rows=rows, drawn=found.drawn, lacks=tuple(lacks), facts=facts, page=page)

    def _extract(self, one: ReadSet, keys: Sequence[str] | None) -> ComparedSet:
        features: dict[str, np.ndarray] = {}
        for name, extractor in self.extractors.items():
            with self.reporter.bar(f"{name}"[:12], one.prints.height) as advance:
                features[name] = extract_representation(
                    one.source.folder, one.prints, extractor, self.protocol, one.folder, advance
                )  # fmt: skip
        return ComparedSet(
            name=one.source.name, digest=one.digest, ids=one.prints["path"].to_list(), wnids=one.wnids,
            keys=keys if keys is not None else one.prints["image_sha256"].to_list(), features=features,
        )  # fmt: skip

    def _compare(self, read: Sequence[ReadSet | StatisticsSource], given: Sequence[ComparedSet]) -> Comparison:
        """The numbers of features; statistics are always the second side there, whichever they are here."""
        config = self.order.config
        if len(given) == 2:
            return compare_pair(given[0], given[1], config, self._tell)
        known = next(one for one in read if isinstance(one, StatisticsSource))
        found = compare_with_statistics(given[0], known.name, known.statistics, self.made_with, config)
        if known is read[1]:
            return found
        return Comparison(rows=swap_sides(found.rows), drawn=found.drawn, lacks=found.lacks, counts={})

    def _tell(self, representation: str) -> None:
        self.reporter.say(f"  comparing in {representation} …")

    def _describe_files(self, read: Sequence[ReadSet | StatisticsSource], overlap: Overlap | None) -> pl.DataFrame:
        rows = Rows(one=name_of(read[0]), other=name_of(read[1]))
        for about, one in zip(SIDES, read, strict=True):
            if isinstance(one, ReadSet):
                add_sizes(rows, about, one.prints)
        if overlap is not None:
            add_overlap(rows, overlap)
        return rows.frame()


def name_of(one: ReadSet | StatisticsSource) -> str:
    """As it stands in tables."""
    return one.source.name if isinstance(one, ReadSet) else one.name


def words_of(one: ReadSet | StatisticsSource) -> str:
    """What it is, for people."""
    if isinstance(one, StatisticsSource):
        return one.words
    classes = say_count(len(set(one.wnids) - {""}), "class")
    return f"{say_count(one.prints.height, 'picture')} of {classes}; {one.source.words}"


def digest_of_set(one: ReadSet | StatisticsSource) -> str:
    """Of its content."""
    return one.digest if isinstance(one, ReadSet) else one.statistics.digest


def _show(one: ReadSet | StatisticsSource) -> ShownSet:
    if isinstance(one, StatisticsSource):
        return ShownSet(name=one.name, words=one.words)
    return ShownSet(
        name=one.source.name, words=words_of(one), folder=one.source.folder, prints=one.prints, wnids=one.wnids
    )
