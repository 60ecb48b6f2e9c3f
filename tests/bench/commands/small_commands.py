"""[small_commands]: what small commands cost, against the bare import of the libraries each of them has at its end.

Both are processor seconds of processes of their own, Python's start included, with everything compiled; waiting for
Label Studio is the server's time and counts for neither.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from relaionet.annotations.label_studio.client import StudioClient, connect_studio
from relaionet.annotations.label_studio.projects import list_projects, read_tasks
from relaionet.annotations.label_studio.server import start_studio
from relaionet.manifests.release.release import make_release, read_release
from relaionet.pipeline.adoption.adopt import AdoptConfig, label_pictures, make_adopted_manifest, plan_adoption
from relaionet.pipeline.downloads.fetch import DownloadConfig
from relaionet.pipeline.images.files import PictureLimits, read_pictures
from relaionet.pipeline.miniature.server import serve_world
from relaionet.pipeline.miniature.world import World, WorldConfig, make_world
from relaionet.pipeline.splits.build import build_split
from relaionet.pipeline.splits.plan import SplitConfig
from tests.bench.row import Row
from tests.waiting import children_s

ROUNDS, ANSWERS, REVIEW = 3, 20, "small"
RESULT = [{"type": "choices", "from_name": "answer", "to_name": "image", "value": {"choices": ["yes"]}}]
RECIPE = """
name = "small"
source = "{rows}"
encoder = "miniature"
reference = "{reference}"
controls = "{controls}"
[candidates]
captions = "any"
rows_per_shard = 60
[download]
proxy = "{proxy}"
timeout_s = 3
retries = 0
"""
EVALUATION = 'split = "{split}"\nprotocol = "miniature"\n[[generators]]\ngenerator = "miniature-flow"\n'
# a command that says at its end what it has imported, in that order
COMMAND = """
import sys
from relaionet.flows.cli.main import main
main(sys.argv[1:], standalone_mode=False)
named = [name for name, module in sys.modules.items() if getattr(module, "__spec__", None) is not None]
print("LIBRARIES", *(name for name in named if name.partition(".")[0] not in ("relaionet", "__main__")))
"""
IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        pass  # made by another module while it is imported
"""


class Commands:
    """Runs the command in processes of its own.

    Args:
        folder: for what they compile and for Prefect.
    """

    def __init__(self, folder: Path) -> None:
        ours = {"PYTHONPYCACHEPREFIX": str(folder / "compiled"), "PREFECT_HOME": str(folder / "prefect")}
        left_out = ("PYTHONDONTWRITEBYTECODE", "PREFECT_API_URL", "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY")
        self.environment = {name: value for name, value in os.environ.items() if name not in left_out} | ours

    def run(self, program: str, *arguments: object, **environment: str) -> tuple[str, float]:
        """What it printed, and its processor seconds."""
        before = children_s()
        done = subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)], env=self.environment | environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stderr[-2000:]}")
        return done.stdout, children_s() - before

    def compare(self, name: str, *arguments: object, **environment: str) -> Row:
        """A row: the least of some rounds of each, taken in turns."""
        said, _ = self.run(COMMAND, *arguments, **environment)
        libraries = said.rpartition("LIBRARIES")[2].split()
        ours, bare = [], []
        for _ in range(ROUNDS):
            ours.append(self.run(COMMAND, *arguments, **environment)[1])
            bare.append(self.run(IMPORT, *libraries)[1])
        tops = {library.partition(".")[0] for library in libraries} - set(sys.stdlib_module_names)
        unit = f"processor s, import of {', '.join(sorted(top for top in tops if not top.startswith('_')))}"
        return Row(name=f"small_commands {name}", ours=min(ours), peer=min(bare), goal="<=1.5", unit=unit)


def measure() -> Iterator[Row]:
    """`review status`, `push` and `pull`, a `curate` and an `evaluate` with every stage done."""
    with TemporaryDirectory() as folder:
        root, commands = Path(folder), Commands(Path(folder))
        world = make_world(root / "world", WorldConfig(per_class_count=1, faults_scale=0.1))
        with serve_world(world.folder) as server:
            (root / "curate.toml").write_text(
                RECIPE.format(rows=world.rows, reference=world.reference, controls=world.controls, proxy=server.proxy)
            )
            curate = ("curate", "--recipe", root / "curate.toml", "--out", root / "run", "--no-push")
            commands.run(COMMAND, *curate)
        yield commands.compare("curate", *curate)
        yield from measure_review(commands, root)
        make_split(world, root)
        (root / "evaluate.toml").write_text(EVALUATION.format(split=root / "split"))
        evaluate = ("evaluate", "--recipe", root / "evaluate.toml", "--out", root / "evaluation")
        commands.run(COMMAND, *evaluate)
        yield commands.compare("evaluate", *evaluate)


def measure_review(commands: Commands, root: Path) -> Iterator[Row]:
    """On a real Label Studio that runs meanwhile."""
    with start_studio(root / "studio", timeout_s=600) as studio:
        account = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": studio.token}
        yield commands.compare("review push", "review", "push", "--run", root / "run", **account)
        answer(connect_studio(studio.url, studio.token))
        yield commands.compare("review pull", "review", "pull", "--run", root / "run", "--full", **account)
    yield commands.compare("review status", "review", "status", "--run", root / "run")


def answer(client: StudioClient) -> None:
    """Give some answers."""
    tasks = [task for project in list_projects(client, REVIEW) for task in read_tasks(client, project.id)]
    for task in tasks[:ANSWERS]:
        about = {"result": RESULT, "lead_time": 2.5}
        client.request("POST", f"/api/tasks/{task['id']}/annotations/", json=about)


def make_split(world: World, root: Path) -> None:
    """A split of the world's reference pictures."""
    adoption = plan_adoption(world.reference, AdoptConfig(name="set"))
    read = read_pictures(world.reference, [place.path for place in adoption.places], PictureLimits())
    manifest = make_adopted_manifest(read, label_pictures(read, adoption))
    release = read_release(make_release(manifest, root / "releases", name="set", notes={}))
    build_split(release, SplitConfig(), root / "split", DownloadConfig(), images=world.reference)
