"""The part of Kaggle's API that its client needs to submit and to download, served on loopback for the unmodified client.

with KaggleServer() as server:
    server.routes["CreateSubmission"] = lambda body: (403, {"code": 403, "message": "closed"})
    subprocess.run([kaggle, ...], env=server.environment(home))
"""

import io
import json
import os
import re
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

Route = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
SERVICE = "/api/v1/competitions.CompetitionApiService/"
WHEN = 1_538_352_000  # 2018-10-01, the date of every file served


@dataclass(frozen=True)
class Request:
    """One request as it came: `name` is the method of the API, or the path of a PUT or GET."""

    method: str
    name: str
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


class KaggleServer:
    """A context manager; every attribute may be changed while it serves.

    Attributes:
        routes: replies of the API by method name; a reply is (status, JSON). Those missing here answer 404.
        files: the competition's data files; `DownloadDataFiles` sends them as one zip unless `archive` holds bytes.
        upload_reply: status and stated length of the (empty) reply to a PUT; a length above 0 is a reply cut short.
        cut_uploads: that many PUTs lose their connection half way.
        cut_downloads: that many GETs lose their connection half way; later ones may ask for the rest with Range.
        requests: what came, in order.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.archive: bytes | None = None
        self.upload_reply = (200, 0)
        self.cut_uploads = 0
        self.cut_downloads = 0
        self.requests: list[Request] = []
        self.routes: dict[str, Route] = {
            "StartSubmissionUpload": lambda body: (200, {"token": "token-1", "createUrl": f"{self.url}/upload/{quote(body['fileName'])}"}),
            "CreateSubmission": lambda body: (200, {"message": f"Successfully submitted to {body['competitionName']}", "ref": 1}),
            "GetSubmissionLimits": lambda body: (200, {"numAllowedNow": 4}),
            "ListSubmissions": lambda body: (200, {"submissions": [self._submission()]}),
            "GetLeaderboard": lambda body: (200, {"submissions": [{"teamId": 1, "teamName": "us", "score": "0.5"}]}),
            "ListDataFiles": lambda body: (200, {"files": [self._listed(name) for name in self.files]}),
            "DownloadDataFiles": lambda body: (302, {"location": f"{self.url}/files/{body['competitionName']}.zip"}),
            "DownloadDataFile": lambda body: (302, {"location": f"{self.url}/files/{quote(body['fileName'])}"}),
        }

    def __enter__(self) -> "KaggleServer":
        handler = type("BoundHandler", (_Handler,), {"kaggle": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def uploads(self) -> list[bytes]:
        """The bodies of the PUTs that arrived whole."""
        return [request.body for request in self.requests if request.method == "PUT"]

    def called(self, name: str) -> list[dict[str, Any]]:
        """The bodies of the calls of one API method."""
        return [request.json for request in self.requests if request.name == name]

    def environment(self, home: Path, credentials: bool = True) -> dict[str, str]:
        """This process' environment, with variables that lead the client here and without the machine's own Kaggle credentials."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("KAGGLE_")}
        # the client knows its local server as http://localhost:80; the proxy variable moves that to our port
        proxy = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": self.url, "no_proxy": "", "NO_PROXY": ""}
        owner = {"KAGGLE_USERNAME": "u", "KAGGLE_KEY": "k"} if credentials else {}
        return kept | proxy | owner | {"HOME": str(home), "KAGGLE_CONFIG_DIR": str(home / "kaggle")}

    def download(self, name: str) -> bytes | None:
        if name in self.files:
            return self.files[name]
        return self._zip() if name.endswith(".zip") else None

    def _zip(self) -> bytes:
        if self.archive is not None:
            return self.archive
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w") as file:
            for name, content in self.files.items():
                file.writestr(zipfile.ZipInfo(name), content)
        return memory.getvalue()

    def _listed(self, name: str) -> dict[str, Any]:
        return {"name": name, "totalBytes": len(self.files[name]), "creationDate": DATE}

    def _submission(self) -> dict[str, Any]:
        scores = {"status": "complete", "publicScore": "0.5", "privateScore": "0.4"}
        return {"ref": 1, "fileName": "submission.csv", "date": DATE, "description": "", **scores}


DATE = "2018-10-01T00:00:00Z"


class _Handler(BaseHTTPRequestHandler):
    kaggle: KaggleServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        name = urlsplit(self.path).path.removeprefix(SERVICE)
        body = self._body()
        self.kaggle.requests.append(Request("POST", name, body))
        route = self.kaggle.routes.get(name)
        status, reply = route(json.loads(body)) if route else (404, {"code": 404, "message": f"there is no {name} here"})
        if status == 302:
            self._reply(status, b"", {"Location": str(reply["location"])})
        else:
            self._reply(status, json.dumps(reply).encode(), {"Content-Type": "application/json"})

    def do_PUT(self) -> None:
        if self.kaggle.cut_uploads:
            self.kaggle.cut_uploads -= 1
            self.rfile.read(int(self.headers["Content-Length"]) // 2)
            self.close_connection = True
            return
        self.kaggle.requests.append(Request("PUT", urlsplit(self.path).path, self._body()))
        status, stated = self.kaggle.upload_reply
        self.close_connection = stated > 0
        self.send_response(status)
        self.send_header("Content-Length", str(stated))
        self.end_headers()

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path).removeprefix("/files/")
        self.kaggle.requests.append(Request("GET", name, b""))
        content = self.kaggle.download(name)
        if content is None:
            self._reply(404, b"", {})
            return
        tag = f'"{md5(content, usedforsecurity=False).hexdigest()}"'
        headers = {"Last-Modified": formatdate(WHEN, usegmt=True), "ETag": tag, "Accept-Ranges": "bytes"}
        rest = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if rest:
            start = int(rest[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
        self._reply(206 if rest else 200, content, headers)

    def _reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET" and self.kaggle.cut_downloads:
            self.kaggle.cut_downloads -= 1
            self.close_connection = True
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def log_message(self, *_: object) -> None:
        """Silence: the tests read `requests`."""
