"""Pushes and pulls on a real Label Studio where people, other pushes and half-done writes have changed things."""

import base64
import hashlib
import json
import sqlite3
import threading

import httpx
import polars as pl
import pytest
from PIL import Image

from relaionet.annotations.agreement.decisions import read_decisions
from relaionet.annotations.label_studio import projects
from relaionet.annotations.label_studio import pull as answer_pull
from relaionet.annotations.label_studio.client import connect_studio, explain_refusal
from relaionet.annotations.label_studio.projects import list_projects, read_tasks
from relaionet.annotations.label_studio.pull import AnswerPull, pull_annotations, read_seen, write_seen
from relaionet.annotations.label_studio.push import PushConfig, push_tasks
from relaionet.annotations.label_studio.upgrade import DATABASE
from relaionet.annotations.tasks.page import label_config, page_labels
from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.manifests.errors import BadInput, Unavailable
from relaionet.manifests.labels import read_labels

pytestmark = [pytest.mark.studio, pytest.mark.slow]

WNIDS = [label.wnid for label in read_labels()][:5]
YES = [{"type": "choices", "from_name": "answer", "to_name": "image", "value": {"choices": ["yes"]}}]
NO = [{"type": "choices", "from_name": "answer", "to_name": "image", "value": {"choices": ["broken"]}}]


@pytest.fixture(scope="module")
def client(studio):
    return connect_studio(studio.url, studio.token)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for i in range(6):
        Image.new("RGB", (64, 48), (40 * i, 255 - 40 * i, 99)).save(folder / f"{i}.jpg")
        Image.new("RGB", (320, 240), (40 * i, 9, 99)).save(folder / f"c{i}.png", pnginfo=None)
    return folder


def make(name, count, *, controls=None, overlap=3):
    rows = [
        {
            "candidate_id": hashlib.sha256(f"{name} {i}".encode()).hexdigest(), "wnid": WNIDS[i % 5],
            "top_wnids": WNIDS[:4], "path": f"{i % 6}.jpg", "caption": f"caption {i}",
        }
        for i in range(count)
    ]  # fmt: skip
    return make_tasks(pl.DataFrame(rows), controls, overlap=overlap)


def push(client, name, tasks, photos, **about):
    page = label_config(page_labels(tasks, [label for label in read_labels() if label.wnid in WNIDS]))
    return push_tasks(client, name, tasks, photos, page, PushConfig(**about))


def ids_of(client, project):
    return [task["id"] for task in read_tasks(client, project)]


def answer(client, task, result=YES, **about):
    return client.request("POST", f"/api/tasks/{task}/annotations/", json={"result": result, "lead_time": 2.0, **about})


def test_two_pushes_at_once_ask_everything_once(studio, photos):
    tasks = make("at once", 24)
    failed = []

    def work():
        try:
            client = connect_studio(studio.url, studio.token)
            push(client, "at once", tasks, photos, documents=studio.documents, batch_count=6)
        except Exception as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    client = connect_studio(studio.url, studio.token)
    last = push(client, "at once", tasks, photos, documents=studio.documents)
    there = [
        task["data"]["candidate_id"] for one in list_projects(client, "at once") for task in read_tasks(client, one.id)
    ]
    assert sorted(there) == sorted(tasks["candidate_id"])
    assert (last.pushed_count, last.already_there_count) == (0, 24)


def test_what_stands_twice_is_taken_out_unless_it_was_answered(studio, client, photos):
    tasks = make("doubles", 4)
    project = push(client, "doubles", tasks, photos, documents=studio.documents).projects[1]
    there = read_tasks(client, project)
    client.request("POST", f"/api/projects/{project}/import", json=[{"data": one["data"]} for one in there])
    second = ids_of(client, project)[4:]
    answer(client, second[0])
    answer(client, second[1])
    answer(client, there[1]["id"])
    result = push(client, "doubles", tasks, photos, documents=studio.documents)
    assert (result.pushed_count, result.doubles_count) == (0, 3)
    left = ids_of(client, project)
    # of the first pair the answered one stays, of the second both, of the others the older one
    assert left == sorted([second[0], there[1]["id"], second[1], there[2]["id"], there[3]["id"]])
    assert len(pull_annotations(client, "doubles")) == 3


