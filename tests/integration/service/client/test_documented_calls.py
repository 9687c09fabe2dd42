"""Every call of docs/api.md and of the page /docs is run as it stands there."""

import html
import re
import runpy
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.client import Client
from engine.domain.rights import Role
from tests.support.running_service import POST, World, arrival
from tests.unit.service.client.test_client import SAMPLES

PAGE = (Path(__file__).parents[4] / "docs" / "api.md").read_text("utf-8").replace("UZ-OYB", POST)
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(language, textwrap.dedent(text)) for _, language, text in BLOCK.findall(PAGE)]
IN_SHELL = [text for language, text in BLOCKS if not language and text.startswith("curl")]
IN_PYTHON = [text for language, text in BLOCKS if language == "python"]
FORM = "application/x-www-form-urlencoded"
PRINT_WORDS = "curl() { printf '%s\\0' \"$@\"; printf '\\0'; }\n"
"""What stands in for curl: it prints its words, so that the shell alone decides what they are."""


def list_calls(text: str) -> list[list[str]]:
    """Return the words of each call of curl in a block."""
    shell = shutil.which("sh") or ""
    printed = subprocess.run(
        [shell, "-c", PRINT_WORDS + text], capture_output=True, check=True
    ).stdout
    return [call.split("\0") for call in printed.decode().split("\0\0") if call]


def send(world: World, words: list[str], role: Role) -> Any:
    """Send what curl would send, with a key of a role."""
    given: dict[str, Any] = {"method": "GET", "content": None, "headers": {}, "url": ""}
    rest = iter(words)
    for word in rest:
        if word == "-X":
            given["method"] = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            given["headers"][name] = value
        elif word in ("-d", "--data-binary"):
            body = next(rest)
            is_file = body.startswith("@")
            given["headers"].setdefault("Content-Type", FORM)  # as curl says of any body
            given["content"] = Path(body[1:]).read_bytes() if is_file else body
        elif word == "-o":
            next(rest)
        else:
            at = urlsplit(word)
            assert (at.scheme, at.netloc) == ("http", "127.0.0.1:8000")
            given["url"] = f"{at.path}?{at.query}" if at.query else at.path
    assert given["headers"]["Authorization"] == "Bearer dz_..."
    given["headers"] |= world.headers(role)
    return world.client.request(**given)


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a folder with the file that the page names."""
    shutil.copy(SAMPLES / "wco.xml", tmp_path / "export.xml")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("samples")
def test_the_calls_of_curl_are_taken_in_their_order(world: World) -> None:
    calls = [call for text in IN_SHELL for call in list_calls(text)]
    assert len(calls) == PAGE.count("curl ") == 6
    for words in calls:
        role = Role.CHECKPOINT if "POST" in words else Role.SUPERVISOR
        answer = send(world, words, role)
        assert answer.status_code == (201 if "POST" in words else 200), (words, answer.text)


def test_the_recipes_of_the_interface_run_in_their_order(world: World) -> None:
    page = world.client.get("/docs").text.replace("UZ-OYB", POST)
    recipes = re.findall(r'<pre class="code">(curl .*?)</pre>', page, re.DOTALL)
    assert len(recipes) == 3
    for recipe in recipes:
        (words,) = list_calls(html.unescape(recipe))
        answer = send(world, words, Role.CHECKPOINT)
        assert answer.status_code == (201 if "POST" in words else 200), (words, answer.text)


@pytest.mark.usefixtures("samples")
def test_the_calls_of_python_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks run in their order as one program, against the service in this process."""
    opened = Client.__init__

    def open_here(self: Client, address: str, key: str) -> None:
        assert address == "http://127.0.0.1:8000"
        opened(self, address, key, transport=world.client._transport)

    monkeypatch.setattr(Client, "__init__", open_here)
    assert len(IN_PYTHON) == 2
    Path("example.py").write_text("\n".join(IN_PYTHON), "utf-8")
    given = {"key": world.keys[Role.CHECKPOINT], "arrival": arrival(7)}
    names = runpy.run_path("example.py", given)
    assert names["decision"].advisory and names["released"].kind == "release"
    assert b"FunctionCode" in names["response"]
    assert b"02<" in names["receipt"]
