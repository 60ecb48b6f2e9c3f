"""Metrics and protocols as people read them: lines of the terminal, tables of the docs."""

from __future__ import annotations

from relaionet.evaluators.metrics.lookup import families, find_metrics, metrics_under, order_columns
from relaionet.evaluators.metrics.metric import Metric
from relaionet.evaluators.protocols import Protocol, Resize, find_protocols

FOLLOWS = {"extra": "<extractor>", "statistics": "<name>"}
"""What follows the beginning of a family's names."""


def list_metrics() -> list[Metric]:
    """Every metric in the leaderboard's order, families last."""
    by_name = {metric.name: metric for metric in find_metrics()}
    order = order_columns(name for name, metric in by_name.items() if not metric.is_family)
    return [*(by_name[name] for name in order), *(metric for metric in by_name.values() if metric.is_family)]


def metric_lines() -> list[str]:
    """What `relaionet metrics` prints: name, direction, what has to be asked for, meaning."""
    shown = [(_name(one), one.direction, one.asked_for, one.meaning) for one in list_metrics()]
    widths = [max(len(row[place]) for row in shown) for place in range(3)]
    return [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]]) for row in shown
    ]


def _name(metric: Metric) -> str:
    return metric.name + FOLLOWS[metric.given_by] if metric.is_family else metric.name


def asking() -> str:
    """How metrics are asked for, in sentences for `--help`."""
    forms = " and ".join(f'"{_name(one)}"' for one in families())
    return (
        'A metric with a name in the third column is added by `extras = ["NAME"]` in a recipe; a rater is a command '
        f"and references are files, see docs/tutorials/evaluate.md. Besides, {forms} compare the features of any "
        "extractor."
    )


def metrics_table() -> str:
    """Every metric as a Markdown table: name with direction, asked for by, from, meaning, interval, source."""
    lines = ["| metric | asked for by | from | what it says | interval | source |", "|---|---|---|---|---|---|"]
    for one in list_metrics():
        name = f"{_name(one)} {one.arrow}".strip().replace("<", "‹").replace(">", "›")
        asked = f"`{one.extra}`" if one.given_by == "extra" and not one.is_family else one.asked_for or "the protocol"
        lines.append(f"| {name} | {asked} | {', '.join(one.needs)} | {one.meaning} | {one.interval} | {one.source} |")
    return "\n".join(lines)


def protocols_table() -> str:
    """Every protocol as a Markdown table: images, extractor and classifier, alignment, the metrics it gives."""
    lines = [
        "| protocol | what it is | images | distance and score | alignment | metrics |",
        "|---|---|---|---|---|---|",
    ]
    for one in find_protocols().values():
        alignment = one.alignment + (f", {one.preference}" if one.preference else "")
        metrics = ", ".join(order_columns(metrics_under(one)))
        cells = (f"`{one.name}` v{one.version}", one.meaning, _images(one), _models(one), alignment, metrics)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def protocol_lines() -> list[str]:
    """What `relaionet metrics --protocols` prints."""
    return [
        f"{one.name:<10} v{one.version}  files {one.decode}, {one.size_px} px ({_resize(one.real)}), "
        f"{one.fd_name} from {one.fd_extractor}, IS in {_score(one)}, alignment {one.alignment}"
        for one in find_protocols().values()
    ]


def _resize(resize: Resize) -> str:
    return f"{resize.filter}, {resize.fit}, {'not rounded' if resize.is_float else 'uint8'}"


def _images(protocol: Protocol) -> str:
    size = f"files {protocol.decode}; {protocol.size_px} × {protocol.size_px}"
    if protocol.real == protocol.generated:
        return f"{size}, {_resize(protocol.real)}"
    return f"{size}, real {_resize(protocol.real)}; generated {_resize(protocol.generated)}"


def _models(protocol: Protocol) -> str:
    models = dict.fromkeys((protocol.fd_extractor, protocol.classifier))
    return f"{', '.join(models)}; IS in {_score(protocol)}"


def _score(protocol: Protocol) -> str:
    if not protocol.is_split_images and protocol.is_splits == 1:
        return "1 split"
    parts = (
        f"runs of {protocol.is_split_images:,} images" if protocol.is_split_images else f"{protocol.is_splits} splits"
    )
    return f"{parts}, shuffled by seed {protocol.is_seed}"
