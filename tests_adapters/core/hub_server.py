"""A small Hub on this machine: it speaks what `huggingface_hub` says when folders are uploaded and fetched."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Repository:
    """Files of each branch, and what was asked of it."""

    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    private: bool | None = None
    commits: list[dict[str, Any]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    def sha(self, branch: str) -> str:
        content = sorted((name, hashlib.sha1(data).hexdigest()) for name, data in self.branches[branch].items())
        return hashlib.sha1(repr((branch, content)).encode()).hexdigest()

    def branch_of(self, revision: str) -> str | None:
        return next((name for name in self.branches if revision in (name, self.sha(name))), None)


@dataclass
class Hub:
    """All repositories; `objects` are large files that were uploaded; `tokens` are those that came along."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    large: tuple[str, ...] = (".safetensors", ".bin")


@contextmanager
def running_hub() -> Iterator[Hub]:
    hub = Hub()
    handler = type("Handler", (HubHandler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield hub
        server.shutdown()


class HubHandler(BaseHTTPRequestHandler):
    """One request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        query = parse_qs(urlsplit(self.path).query)
        if path == ["api", "models"]:
            wanted = query.get("filter", [])
            names = [name for name, repo in self.hub.repositories.items() if set(wanted) <= set(repo.tags)]
            self.answer([self.describe(name, "main") for name in names])
        elif path[:2] == ["api", "models"] and path[2] + "/" + path[3] in self.hub.repositories:
            self.about(f"{path[2]}/{path[3]}", path[4:])
        elif len(path) > 4 and path[2] == "resolve":
            self.resolve("/".join(path[:2]), path[3], "/".join(path[4:]))
        else:
            self.refuse("RepoNotFound")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        if authorization := self.headers.get("authorization"):
            self.hub.tokens.add(authorization.removeprefix("Bearer "))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if path == ["api", "repos", "create"]:
            self.create(json.loads(body))
        elif path == ["api", "validate-yaml"]:
            self.answer({"errors": [], "warnings": []})
        elif path[-2:] == ["objects", "batch"]:
            self.batch(json.loads(body))
        elif path[4] == "preupload":
            self.answer({"files": [self.upload_mode(file["path"]) for file in json.loads(body)["files"]]})
        elif path[4] == "branch":
            self.repository(path).branches.setdefault(path[5], {})
            self.answer({})
        elif path[4] == "commit":
            self.commit(path, [json.loads(line) for line in body.splitlines()])

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        self.hub.objects[hashlib.sha256(data).hexdigest()] = data
        self.answer({})

    def repository(self, path: list[str]) -> Repository:
        return self.hub.repositories[f"{path[2]}/{path[3]}"]

    def create(self, wish: dict[str, Any]) -> None:
        name = f"{wish.get('organization') or 'me'}/{wish['name']}"
        is_new = name not in self.hub.repositories
        repository = self.hub.repositories.setdefault(name, Repository())
        if is_new:
            repository.private = wish.get("private") or wish.get("visibility") == "private"
        self.answer({"url": f"{self.hub.address}/{name}"}, status=200 if is_new else 409)

    def upload_mode(self, path: str) -> dict[str, Any]:
        mode = "lfs" if path.endswith(self.hub.large) else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": None}

    def batch(self, wish: dict[str, Any]) -> None:
        objects = [
            {**entry, "actions": {"upload": {"href": f"{self.hub.address}/upload/{entry['oid']}"}}}
            for entry in wish["objects"]
        ]
        self.answer({"transfer": "basic", "objects": objects})

    def commit(self, path: list[str], lines: list[dict[str, Any]]) -> None:
        repository, branch = self.repository(path), path[5]
        query = parse_qs(urlsplit(self.path).query)
        proposed = "create_pr" in query
        target = "refs/pr/1" if proposed else branch
        files = repository.branches.setdefault(target, dict(repository.branches[branch]))
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                repository.commits.append({"branch": target, **value})
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                files.pop(value["path"])
        name = f"{path[2]}/{path[3]}"
        answer = {"commitUrl": f"{self.hub.address}/{name}/commit/{repository.sha(target)}"}
        answer |= {"commitOid": repository.sha(target)}
        self.answer(answer | ({"pullRequestUrl": f"{self.hub.address}/{name}/discussions/1"} if proposed else {}))

    def about(self, name: str, rest: list[str]) -> None:
        revision = rest[1] if len(rest) > 1 else "main"
        branch = self.hub.repositories[name].branch_of(revision)
        if branch is None:
            self.refuse("RevisionNotFound")
        elif rest[:1] == ["tree"]:
            files = self.hub.repositories[name].branches[branch]
            self.answer(
                [
                    {"type": "file", "path": file, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for file, data in files.items()
                ]
            )
        else:
            self.answer(self.describe(name, branch))

    def describe(self, name: str, branch: str) -> dict[str, Any]:
        repository = self.hub.repositories[name]
        files = repository.branches[branch]
        config = json.loads(files.get("adapter_config.json", b"{}"))
        return {
            "id": name,
            "modelId": name,
            "author": name.partition("/")[0],
            "sha": repository.sha(branch),
            "private": bool(repository.private),
            "tags": repository.tags,
            "config": {"adapter_transformers": config},
            "siblings": [{"rfilename": file} for file in files],
        }

    def resolve(self, name: str, revision: str, file: str) -> None:
        repository = self.hub.repositories.get(name)
        branch = None if repository is None else repository.branch_of(revision)
        if branch is None:
            self.refuse("RepoNotFound" if repository is None else "RevisionNotFound")
        elif file not in repository.branches[branch]:
            self.refuse("EntryNotFound", {"X-Repo-Commit": repository.sha(branch)})
        else:
            data = repository.branches[branch][file]
            etag = hashlib.sha1(data).hexdigest()
            self.send(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": repository.sha(branch)})

    def answer(self, content: Any, status: int = 200) -> None:
        self.send(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def refuse(self, code: str, headers: dict[str, str] | None = None) -> None:
        self.send(404, b"{}", {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})})

    def send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
