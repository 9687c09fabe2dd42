"""Documents as a whole: links, decisions, maps of packages, examples in docstrings and in files."""

import doctest
import importlib
import re
import runpy
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from api.cli.main import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.md")])
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#([\w-]+))?\)")
HEAD = re.compile(r"# (\d+)\. (.+)\n\nDate: (\d{4}-\d\d-\d\d)\. Status: (\w+)[.,]")
ROW = re.compile(r"^\| (\d+) \| \[(.+)\]\((\d{4}-[\w-]+\.md)\) \| (\S+) \| (\w+)", re.MULTILINE)
STATES = {"proposed", "accepted", "superseded"}
FILE = re.compile(
    r"`((?:engine|features|models|experiments|api|tests|deploy|examples)/[\w/.-]+\.\w+)`"
)


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        to = page.parent / target
        assert to.exists(), target
        assert not anchor or anchor in headings(to), f"{target}#{anchor}"


def test_the_map_lists_every_page() -> None:
    listed = set(LINK.findall((DOCS / "README.md").read_text("utf-8")))
    missing = {page.name for page in DOCS.glob("*.md")} - {target for target, _ in listed}
    assert missing == {"README.md"}


def test_the_index_lists_every_decision_with_its_date_and_status() -> None:
    index = ROW.findall((DECISIONS / "README.md").read_text("utf-8"))
    heads = []
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        head = HEAD.match(path.read_text("utf-8"))
        assert head, f"{path.name}: a title, then 'Date: ... Status: ...'"
        number, title, date, status = head.groups()
        assert path.name.startswith(f"{int(number):04}-")
        heads.append((number, title, path.name, date, status))
    assert index == heads
    assert {status for *_, status in heads} <= STATES
    numbers = [int(number) for number, *_ in heads]
    assert numbers == sorted(set(numbers))


def run_blocks(text: str) -> None:
    """Run the Python blocks of a page, one after another, as one module."""
    names = {"__name__": "page"}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, "page", "exec"), names)  # noqa: S102


def test_the_four_ideas_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_blocks((DOCS / "ideas.md").read_text("utf-8"))
    assert (tmp_path / "ideas.db").exists()


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "CHANGELOG.md"],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = set(FILE.findall(page.read_text("utf-8")))
    assert {name for name in named if not (ROOT / name).exists()} == set()


COMMAND = re.compile(r"(?:^ *|`|/bin/)darvoza ([a-z][^`#\n]*)", re.MULTILINE)


MAIN = get_command(app)


def list_unknown(text: str) -> list[str]:
    """Return the commands of a text that name a command or an option that does not exist."""
    found = []
    for shown in COMMAND.findall(text):
        command, words = MAIN, re.sub(r"[][]", "", shown).split()
        while isinstance(command, TyperGroup) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        if options - known - {"--help"} or (isinstance(command, TyperGroup) and words):
            found.append(shown)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    assert list_unknown(page.read_text("utf-8")) == []


def test_a_command_or_an_option_that_does_not_exist_is_found() -> None:
    text = "`darvoza rotate`, `darvoza keys rotate`, `darvoza verify --fast`, `darvoza keys list`"
    assert list_unknown(text) == ["rotate", "keys rotate", "verify --fast"]


LAYERS = ("engine", "features", "models", "experiments", "api")
MOST = 17
"""Modules in a room; migrations are a history, and no room."""


def test_no_room_has_more_modules_than_a_reader_keeps_in_mind() -> None:
    rooms = {path.parent for layer in LAYERS for path in (ROOT / layer).rglob("__init__.py")}
    rooms = {folder for folder in rooms if "migrations" not in folder.parts}
    assert [one for one in rooms if len(list(one.glob("[!_]*.py"))) > MOST] == []


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}
    assert [one for one in folders if not (one / "__init__.py").exists()] == [
        ROOT / "api" / "migrations" / "versions"
    ]


MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for layer in LAYERS
    for path in (ROOT / layer).rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_right(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed


FOLDER = Path(__file__).parents[2] / "examples"
EXPECTED = {
    "check_profile.py": ("valid, at most", "refused: ", "position 27"),
    "compute_propensity.py": ("propensity of red or stricter: 0.418", "red     basis random"),
    "detect_tampering.py": ("before the edit: no fault", "after the edit: record 2"),
}


def test_each_example_is_expected_and_listed() -> None:
    names = {path.name for path in FOLDER.glob("*.py")}
    assert names == set(EXPECTED)
    page = (FOLDER / "README.md").read_text("utf-8")
    assert all(f"examples/{name}`" in page for name in names)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(FOLDER / name), run_name="__main__")
    shown = capsys.readouterr()
    for line in EXPECTED[name]:
        assert line in shown.out
    assert shown.err == ""
