"""Push: the tasks that are not there yet go to Label Studio, once each, whatever happened before or happens meanwhile.

Label Studio's import knows no key, so a task is known by the candidate_id in its data. What a request that failed came
to is read from the server before anything is sent again, and what two pushes at once made twice is taken out again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from relaionet.annotations.label_studio.doubles import read_candidates, remove_doubles
from relaionet.annotations.label_studio.picture_places import (
    AUTO,
    Files,
    PicturePlace,
    ReferenceStrips,
    Uploads,
    choose_place,
    place_pictures,
)
from relaionet.annotations.label_studio.projects import (
    ReviewProject,
    list_projects,
    make_project,
    page_trouble,
)
from relaionet.annotations.tasks.tasks import TasksConfig, task_data
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.tables import TASKS, shape_table

if TYPE_CHECKING:
    from relaionet.annotations.label_studio.client import StudioClient

VERSION = "2"
_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """How tasks are pushed.

    Attributes:
        overlap: independent answers asked for per task, where the task does not say.
        batch_count: tasks per request.
        documents: folder of the server's local-file storage as seen from here (`StudioServer.documents`), if any.
        pictures: where the server takes pictures from: auto (its local folder where it shows it, else uploads), local,
            upload, or the address they were put under (s3://, gs://, azure-blob://, https://).
        references: folder with a folder of known pictures per wnid, shown small beside the question; None shows none.
        restore_page: give projects whose labelling config somebody changed the page they were made with.
        tasks: how a task is shown.
    """

    overlap: int = 3
    batch_count: int = 1000
    documents: Path | None = None
    pictures: str = AUTO
    references: Path | None = None
    restore_page: bool = False
    tasks: TasksConfig = field(default_factory=TasksConfig)


@dataclass(frozen=True, kw_only=True)
class PushResult:
    """What a push did.

    Attributes:
        pushed_count: tasks added by this call.
        already_there_count: tasks of the table that the server had before.
        doubles_count: tasks that stood twice, by another push at the same time, and were taken out.
        projects: round -> id of its first project.
        pictures: for people: how the server gets the pictures.
    """

    pushed_count: int
    already_there_count: int
    doubles_count: int
    projects: Mapping[int, int]
    pictures: str


def push_tasks(
    client: StudioClient, project_name: str, tasks: pl.DataFrame, images: Path, page: str,
    config: PushConfig | None = None, *, control_images: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> PushResult:  # fmt: skip
    """Add the tasks that are not there yet; calling it again adds nothing, whatever the first call came to.

    Tasks are read and sent a batch at a time; what is kept of all of them is their ids.

    Args:
        client: where to.
        project_name: of the review; each (round, answers wanted) becomes a project of its own.
        tasks: TASKS, any rounds.
        images: folder that the rows' `image_path` is relative to.
        page: labelling config, from `interface.label_config`.
        config: how.
        control_images: the same for controls; None takes `images`.
        progress: told how many tasks are done, each time some are.

    Returns:
        What was added and what was there.

    Raises:
        BadInput: a picture is missing, a project was changed so that its answers cannot be read, or the server refuses
            project, storage or tasks.
        Unavailable: the server does not answer; calling again goes on.
    """
    push = _Push(client, project_name, images, page, config or PushConfig(), control_images or images)
    tell = progress or (lambda _: None)
    ordered = shape_table(tasks, TASKS).sort("round", "position")
    for (number,), part in ordered.group_by("round", maintain_order=True):
        push.push_round(int(number), part, tell)  # type: ignore[call-overload]
    projects: dict[int, int] = {}
    for one in push.projects:
        projects[one.round] = min(one.id, projects.get(one.round, one.id))
    return PushResult(
        pushed_count=push.pushed_count, already_there_count=push.there_count, doubles_count=push.doubles_count,
        projects=projects, pictures=push.place.words if push.place else "",
    )  # fmt: skip


class _Push:
    def __init__(
        self, client: StudioClient, name: str, images: Path, page: str, config: PushConfig, control_images: Path
    ) -> None:
        self.client, self.name, self.page, self.config = client, name, page, config
        self.images, self.control_images = images, control_images
        self.projects = list_projects(client, name)
        self.place: PicturePlace | None = None
        self.pushed_count = self.there_count = self.doubles_count = 0
        self.strips = ReferenceStrips(config.references)

    def push_round(self, number: int, tasks: pl.DataFrame, tell: Callable[[int], None]) -> None:
        """Push one round's tasks, whatever number of answers each wants."""
        known: set[str] = set()
        for project in (one for one in self.projects if one.round == number):
            self._check_page(project)
            known |= set(self._remove_doubles(project))
        for (wanted,), part in tasks.group_by("answers_wanted_count", maintain_order=True):
            new = part.filter(~pl.col("candidate_id").is_in(list(known)))
            there = part.height - new.height
            self.there_count += there
            if there:
                tell(there)
            if new.height:
                self._push_new(number, wanted, new, tell)  # type: ignore[arg-type]

    def _push_new(self, number: int, wanted: int | None, tasks: pl.DataFrame, tell: Callable[[int], None]) -> None:
        slices = tasks.iter_slices(self.config.batch_count)
        first = self._files(tasks.head(1))
        for root, path in first.values():  # said before a project is made
            if "://" not in self.config.pictures and not (root / path).is_file():
                raise BadInput(f"the picture {root / path} is not there; fetch the images first.")
        project = self._project(number, wanted)
        place = self._attach(project, first)
        before = self._count(project)
        trouble = False
        with ThreadPoolExecutor(1) as pool:  # the next batch's pictures get ready while the server takes this one
            for batch in _ahead(pool, slices, lambda rows: self._entries(place, rows)):
                trouble |= self._send(project, batch)
                self.pushed_count += len(batch)
                tell(len(batch))
        if trouble or self._count(project) != before + tasks.height:
            self._remove_doubles(project)

    def _project(self, number: int, wanted: int | None) -> ReviewProject:
        """The project for tasks of a round that want so many answers, made when missing."""
        here = [one for one in self.projects if one.round == number and wanted in (None, one.wanted)]
        if here:
            return here[0]
        made = make_project(self.client, self.name, number, self.page, wanted or self.config.overlap)
        self.projects.append(made)
        return made

    def _check_page(self, project: ReviewProject) -> None:
        about = self.client.request("GET", f"/api/projects/{project.id}")
        trouble = page_trouble(about)
        if trouble and self.config.restore_page:
            self.client.request("PATCH", f"/api/projects/{project.id}/", json={"label_config": self.page})
        elif trouble:
            raise BadInput(
                f"somebody changed the labelling config of project {project.id} ({self.client.url}/projects/"
                f"{project.id}): {trouble}. `relaionet review push --restore-page` puts the page back; answers given "
                "meanwhile are read as far as they can be."
            )

    def _count(self, project: ReviewProject) -> int:
        return int(self.client.request("GET", f"/api/projects/{project.id}").get("task_number") or 0)

    # pictures

    def _files(self, rows: pl.DataFrame) -> Files:
        return {
            one: (self.control_images if control else self.images, path)
            for one, control, path in rows.select("candidate_id", "is_control", "image_path").iter_rows()
        }

    def _attach(self, project: ReviewProject, first: Files) -> PicturePlace:
        """Choose the place of the pictures once, and let the project show it."""
        documents = self.config.documents
        if self.place is None:
            self.place = choose_place(self.client, self.name, self.config.pictures, documents)
        trouble = self._try_place(self.place, project, first)
        if trouble and self.config.pictures == AUTO:
            self.place = Uploads(self.client, self.name)
            self.place.words += f", as it shows no files of {documents} ({trouble})"
        elif trouble:
            raise BadInput(f"{self.client.url} cannot show pictures {self.place.words}: {trouble}.")
        return self.place

    def _try_place(self, place: PicturePlace, project: ReviewProject, first: Files) -> str:
        if isinstance(place, Uploads):
            return ""
        try:
            place.attach(project.id)
        except BadInput as error:
            if self.config.pictures != AUTO:
                raise
            return str(error)
        return place.trouble(next(iter(place_pictures(place, first).values())))

    def _entries(self, place: PicturePlace, rows: pl.DataFrame) -> list[dict[str, Any]]:
        """A batch as Label Studio is given it."""
        addresses = place_pictures(place, self._files(rows))
        entries = []
        for row in rows.iter_rows(named=True):
            strip = self.strips.html(place, row["proposed_wnid"])
            data = {**task_data(row, self.config.tasks), "image": addresses[row["candidate_id"]], "reference": strip}
            entries.append({"data": data})
        return entries

    # tasks

    def _send(self, project: ReviewProject, entries: Sequence[dict[str, Any]]) -> bool:
        """Import a batch; True where a request failed, so that the server may have done it twice."""
        left = list(entries)
        for turn in range(_TRIES):
            try:
                self.client.request("POST", f"/api/projects/{project.id}/import", once=True, json=left)
                return turn > 0
            except Unavailable:
                if turn + 1 == _TRIES:
                    raise
                time.sleep(turn)
                there = set(read_candidates(self.client, project.id))
                left = [one for one in left if one["data"]["candidate_id"] not in there]
                if not left:
                    return True
        return True

    def _remove_doubles(self, project: ReviewProject) -> Iterable[str]:
        """Take out what stands twice and nobody answered; the candidates the project holds."""
        held, count = remove_doubles(self.client, project.id)
        self.doubles_count += count
        return held


def _ahead(
    pool: ThreadPoolExecutor, slices: Iterator[pl.DataFrame], make: Callable[[pl.DataFrame], list[dict[str, Any]]]
) -> Iterator[list[dict[str, Any]]]:
    """What `make` gives for each slice, the next one under way while one is worked with."""
    waiting = None
    for rows in slices:
        coming = pool.submit(make, rows)
        if waiting is not None:
            yield waiting.result()
        waiting = coming
    if waiting is not None:
        yield waiting.result()