def test_tasks_that_want_other_numbers_of_answers_are_in_projects_of_their_own(studio, client, photos):
    tasks = make("wanted", 6).with_columns(answers_wanted_count=pl.Series([1, 2, 1, 2, 3, 3], dtype=pl.Int32))
    result = push(client, "wanted", tasks, photos, documents=studio.documents)
    assert result.pushed_count == 6
    made = list_projects(client, "wanted")
    assert [(one.round, one.wanted, len(ids_of(client, one.id))) for one in made] == [(1, 1, 2), (1, 2, 2), (1, 3, 2)]
    wanted = [client.request("GET", f"/api/projects/{one.id}")["maximum_annotations"] for one in made]
    assert wanted == [1, 2, 3]
    # a row that wants another number now is not asked about twice
    changed = tasks.with_columns(answers_wanted_count=pl.lit(2, pl.Int32))
    assert push(client, "wanted", changed, photos, documents=studio.documents).pushed_count == 0
    for one in made:
        answer(client, ids_of(client, one.id)[0])
    assert len(pull_annotations(client, "wanted")) == 3


def test_only_what_changed_is_read_again(studio, client, photos, monkeypatch):
    monkeypatch.setattr(answer_pull, "_MARGIN", answer_pull.timedelta(0))
    monkeypatch.setattr(projects, "PAGE_COUNT", 5)
    tasks = make("changes", 23)
    project = push(client, "changes", tasks, photos, documents=studio.documents).projects[1]
    ids = ids_of(client, project)
    given = [answer(client, task)["id"] for task in ids[:12]]
    first = AnswerPull(client, "changes")
    decisions = read_decisions(first, tasks)
    assert (decisions.height, first.read_count, first.notes) == (12, 12, [])

    def again(pull, known):
        nxt = AnswerPull(client, "changes", read_seen(json.loads(json.dumps(write_seen(pull.seen)))))
        return nxt, read_decisions(nxt, tasks, known)

    second, same = again(first, decisions)
    assert same.equals(decisions)
    assert second.read_count <= 1
    # one given, one edited, one cancelled, one deleted
    answer(client, ids[20])
    client.request("PATCH", f"/api/annotations/{given[0]}/", json={"result": NO})
    answer(client, ids[21], was_cancelled=True)
    client.request("DELETE", f"/api/annotations/{given[1]}/")
    third, later = again(second, same)
    assert third.read_count <= 6
    assert later[:12].equals(decisions)
    assert later[12:]["choice"].sort().to_list() == ["broken", "yes"]
    assert len(third.notes) == 1
    assert third.notes[0].startswith("1 answer pulled before is gone")
    # a task deleted with its answer is found by the count, and its answer is kept
    client.request("DELETE", f"/api/tasks/{ids[2]}/")
    fourth, last = again(third, later)
    assert last.equals(later)
    assert "1 answer pulled before is gone" in fourth.notes[0]
    fifth, _ = again(fourth, last)
    assert fifth.notes == []


def test_an_answer_that_a_dying_server_counted_nowhere_is_found(studio, client, photos):
    tasks = make("uncounted", 8)
    project = push(client, "uncounted", tasks, photos, documents=studio.documents).projects[1]
    ids = ids_of(client, project)
    answer(client, ids[0])
    pull = AnswerPull(client, "uncounted")
    known = read_decisions(pull, tasks)
    answer(client, ids[1])
    # as if the server had died after it stored the answer and before it noted that the task changed
    with sqlite3.connect(studio.folder / DATABASE, timeout=30) as database:
        database.execute("UPDATE task SET total_annotations = 0, updated_at = '2001-01-01' WHERE id = ?", (ids[1],))
    assert read_decisions(AnswerPull(client, "uncounted", pull.seen), tasks, known).height == 2
    assert len(pull_annotations(client, "uncounted")) == 2


