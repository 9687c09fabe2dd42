"""MLflow's pages behind a key: what is refused before MLflow sees it, and what MLflow takes."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from models.training.mlflow_pages import KEY_VARIABLE, USER, KeyGuard, create_app

KEY = "a-key-of-this-start"
CREATE = "/api/2.0/mlflow/experiments/create"
RIGHT = base64.b64encode(f"{USER}:{KEY}".encode())


def ask(
    app: Any,
    path: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    key: bytes | None = b"Basic " + RIGHT,
    host: bytes = b"127.0.0.1:5000",
) -> tuple[int, bytes]:
    """Send one request to an ASGI application; return its status and body."""
    length = str(len(body)).encode()
    headers = [(b"host", host), (b"content-type", b"application/json"), (b"content-length", length)]
    headers += [] if key is None else [(b"authorization", key)]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("h", 5000),
    }  # fmt: skip
    halves = [
        {"type": "http.request", "body": body[: len(body) // 2], "more_body": True},
        {"type": "http.request", "body": body[len(body) // 2 :], "more_body": False},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if halves:
            return halves.pop(0)
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


async def inner(scope: Any, receive: Any, send: Any) -> None:
    """Echo the body that arrives."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


GUARDED = KeyGuard(inner, KEY)


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"Basic",
        b"Basic !!!",
        b"Basic " + base64.b64encode(b"analyst:other"),
        b"Basic " + base64.b64encode(b"analyst:"),
        b"Bearer " + RIGHT,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_nothing_is_reached_without_the_key(key: bytes | None, method: str) -> None:
    assert ask(GUARDED, "/", b"{}", method=method, key=key)[0] == 401


@pytest.mark.parametrize(
    "place", ["file:///etc", " FILE:/etc", "/etc", "../x", "~/x", ".", "relative/x", "\\\\x\\y"]
)
@pytest.mark.parametrize(
    "name", ["artifact_location", "artifactLocation", "source", "artifact_uri"]
)
def test_a_place_in_the_file_system_is_not_taken(place: str, name: str) -> None:
    plain = json.dumps({"name": "x", "inner": [{name: place}]})
    for body in (plain, json.dumps(plain)):
        assert ask(GUARDED, CREATE, body.encode())[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"name": "file:///etc"},
        {"artifact_location": "mlflow-artifacts:/1"},
        {"source": "runs:/abc/model"},
        {"source": '{"path": "/data"}'},
        {"artifact_location": ""},
    ],
)
def test_anything_else_passes_as_it_came(body: dict[str, str]) -> None:
    sent = json.dumps(body).encode()
    assert ask(GUARDED, CREATE, sent) == (200, sent)


def test_a_guard_without_a_key_is_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        KeyGuard(inner, "")


@pytest.mark.filterwarnings("ignore")  # of MLflow against itself
def test_mlflow_itself_stands_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    app = create_app()
    assert ask(app, "/version", method="GET", key=None)[0] == 401
    assert ask(app, "/version", method="GET")[0] == 200
    assert ask(app, CREATE, b'{"name": "mine"}', key=None)[0] == 401
    status, response = ask(app, CREATE, b'{"name": "mine"}')
    assert status == 200 and b"experiment_id" in response
    assert ask(app, CREATE, b'{"name": "y", "artifact_location": "file:///etc"}')[0] == 400
