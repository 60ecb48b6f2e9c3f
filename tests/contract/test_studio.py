"""The proofreading round trip against a real Label Studio: nothing lost, nothing twice, nothing taken for an answer."""

import hashlib
import io
import json
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from PIL import Image

from relaionet.annotations.agreement.decisions import latest_decisions, read_decisions
from relaionet.annotations.agreement.settle import settle_votes
from relaionet.annotations.agreement.status import review_status, reviewer_accuracy
from relaionet.annotations.label_studio.client import connect_studio
from relaionet.annotations.label_studio.installation import STUDIO_VERSION
from relaionet.annotations.label_studio.projects import find_projects, read_progress, read_tasks
from relaionet.annotations.label_studio.pull import pull_annotations
from relaionet.annotations.label_studio.push import PushConfig, push_tasks
from relaionet.annotations.label_studio.server import find_studio, start_studio, stop_studio
from relaionet.annotations.label_studio.upgrade import note_version, read_version
from relaionet.annotations.simulated_reviewers import ReviewersConfig, answer_tasks
from relaionet.annotations.tasks.page import label_config, page_labels
from relaionet.annotations.tasks.tasks import TasksConfig, make_tasks
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.labels import read_labels
from relaionet.manifests.tables import DECISIONS, check_table
from tests.waiting import WATCHDOG_S

pytestmark = [pytest.mark.studio, pytest.mark.slow]

WNIDS = [label.wnid for label in read_labels()][:5]


def key(*parts):
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(10):
        Image.new("RGB", (64, 48), (25 * i, 255 - 25 * i, 99)).save(folder / f"{i}.jpg")
    return folder


@pytest.fixture(scope="module")
def client(studio):
    return connect_studio(studio.url, studio.token)


def make_review(name, count=8, controls=2, overlap=3):
    """Tasks and the truth about them: of every four pictures one is not what is proposed."""
    rows, truth = [], {}
    for i in range(count):
        wnid = WNIDS[i % 4]
        truth[key(name, i)] = [wnid, wnid, WNIDS[4], "drawing"][i % 4]
        rows.append(
            {
                "candidate_id": key(name, i), "wnid": wnid, "top_wnids": WNIDS[:4], "path": f"{i % 10}.jpg",
                "caption": "<b onclick=alert(1)>&amp; $image {{x}}</b>",
            }
        )  # fmt: skip
    known = [{"candidate_id": key(name, "c", i), "wnid": WNIDS[i], "path": f"{i}.jpg"} for i in range(controls)]
    truth |= {row["candidate_id"]: row["wnid"] for row in known}
    config = TasksConfig(controls_frac=1.0)
    known = pl.DataFrame(known) if known else None
    return make_tasks(pl.DataFrame(rows), known, overlap=overlap, config=config), truth


def push(client, name, tasks, photos, **about):
    page = label_config(page_labels(tasks, [label for label in read_labels() if label.wnid in WNIDS]))
    progress = about.pop("progress", None)
    return push_tasks(client, name, tasks, photos, page, PushConfig(**about), progress=progress)


def as_user(studio, token):
    headers = {"Authorization": f"Token {token}"}
    return httpx.Client(base_url=studio.url, headers=headers, trust_env=False, timeout=60)


ANSWER = {"type": "choices", "from_name": "answer", "to_name": "image", "value": {"choices": ["yes"]}}


@pytest.mark.parametrize("local", [True, False])
def test_pushing_twice_adds_nothing_and_pictures_are_shown(studio, client, photos, local):
    name = f"twice {local}"
    tasks, _ = make_review(name)
    documents = studio.documents if local else None
    first = push(client, name, tasks, photos, documents=documents)
    assert (first.pushed_count, first.already_there_count) == (10, 0)
    second = push(client, name, tasks, photos, documents=documents)
    assert (second.pushed_count, second.already_there_count) == (0, 10)
    assert second.projects == first.projects
    there = sorted(read_tasks(client, first.projects[1]), key=lambda task: task["id"])
    assert [task["data"]["candidate_id"] for task in there] == tasks["candidate_id"].to_list()
    assert len({tuple(sorted(task["data"])) for task in there}) == 1
    assert "control" not in str([task["data"] for task in there])
    by_id = {row["candidate_id"]: row["image_path"] for row in tasks.to_dicts()}
    with as_user(studio, studio.token) as http:
        for task in there:
            shown = http.get(task["data"]["image"], follow_redirects=True)
            with (
                Image.open(io.BytesIO(shown.content)) as seen,
                Image.open(photos / by_id[task["data"]["candidate_id"]]) as was,
            ):
                assert np.abs(np.asarray(seen, int) - np.asarray(was, int)).max() <= 6
    stranger = httpx.get(studio.url + there[0]["data"]["image"], trust_env=False, follow_redirects=False)
    assert stranger.status_code in (302, 401, 403)


