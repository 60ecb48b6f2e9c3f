from pathlib import Path

from click.testing import CliRunner

from relaionet.evaluators.features.statistics import make_statistics, write_statistics
from relaionet.evaluators.metrics.catalogue import METRICS
from relaionet.evaluators.metrics.lookup import order_columns
from relaionet.evaluators.protocols import PROTOCOLS
from relaionet.flows.cli.main import main
from tests.unit.evaluators.scoring.test_score import make_set


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_every_metric_and_protocol_is_listed() -> None:
    lines = run("metrics").splitlines()
    plain = order_columns(metric.name for metric in METRICS if not metric.is_family)
    families = ["FID to <name>", "FD to <name>", "FD:<extractor>", "CMMD:<extractor>"]
    assert [line.split("  ")[0].strip() for line in lines] == [*plain, *families]
    assert plain[:3] == ["MMHM", "MMHM (raw)", "FID"]
    (top_5,) = [line.split() for line in lines if line.startswith("top-5")]
    assert top_5[:3] == ["top-5", "higher", "top-5"]
    helped = " ".join(run("metrics", "--help").split())
    assert '"FD:<extractor>" and "CMMD:<extractor>" compare' in helped
    listed = run("metrics", "--protocols").splitlines()
    assert [line.split()[0] for line in listed] == list(PROTOCOLS)


def test_statistics_go_out_come_in_and_are_compared(tmp_path: Path) -> None:
    first, second = (
        str(write_statistics(tmp_path / "kept", make_statistics(make_set(seed=seed), "s"))) for seed in (1, 2)
    )
    run("statistics", "export", first, str(tmp_path / "adm.npz"))
    said = run("statistics", "import", str(tmp_path / "adm.npz"), str(tmp_path / "in"))
    imported = said.removeprefix("written: ").strip()
    shown = run("statistics", "show", first, imported, second).splitlines()
    assert "200 images" in shown[1]
    distances = [float(line.rsplit(" ", 1)[1]) for line in shown if "distance to the first" in line]
    assert distances[0] < 1e-6 < distances[1]
