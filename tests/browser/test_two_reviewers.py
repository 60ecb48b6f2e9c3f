"""Two people on one review in a real Chromium: each sees every picture afresh, none what the other answered."""

import hashlib
import json

import polars as pl
import pytest
from PIL import Image

from relaionet.annotations.agreement.decisions import read_decisions
from relaionet.annotations.label_studio.accounts import add_account
from relaionet.annotations.label_studio.client import connect_studio
from relaionet.annotations.label_studio.pull import pull_annotations
from relaionet.annotations.label_studio.push import PushConfig, push_tasks
from relaionet.annotations.tasks.page import label_config, page_labels
from relaionet.annotations.tasks.tasks import make_tasks
from relaionet.manifests.labels import read_labels

pytestmark = [pytest.mark.studio, pytest.mark.browser, pytest.mark.slow]

READY = (
    "document.querySelectorAll('.relaionet input[type=radio]').length > 5"
    " && !document.querySelector('.relaionet input:checked')"
    " && [...document.querySelectorAll('.relaionet .picture img')].some(one => one.naturalWidth > 1)"
)


def log_in(page, studio, email, password):
    page.call("Network.clearBrowserCookies")
    page.open(f"{studio.url}/user/login/")
    page.eval(f"document.querySelector('[name=email]').value = {json.dumps(email)}")
    page.eval(f"document.querySelector('[name=password]').value = {json.dumps(password)}")
    page.eval("document.querySelector('form').submit()")
    page.wait("!location.pathname.includes('login')")


def test_two_people_answer_the_same_pictures_without_seeing_each_other(studio, page, tmp_path):
    client = connect_studio(studio.url, studio.token)
    rows = []
    for i in range(2):
        Image.new("RGB", (120, 90), (90 * i, 120, 60)).save(tmp_path / f"{i}.png")
        one = hashlib.sha256(f"two {i}".encode()).hexdigest()
        rows.append(
            {"candidate_id": one, "wnid": read_labels()[0].wnid, "top_wnids": [], "path": f"{i}.png", "caption": "x"}
        )
    tasks = make_tasks(pl.DataFrame(rows, schema_overrides={"top_wnids": pl.List(pl.String)}), overlap=2)
    config = PushConfig(documents=studio.documents, overlap=2)
    project = push_tasks(client, "two", tasks, tmp_path, label_config(page_labels(tasks)), config).projects[1]
    for email, key in (("gina@example.org", "1"), ("hugo@example.org", "4")):
        made = add_account(client, email)
        log_in(page, studio, made.email, made.password)
        page.open(f"{studio.url}/projects/{project}/data?labeling=1")
        for place in (1, 2):
            page.wait(f"document.body.innerText.includes('{place} of {place}') && {READY}", 90)
            text = page.text()
            assert email.startswith("gina") or "gina" not in text, "nobody else's name"
            page.press(key)
            page.wait("document.querySelector('.relaionet input:checked')")
            page.press("Enter")
        page.wait("!document.querySelector('.relaionet input:checked')", 60)
    decisions = read_decisions(pull_annotations(client, "two"), tasks, salt="s")
    counts = decisions.group_by("candidate_id").agg(pl.col("reviewer").n_unique(), pl.col("choice").n_unique())
    assert counts["reviewer"].to_list() == [2, 2]
    assert counts["choice"].to_list() == [2, 2], "they answered differently, each by himself"
