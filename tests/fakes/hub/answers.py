"""What the offline Hub answers: its API and its files."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.fakes.hub.answering import Answering, Refused
from tests.fakes.hub.repos import KINDS, Commit, File, Repo, describe_folder, is_large, list_tree

if TYPE_CHECKING:
    from tests.fakes.hub.server import Hub

ACTIONS = {"revision", "tree", "paths-info", "refs", "commits", "preupload", "commit", "tag", "branch", "auth-check"}


class HubHandler(Answering):
    """The Hub itself."""

    def respond(self) -> None:
        """Choose the answer by path."""
        parts = self.segments
        self.token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if self.token and self.token not in (self.hub.token, self.hub.reader_token):
            raise Refused(401, message="Invalid credentials in Authorization header")
        if parts[:1] == ["api"]:
            self._answer_api(parts[1:])
        elif "resolve" in parts or "raw" in parts:
            self._answer_file(parts)
        elif parts[-4:] and parts[-4:][1:] == ["lfs", "objects", "batch"]:
            self._answer_batch(parts)
        else:
            raise Refused(404, message="not served by the offline Hub")

    def _answer_api(self, parts: list[str]) -> None:
        if parts == ["whoami-v2"]:
            if not self.token:
                raise Refused(401, message="Invalid username or password.")
            name = "writer" if self.token == self.hub.token else "reader"
            self.send_json(
                {"type": "user", "name": name, "fullname": name, "orgs": [], "auth": {"type": "access_token"}}
            )
        elif parts == ["validate-yaml"]:
            self._answer_card(json.loads(self.body)["content"])
        elif parts == ["repos", "create"]:
            self._create()
        elif parts and parts[0] in KINDS and len(parts) > 1:
            size = 1 if len(parts) == 2 or parts[2] in ACTIONS else 2  # `owner/name`, or `name` of the old ones
            repo = self._find(parts[0], "/".join(parts[1 : 1 + size]))
            self._answer_repo(repo, parts[1 + size : 2 + size], parts[2 + size :])
        else:
            raise Refused(404, message="not served by the offline Hub")

    def _find(self, kind: str, repo_id: str) -> Repo:
        repo = self.hub.repos.get((kind, repo_id))
        if repo is None or (repo.is_private and self.token != self.hub.token):
            status, message = (404, "Repository not found") if self.token else (401, "Invalid username or password.")
            raise Refused(status, "RepoNotFound", message)
        return repo

    def _pick(self, repo: Repo, revision: str) -> Commit:
        commit = repo.find(revision)
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _check_gate(self, repo: Repo) -> None:
        if repo.is_gated and self.token != self.hub.token:
            raise Refused(
                403 if self.token else 401, "GatedRepo", f"Access to {repo.kind} {repo.repo_id} is restricted."
            )

    def _answer_repo(self, repo: Repo, action: list[str], rest: list[str]) -> None:
        name = action[0] if action else "revision"
        if name in ("preupload", "commit", "tag", "branch") and self.token != self.hub.token:
            raise Refused(403 if self.token else 401, message="You don't have the required permissions")
        if name == "revision":
            self._answer_info(repo, self._pick(repo, "/".join(rest) or "main"))
        elif name == "tree":
            self._check_gate(repo)
            commit = self._pick(repo, rest[0])
            tree = list_tree(
                commit, "/".join(rest[1:]), is_recursive=self.query.get("recursive", "").lower() in ("true", "1")
            )
            if tree is None:
                raise Refused(404, "EntryNotFound", f"{'/'.join(rest[1:])} does not exist on {rest[0]}")
            self._send_page(tree)
        elif name == "paths-info":
            self._check_gate(repo)
            self._answer_paths(self._pick(repo, rest[0]))
        elif name == "refs":
            told = [{"name": key, "ref": f"refs/heads/{key}", "targetCommit": sha} for key, sha in repo.refs.items()]
            self.send_json({"branches": told[:1], "tags": told[1:], "converts": []})
        elif name == "commits":
            history = repo.history(self._pick(repo, rest[0]))
            self.send_json(
                [
                    {"id": step.sha, "title": step.title, "message": "", "date": step.date, "authors": []}
                    for step in history
                ]
            )
        elif name == "auth-check":
            self._check_gate(repo)
            self.send_json({})
        elif name == "preupload":
            self._answer_preupload(self._pick(repo, rest[0]))
        elif name == "commit":
            self._answer_commit(repo, rest[0])
        else:
            repo.refs[json.loads(self.body)["tag"]] = self._pick(repo, rest[0]).sha
            self.send_json({})

    def _send_page(self, rows: list[dict[str, object]]) -> None:
        """A page of a listing, with a link to the next as the Hub gives it."""
        size, start = int(self.query.get("limit", 1000)), int(self.query.get("cursor", 0))
        headers = {}
        if start + size < len(rows):
            kept = "&".join(f"{key}={value}" for key, value in self.query.items() if key != "cursor")
            headers["Link"] = f'<{self.hub.url}{self.url.path}?{kept}&cursor={start + size}>; rel="next"'
        self.send_json(rows[start : start + size], headers=headers)

    def _answer_info(self, repo: Repo, commit: Commit) -> None:
        files = [
            {"rfilename": path}
            | ({"size": file.size, "blobId": file.oid} if "blobs" in self.query else {})
            | (
                {"lfs": file.describe()["lfs"] | {"sha256": file.sha256}}
                if "blobs" in self.query and file.is_large
                else {}
            )  # type: ignore[operator]
            for path, file in sorted(commit.files.items())
        ]
        card = commit.files.get("README.md")
        text = self.hub.blobs.path(card.sha256).read_text(encoding="utf-8") if card is not None else ""
        self.send_json({
            "_id": repo.repo_id, "id": repo.repo_id, "modelId": repo.repo_id, "author": repo.repo_id.partition("/")[0],
            "sha": commit.sha, "private": repo.is_private, "gated": "auto" if repo.is_gated else False,
            "disabled": False, "downloads": 0, "likes": 0, "tags": [], "cardData": read_card(text) or {},
            "lastModified": commit.date, "createdAt": commit.date, "siblings": files,
        })  # fmt: skip

    def _answer_paths(self, commit: Commit) -> None:
        if "json" in self.headers.get("Content-Type", ""):
            paths = json.loads(self.body)["paths"]
        else:
            paths = parse_qs(self.body.decode()).get("paths", [])
        found: list[dict[str, object]] = []
        for path in (path.strip("/") for path in paths):
            if path in commit.files:
                found.append(commit.files[path].describe())
            elif any(name.startswith(f"{path}/") for name in commit.files):
                found.append(describe_folder(commit, path))
        self.send_json(found)

    def _answer_file(self, parts: list[str]) -> None:
        place = next(index for index, part in enumerate(parts) if part in ("resolve", "raw"))
        kind, owner = (parts[0], parts[1:place]) if parts[0] in KINDS else ("models", parts[:place])
        repo = self._find(kind, "/".join(owner))
        self._check_gate(repo)
        commit, path = self._pick(repo, parts[place + 1]), "/".join(parts[place + 2 :])
        told = {"X-Repo-Commit": commit.sha}
        file = commit.files.get(path)
        if file is None:
            self.send_json({"error": "Entry not found"}, 404, told | {"X-Error-Code": "EntryNotFound"})
        elif file.is_large and parts[place] == "resolve":
            told |= {"X-Linked-Size": str(file.size), "X-Linked-ETag": f'"{file.sha256}"'}
            self.send(
                b"", 302, told | {"Location": f"{self.hub.cdn_url}/objects/{file.sha256}", "ETag": f'"{file.oid}"'}
            )
        else:
            self.send_file(file, told)

    def _create(self) -> None:
        if self.token != self.hub.token:
            raise Refused(403 if self.token else 401, message="You don't have the rights to create a repository")
        asked = json.loads(self.body)
        kind, owner = f"{asked.get('type', 'model')}s", asked.get("organization") or "writer"
        repo_id = f"{owner}/{asked['name']}"
        url = {"url": f"{self.hub.url}/{'' if kind == 'models' else f'{kind}/'}{repo_id}", "name": repo_id}
        if (kind, repo_id) in self.hub.repos:
            raise Refused(409, message="You already created this repo", body={"error": "You already created it"} | url)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.add(kind, repo_id, private=private)
        self.send_json(url)

    def _answer_preupload(self, commit: Commit) -> None:
        told = []
        for asked in json.loads(self.body)["files"]:
            mode = "lfs" if is_large(asked["path"], asked["size"]) else "regular"
            known = commit.files.get(asked["path"])
            told.append(
                {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": known.etag if known else None}
            )
        self.send_json({"files": told})

    def _answer_batch(self, parts: list[str]) -> None:
        if self.token != self.hub.token:
            raise Refused(403 if self.token else 401, message="You don't have the required permissions")
        told = []
        for asked in json.loads(self.body)["objects"]:
            upload = {"actions": {"upload": {"href": f"{self.hub.cdn_url}/objects/{asked['oid']}", "header": {}}}}
            told.append(asked | ({} if self.hub.blobs.has(asked["oid"]) else upload))
        self.send_json({"transfer": "basic", "objects": told})

    def _answer_commit(self, repo: Repo, branch: str) -> None:
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        with self.hub.lock:
            current = self._pick(repo, branch)
            if header.get("parentCommit") not in (None, current.sha):
                raise Refused(412, message="A commit has happened since. Please refresh and try again.")
            files = dict(current.files)
            for line in lines:
                apply_operation(files, line["key"], line["value"], self.hub)
            commit = repo.commit(files, header["summary"], branch)
        url = f"{self.hub.url}/{repo.kind}/{repo.repo_id}/commit/{commit.sha}"
        self.send_json({"success": True, "commitUrl": url, "commitOid": commit.sha, "hookOutput": ""})

    def _answer_card(self, text: str) -> None:
        if text.startswith("---") and read_card(text) is None:
            raise Refused(400, body={"errors": [{"message": "the front matter is no YAML mapping"}], "warnings": []})
        missing = [] if text.startswith("---") else [{"message": "empty or missing yaml metadata in repo card"}]
        self.send_json({"errors": [], "warnings": missing})


def read_card(text: str) -> dict[str, Any] | None:
    """The front matter of a card; None where it is none."""
    import yaml

    if not text.startswith("---\n"):
        return None
    try:
        found = yaml.safe_load(text.split("\n---", 1)[0].removeprefix("---"))
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) else None


def apply_operation(files: dict[str, File], key: str, value: Mapping[str, Any], hub: Hub) -> None:
    """Apply one line of a commit's payload."""
    path = value.get("path", "").rstrip("/")
    if key == "file":
        files[path] = hub.blobs.file(path, hub.blobs.add(base64.b64decode(value["content"])))
    elif key == "lfsFile":
        if not hub.blobs.has(value["oid"]):
            raise Refused(400, message=f"{path}: its content was not uploaded")
        files[path] = hub.blobs.file(path, value["oid"])
    elif key == "deletedFile":
        if files.pop(path, None) is None:
            raise Refused(404, "EntryNotFound", "A file with this name doesn't exist")
    elif key == "deletedFolder":
        for name in [name for name in files if name.startswith(f"{path}/")]:
            del files[name]