def test_a_push_that_died_half_way_is_completed(studio, client, photos):
    tasks, _ = make_review("half way")

    def die(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(client, "half way", tasks, photos, documents=studio.documents, batch_count=4, progress=die)
    assert len(read_tasks(client, find_projects(client, "half way")[1])) == 4
    done = push(client, "half way", tasks, photos, documents=studio.documents, batch_count=4)
    assert (done.pushed_count, done.already_there_count) == (6, 4)
    assert len(read_tasks(client, done.projects[1])) == 10


def test_a_missing_picture_is_named_and_nothing_is_pushed(studio, client, photos):
    tasks, _ = make_review("missing")
    bad = tasks.with_columns(image_path=pl.lit("none.jpg"))
    with pytest.raises(BadInput, match=r"none\.jpg is not there; fetch the images first"):
        push(client, "missing", bad, photos, documents=studio.documents)
    assert find_projects(client, "missing") == {}


def test_a_server_that_shares_no_folder_says_so(client, photos, tmp_path):
    tasks, _ = make_review("elsewhere")
    with pytest.raises(BadInput, match="storages/localfiles was refused"):
        push(client, "elsewhere", tasks, photos, documents=tmp_path / "elsewhere", pictures="local")
    done = push(client, "elsewhere", tasks, photos, documents=tmp_path / "elsewhere")
    assert "uploaded to the server, as it shows no files of" in done.pictures
    assert done.pushed_count == 10
    with pytest.raises(BadInput, match="shares no folder"):
        push(client, "nowhere", tasks, photos, pictures="local")
    with pytest.raises(BadInput, match="none of auto, local, upload"):
        push(client, "nowhere", tasks, photos, pictures="uplaod")


def test_simulated_reviewers_work_and_go_on_where_they_ended(studio, client, photos):
    tasks, truth = make_review("whole", count=12)
    push(client, "whole", tasks, photos, documents=studio.documents)
    config = ReviewersConfig(accuracies=(1.0, 1.0, 0.8), threads=2)
    told = []

    def stop(count):
        told.append(count)
        if len(told) == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_tasks(studio.url, studio.token, "whole", truth, config=config, progress=stop)
    before = len(pull_annotations(client, "whole"))
    assert 9 <= before < 42
    given = answer_tasks(studio.url, studio.token, "whole", truth, config=config)
    assert before + given == 42 == len(pull_annotations(client, "whole"))
    assert answer_tasks(studio.url, studio.token, "whole", truth, config=config) == 0

    raw = pull_annotations(client, "whole")
    decisions = check_table(read_decisions(raw, tasks), DECISIONS)
    assert decisions.height == 42 == latest_decisions(decisions).height
    assert set(decisions["reviewer"]) == {"simulated-1", "simulated-2", "simulated-3"}
    assert read_decisions(pull_annotations(client, "whole"), tasks, decisions).equals(decisions)
    verdicts = settle_votes(decisions, tasks)
    for row in verdicts.iter_rows(named=True):
        right = truth[row["candidate_id"]]
        assert (row["status"], row["wnid"]) == (("accept", right) if right in WNIDS else ("reject", None))
    accuracy = dict(reviewer_accuracy(decisions, tasks).select("reviewer", "accuracy").iter_rows())
    assert accuracy["simulated-1"] == accuracy["simulated-2"] == 1
    assert review_status(decisions, tasks)["again"] == 0
    rows = read_progress(client, "whole")
    assert [(row["tasks"], row["finished"], row["answers"]) for row in rows] == [(14, 14, 42)]


def test_two_answers_then_a_third_only_where_they_differ(studio, client, photos):
    tasks, truth = make_review("adaptive", controls=0, overlap=2)
    push(client, "adaptive", tasks, photos, documents=studio.documents)
    config = ReviewersConfig(accuracies=(1.0, 0.5, 1.0), seed=3)
    assert answer_tasks(studio.url, studio.token, "adaptive", truth, config=config, overlap=2) == 16
    decisions = read_decisions(pull_annotations(client, "adaptive"), tasks)
    again = settle_votes(decisions, tasks).filter(pl.col("status") == "again")
    assert 0 < again.height < 8
    rows = tasks.join(again.select("candidate_id"), on="candidate_id").select(
        "candidate_id", "caption", wnid="proposed_wnid", top_wnids="runner_up_wnids", path="image_path"
    )
    both = pl.concat([tasks, make_tasks(rows, round_number=2, overlap=1)])
    done = push(client, "adaptive", both, photos, documents=studio.documents)
    assert (done.pushed_count, done.already_there_count) == (again.height, 8)
    assert sorted(find_projects(client, "adaptive")) == [1, 2]
    given = answer_tasks(studio.url, studio.token, "adaptive", truth, config=config, overlap=1)
    assert given == again.height
    decisions = read_decisions(pull_annotations(client, "adaptive"), both, decisions)
    verdicts = settle_votes(decisions, both)
    # the third answer comes from a reviewer who had not seen the picture
    assert verdicts.filter(pl.col("candidate_id").is_in(again["candidate_id"].to_list()))["votes_count"].min() == 3
    assert verdicts.height == 8


def test_only_submitted_answers_are_pulled_and_strange_projects_survived(studio, client, photos):
    tasks, _ = make_review("strange", controls=0)
    project = push(client, "strange", tasks, photos, documents=studio.documents).projects[1]
    ids = [task["id"] for task in sorted(read_tasks(client, project), key=lambda task: task["id"])]
    with as_user(studio, studio.token) as http:
        http.post(f"/api/tasks/{ids[0]}/annotations/", json={"result": [ANSWER], "lead_time": 3.5})
        http.post(f"/api/tasks/{ids[1]}/annotations/", json={"result": [ANSWER], "was_cancelled": True})
        http.post(f"/api/tasks/{ids[2]}/drafts", json={"result": [ANSWER]})
        http.post("/api/predictions/", json={"task": ids[3], "result": [ANSWER], "model_version": "x"})
        http.post(f"/api/tasks/{ids[4]}/annotations/", json={"result": [ANSWER]})
        http.delete(f"/api/tasks/{ids[4]}/")
        edited = http.post(f"/api/tasks/{ids[5]}/annotations/", json={"result": [ANSWER]}).json()["id"]
        # somebody else's task, a renamed project
        http.post(f"/api/projects/{project}/import", json=[{"data": {"image": "/x.jpg", "odd": [1]}}])
        http.patch(f"/api/projects/{project}/", json={"title": "renamed by a person"})
        raw = pull_annotations(client, "strange")
        decisions = read_decisions(raw, tasks)
        assert [answer["task_id"] for answer in raw] == [ids[0], ids[5]]
        assert decisions["seconds"].to_list()[0] == 3.5
        assert decisions["choice"].to_list() == ["yes", "yes"]
        assert not set(decisions["reviewer"]) & {"admin", studio.email}

        changed = {**ANSWER, "value": {"choices": ["broken"]}}
        assert http.patch(f"/api/annotations/{edited}/", json={"result": [changed]}).status_code == 200
        later = read_decisions(pull_annotations(client, "strange"), tasks, decisions)
        assert later[:2].equals(decisions)
        assert later["choice"].to_list() == ["yes", "yes", "broken"]
        assert later["annotation_id"].to_list()[2] == edited
        # the task that was deleted by hand is simply pushed again
        assert push(client, "strange", tasks, photos, documents=studio.documents).pushed_count == 1


def test_next_hands_out_each_task_to_as_many_people_as_wanted(studio, client, photos):
    from relaionet.annotations.simulated_reviewers import join_reviewer

    tasks, _ = make_review("next", count=2, controls=0, overlap=2)
    project = push(client, "next", tasks, photos, documents=studio.documents).projects[1]
    seen = []
    for name in ("simulated-1", "simulated-2", "simulated-3"):
        with as_user(studio, join_reviewer(client, studio.token, name)) as http:
            mine = []
            while (task := http.get(f"/api/projects/{project}/next")).status_code == 200:
                mine.append(task.json()["id"])
                answer = {"result": [ANSWER], "lead_time": 1.0}
                assert http.post(f"/api/tasks/{mine[-1]}/annotations/", json=answer).status_code == 201
            seen.append(mine)
    assert [len(mine) for mine in seen] == [2, 2, 0]
    assert all(len(set(mine)) == len(mine) for mine in seen)


def test_both_kinds_of_key_work(studio):
    with as_user(studio, studio.token) as http:
        key_of_person = http.post("/api/token", json={}).json()["token"]
    client = connect_studio(studio.url, key_of_person)
    assert client.request("GET", "/api/current-user/whoami")["email"] == studio.email
    # a user has one at a time, and other tests make theirs
    client.request("POST", "/api/token/blacklist", json={"refresh": key_of_person})


def test_wrong_keys_and_addresses_get_their_own_message(studio, tmp_path):
    with pytest.raises(BadInput, match="refuses the key"):
        connect_studio(studio.url, "0" * 40)
    with pytest.raises(BadInput, match="empty or malformed"):
        connect_studio(studio.url, "")
    with pytest.raises(BadInput, match="no address"):
        connect_studio("127.0.0.1:8080", "x")
    with pytest.raises(Unavailable, match="nothing answers"):
        connect_studio("http://127.0.0.1:9", "x")
    with pytest.raises(BadInput, match="no review named 'none'"):
        pull_annotations(connect_studio(studio.url, studio.token), "none")


@pytest.mark.parametrize(
    ("body", "said"),
    [(b'{"release": "1.12.1"}', r"1\.12\.1; 1\.13"), (b"<html>", "no Label Studio"), (b"[]", "no Label")],
)
def test_what_is_no_label_studio_or_too_old_is_told(body, said):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(BadInput, match=said):
            connect_studio(f"http://127.0.0.1:{server.server_port}", "x")
    finally:
        server.shutdown()
        server.server_close()


def test_the_server_is_private_and_found_again(studio):
    secret = studio.folder / "credentials.json"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert studio.token not in repr(studio)
    assert studio.password not in repr(studio)
    log = (studio.folder / "label-studio.log").read_text(errors="replace")
    assert studio.token not in log
    assert studio.password not in log
    found = start_studio(studio.folder)
    assert (found.url, found.owned) == (studio.url, False)
    found.stop()
    assert studio.is_running()
    with pytest.raises(BadInput, match="already runs"):
        start_studio(studio.folder, port=1)
    # sign-up needs an invitation, and only what is under documents/ is served
    with httpx.Client(base_url=studio.url, trust_env=False) as stranger:
        stranger.get("/user/signup/")
        form = {
            "email": "stranger@localhost",
            "password": "a" * 12,
            "csrfmiddlewaretoken": stranger.cookies["csrftoken"],
        }
        assert stranger.post("/user/signup/", data=form, headers={"Referer": studio.url}).status_code == 403
    with as_user(studio, studio.token) as http:
        outside = f"../{Path(secret).name}"
        refused = http.get("/data/local-files/", params={"d": outside})
        assert refused.status_code >= 400
        assert studio.token not in refused.text


def test_everything_is_there_after_a_restart(studio, photos, tmp_path_factory):
    """On a second server, as the session's own must keep running."""
    folder = tmp_path_factory.mktemp("restart")
    tasks, _ = make_review("restart", count=3, controls=0)
    with start_studio(folder, timeout_s=WATCHDOG_S) as server:
        url, token = server.url, server.token
        push(connect_studio(url, token), "restart", tasks, photos, documents=server.documents)
    with pytest.raises(Unavailable):
        connect_studio(url, token)
    assert not (folder / "server.json").exists()
    with start_studio(folder, timeout_s=WATCHDOG_S) as server:
        assert server.token == token
        result = push(connect_studio(server.url, token), "restart", tasks, photos, documents=server.documents)
        assert (result.pushed_count, result.already_there_count) == (0, 3)
    assert json.loads((folder / "credentials.json").read_text())["token"] == token


def test_a_server_is_stopped_upgraded_with_its_database_saved_and_never_downgraded(tmp_path):
    """The same Label Studio stands in for an older one, whose version the folder names."""
    folder = tmp_path / "studio"
    first = start_studio(folder, timeout_s=WATCHDOG_S)
    assert find_studio(folder) == first.url
    assert stop_studio(folder) == first.url
    assert find_studio(folder) is None
    assert stop_studio(folder) is None
    first.stop()
    note_version(folder, "1.22.0")
    with start_studio(folder, timeout_s=WATCHDOG_S) as server:
        assert server.token == first.token
        assert read_version(folder) == STUDIO_VERSION
    assert len(list((folder / "backups").glob("label_studio-1.22.0-*.sqlite3"))) == 1
    note_version(folder, "99.0")
    with pytest.raises(BadInput, match=r"belongs to Label Studio 99\.0"):
        start_studio(folder)