def test_a_page_that_somebody_changed_is_told_and_put_back(studio, client, photos):
    tasks = make("page changed", 4)
    project = push(client, "page changed", tasks, photos, documents=studio.documents).projects[1]
    before = client.request("GET", f"/api/projects/{project}")["label_config"]
    choices = '<Choices name="a" toName="image"><Choice value="b"/></Choices>'
    other = f'<View><Image name="image" value="$image"/>{choices}</View>'
    client.request("PATCH", f"/api/projects/{project}/", json={"label_config": other})
    with pytest.raises(
        BadInput, match=rf"changed the labelling config of project {project}.*no choices named 'answer'"
    ):
        push(client, "page changed", tasks, photos, documents=studio.documents)
    pull = AnswerPull(client, "page changed")
    assert list(pull) == []
    assert "somebody changed the labelling config" in pull.notes[0]
    client.request("PATCH", f"/api/projects/{project}/", json={"label_config": before.replace('alias="several"', "")})
    with pytest.raises(BadInput, match="its answers lack several"):
        push(client, "page changed", tasks, photos, documents=studio.documents)
    push(client, "page changed", tasks, photos, documents=studio.documents, restore_page=True)
    assert push(client, "page changed", tasks, photos, documents=studio.documents).already_there_count == 4


def test_a_project_that_is_gone_is_told_and_its_answers_kept(studio, client, photos):
    tasks = make("gone", 4).with_columns(answers_wanted_count=pl.Series([1, 1, 2, 2], dtype=pl.Int32))
    push(client, "gone", tasks, photos, documents=studio.documents)
    first, second = list_projects(client, "gone")
    answer(client, ids_of(client, first.id)[0])
    answer(client, ids_of(client, second.id)[0])
    pull = AnswerPull(client, "gone")
    known = read_decisions(pull, tasks)
    client.request("DELETE", f"/api/projects/{first.id}/")
    after = AnswerPull(client, "gone", pull.seen)
    assert read_decisions(after, tasks, known).equals(known)
    assert f"project {first.id} with 1 answer is gone" in after.notes[0]
    # its mark removed: nobody can say whose it is, so nothing is asked twice
    client.request("PATCH", f"/api/projects/{second.id}/", json={"description": "my notes"})
    with pytest.raises(BadInput, match="Put back 'reLAIONet review: gone"):
        push(client, "gone", tasks.filter(pl.col("answers_wanted_count") == 2), photos, documents=studio.documents)
    with pytest.raises(BadInput, match=r"no review named 'gone'.*first line of its description"):
        list(AnswerPull(client, "gone", pull.seen))


