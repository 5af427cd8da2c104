"""A stand-in for a model hub on loopback: as much of its HTTP interface as pushing and pulling use.

Repositories lie in memory. Weights go through the LFS interface, as on the real one; all other
files come with the commit.
"""

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
from urllib.parse import unquote


@dataclass
class Hub:
    """``repos``: repository -> revision (branch or commit) -> file -> bytes. ``calls``: what was
    asked, in order."""

    repos: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    private: dict[str, bool] = field(default_factory=dict)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, code: int, content: Any = b"", **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, what: str, code: int = 404) -> None:
        self.answer(code, {"error": what}, X_Error_Code=what, X_Error_Message=what)

    def do_POST(self) -> None:
        hub, data, path = self.hub, self.body(), unquote(self.path.split("?")[0])
        hub.calls.append(f"POST {path}")
        if path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
            return
        if self.headers.get("Authorization") != "Bearer hf_right":
            self.refuse("Invalid username or password.", 401)
            return
        if path == "/api/repos/create":
            asked = json.loads(data)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            code = 409 if name in hub.repos else 200
            hub.repos.setdefault(name, {"main": {}})
            hub.private.setdefault(name, asked.get("visibility") == "private")
            self.answer(code, {"url": f"{hub.url}/{name}", "name": name})
            return
        repo = "/".join(path.removeprefix("/api/models").split("/")[1:3]).removesuffix(".git")
        if repo not in hub.repos:
            self.refuse("RepoNotFound")
        elif "/preupload/" in path:
            files = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for one in json.loads(data)["files"]
            ]
            self.answer(200, {"files": files})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{hub.url}/objects/{one['oid']}"}}}
                for one in json.loads(data)["objects"]
            ]
            self.answer(200, {"transfer": "basic", "objects": objects})
        elif "/branch/" in path:
            hub.repos[repo].setdefault(path.rsplit("/", 1)[1], dict(hub.repos[repo]["main"]))
            self.answer(200, {})
        elif "/commit/" in path:
            self.commit(repo, path.rsplit("/", 1)[1], data)
        else:
            self.refuse("unknown")

    def commit(self, repo: str, branch: str, data: bytes) -> None:
        hub = self.hub
        files = dict(hub.repos[repo][branch])
        for line in data.splitlines():
            record = json.loads(line)
            value = record["value"]
            if record["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif record["key"] == "lfsFile":
                files[value["path"]] = hub.objects[value["oid"]]
        oid = hashlib.sha1(data).hexdigest()
        hub.repos[repo][branch] = hub.repos[repo][oid] = files
        self.answer(
            200, {"success": True, "commitOid": oid, "commitUrl": f"{hub.url}/{repo}/commit/{oid}"}
        )

    def do_PUT(self) -> None:
        data = self.body()
        oid = self.path.rsplit("/", 1)[1]
        assert hashlib.sha256(data).hexdigest() == oid
        self.hub.objects[oid] = data
        self.answer(200)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(self.path.split("?")[0])
        hub.calls.append(f"{self.command} {path}")
        api = path.startswith("/api/models/")
        parts = path.removeprefix("/api/models").strip("/").split("/")
        repo, rest = "/".join(parts[:2]), parts[2:]
        revision = rest[1] if len(rest) > 1 else "main"
        if repo not in hub.repos:
            self.refuse("RepoNotFound", 404)
        elif revision not in hub.repos[repo]:
            self.refuse("RevisionNotFound")
        elif api:
            files = hub.repos[repo][revision]
            sha = next(
                name for name, held in hub.repos[repo].items() if held is files and len(name) == 40
            )
            self.answer(
                200, {"id": repo, "sha": sha, "siblings": [{"rfilename": n} for n in files]}
            )
        else:
            self.file(hub.repos[repo][revision], "/".join(rest[2:]), revision)

    def file(self, files: dict[str, bytes], name: str, revision: str) -> None:
        if name not in files:
            self.refuse("EntryNotFound")
            return
        etag = hashlib.sha256(files[name]).hexdigest()
        self.answer(200, files[name], ETag=f'"{etag}"', X_Repo_Commit=revision)


@contextmanager
def served() -> Iterator[Hub]:
    """The stand-in, on a free port of loopback."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