def test_a_reviewer_cannot_tell_controls_from_the_rest(studio, client, photos, tmp_path):
    """Neither by what the page is told, nor by the pictures' addresses and headers, nor by order."""
    known = pl.DataFrame(
        [{"candidate_id": hashlib.sha256(f"k{i}".encode()).hexdigest(), "wnid": WNIDS[i % 5], "path": f"c{i}.png"}
         for i in range(6)]
    )  # fmt: skip
    tasks = make("hidden", 54, controls=known)
    hidden = set(tasks.filter("is_control")["candidate_id"])
    assert len(hidden) == 5
    result = push(client, "hidden", tasks, photos, documents=studio.documents, batch_count=17)
    told: dict[bool, set[str]] = {True: set(), False: set()}
    with httpx.Client(
        base_url=studio.url, headers={"Authorization": f"Token {studio.token}"}, trust_env=False, timeout=60
    ) as browser:
        for number, task in enumerate(ids_of(client, result.projects[1])):
            about = browser.get(f"/api/tasks/{task}/").json()
            one = about["data"]["candidate_id"]
            assert one == tasks["candidate_id"][number], "ids follow the shuffled order"
            shown = browser.get(about["data"]["image"], follow_redirects=True)
            headers = {
                name: value
                for name, value in shown.headers.items()
                if name not in ("date", "content-length", "etag", "set-cookie", "x-request-id", "expires")
            }
            etag = shown.headers["etag"].split("-")[0]  # the date of the file; its length follows
            shape = about["data"]["image"].replace(one, "…")
            rest = {name: value for name, value in about.items() if name not in ("id", "inner_id", "data", "created_at",
                    "updated_at")}  # fmt: skip
            kinds = sorted((name, type(value).__name__) for name, value in about["data"].items())
            told[one in hidden].add(json.dumps([headers, etag, shape, rest, kinds], sort_keys=True))
            assert hashlib.sha256(shown.content).hexdigest() != one
    assert told[True] == told[False]
    assert len(told[True]) == 1


def token_of(payload):
    part = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{part}.c2lnbmF0dXJl"


def test_each_kind_of_key_that_is_refused_has_its_own_message(studio, client):
    with pytest.raises(BadInput, match="personal access token that expired on 2001-09-09"):
        connect_studio(studio.url, token_of({"exp": 1_000_000_000}))
    made = client.request("POST", "/api/token", json={})["token"]
    good = connect_studio(studio.url, made)
    assert good.request("GET", "/api/current-user/whoami")["email"] == studio.email
    client.request("POST", "/api/token/blacklist", json={"refresh": made})
    with pytest.raises(BadInput, match="has expired or was revoked"):
        connect_studio(studio.url, made)
    with pytest.raises(BadInput, match="no key of a user of this server"):
        connect_studio(studio.url, "0" * 40)
    again = client.request("POST", "/api/token", json={})["token"]
    person = connect_studio(studio.url, again)
    person.request("POST", "/api/jwt/settings", json={"legacy_api_tokens_enabled": False})
    try:
        with pytest.raises(BadInput, match="legacy tokens are switched off there"):
            connect_studio(studio.url, studio.token)
    finally:
        person.request("POST", "/api/jwt/settings", json={"legacy_api_tokens_enabled": True})
        person.request("POST", "/api/token/blacklist", json={"refresh": again})
    assert connect_studio(studio.url, studio.token)


def test_what_the_open_edition_never_answers_is_explained_too():
    assert "ask an administrator" in str(explain_refusal("http://a", "/api/projects", 403, '{"detail": "no"}'))
    assert isinstance(explain_refusal("http://a", "/api/projects", 503, "<html>"), Unavailable)


def test_pictures_under_a_web_address(studio, client, photos, tmp_path):
    """A static server on loopback stands in for a bucket that is open to browsers."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from relaionet.annotations.tasks.pictures import stage_image

    tasks = make("address", 4)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(BadInput, match=r"cannot show pictures read by reviewers' browsers.*404"):
            push(client, "address", tasks, photos, pictures=base)
        for one, path in tasks.select("candidate_id", "image_path").iter_rows():
            stage_image(photos, path, one, tmp_path)
        done = push(client, "address", tasks, photos, pictures=base)
        assert done.pushed_count == 4
        task = read_tasks(client, done.projects[1])[0]
        assert task["data"]["image"] == f"{base}/{task['data']['candidate_id']}.jpg"
    finally:
        server.shutdown()
        server.server_close()


def test_a_bucket_that_the_server_cannot_open_says_what_to_do(client, photos):
    with pytest.raises(
        BadInput, match=r"cannot open s3://nobody-has-this/x .*Add Source Storage, bucket nobody-has-this"
    ):
        push(client, "bucket", make("bucket", 2), photos, pictures="s3://nobody-has-this/x")
