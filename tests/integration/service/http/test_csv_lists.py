"""Every list as CSV: the rows of its JSON answer, safe in a spreadsheet, and no more than that.

The routes are those of the OpenAPI document, and what a cell should hold is worked out here again.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_origin, get_type_hints

import orjson
import pytest
from anyio import sleep_forever
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.auth.permissions import MAY
from api.decisions import readers
from api.decisions.readers import DecisionReader
from api.http import csv_lists
from api.service.executors import Backtests
from api.site import ROUTERS
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.domain.rights import Role
from engine.errors import NotAllowedError
from engine.storage.home import FORMULA_STARTS
from tests.support.backtest_figures import FIGURES
from tests.support.running_service import POST, World
from tests.support.sizes import PROOF
from tests.unit.engine.links.links import REQUEST
from tests.unit.service.audit.eventful_home import ENTRIES, live

ACCEPT = {"Accept": "text/csv"}
HOSTILE = (
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "@SUM(A1)",
    "+1",
    "-1+1",
    " =1",
    "a;=1+1",
    'q"x; =1',
)
NUMBERS = re.compile("risk|propensit|is_random|basis|contribution|reasons|profiles|percentile")


@pytest.fixture(scope="module")
def world(world: World) -> World:
    """A service whose lists have rows, some of them with texts that would be formulas."""
    live(world)
    until = (datetime.now(UTC) + timedelta(days=20)).isoformat()
    for number, text in enumerate(HOSTILE):
        entry = {"plate": f"01X{number:03d}ZZ", "reason": text, "note": text, "expiry": until}
        assert world.post("/v1/watchlist", entry, Role.ANALYST).status_code == 201
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Backtests, "run", lambda *_, **__: FIGURES)
        again = world.post("/v1/profiles/P-1/backtests", {}, Role.ANALYST)
    assert again.status_code == 201, again.text
    return world


def find_seizure(world: World) -> str:
    """Return a seizure that was neither withdrawn nor waits."""
    records = world.get("/v1/journal?kind=seizure&limit=50", Role.INTEGRITY).json()["records"]
    names: list[str] = [one["subject"] for one in records]
    asked = "/v1/seizures/{}/connections?purpose=audit"
    return next(one for one in names if world.get(asked.format(one)).status_code == 200)


def addresses(world: World) -> dict[str, tuple[str, list[str]]]:
    """Return a real address of each list of the document, with its tables."""
    known = world.get("/v1/decisions").json()["decisions"][0]
    webhook = world.get("/v1/webhooks", Role.ADMINISTRATOR).json()["webhooks"][0]["webhook_id"]
    links = world.get("/v1/links", Role.INTEGRITY).json()["links"]
    link = next(one for one in links if one["kind"] == "partner")
    named = {"post": POST, "decision_id": known["decision_id"], "webhook_id": webhook}
    named["crossing_id"] = known["crossing_id"]
    named |= {"link": link["link"], "request_id": REQUEST}
    named["entry_id"] = world.get("/v1/watchlist").json()["entries"][0]["id"]
    named["case_id"] = world.get("/v1/cases").json()["cases"][0]["case_id"]
    sent = AdvanceDeclaration.EXAMPLE
    assert world.post("/v1/declarations", sent).status_code == 201
    named |= {"declaration_id": sent["declaration"]["declaration_id"]}
    named |= {"kind": "plate", "value": "01A0005BC", "seizure_id": find_seizure(world)}
    refused = world.post("/v1/decisions", {"crossing": {}})
    assert refused.status_code == 422
    keys = world.get("/v1/people", Role.ADMINISTRATOR).json()["keys"]
    used = [one for one in keys if one["role"] == Role.CHECKPOINT and one["last_used_at"]]
    named["key_id"] = max(used, key=lambda one: str(one["last_used_at"]))["key_id"]
    found = {}
    for path, methods in world.client.get("/openapi.json").json()["paths"].items():
        asked = methods.get("get", {})
        if "text/csv" in asked.get("responses", {}).get("200", {}).get("content", {}):
            (tables,) = [p for p in asked["parameters"] if p["name"] == "table"]
            found[path] = path.format(**named), tables["schema"]["enum"]
    return found


def rows_of(text: str, separator: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


def read_cell(value: Any) -> str:
    """Return what a cell holds, apart from apostrophes before formulas."""
    if value is None or value == []:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(one, dict | list) for one in value):
        return ";".join(map(read_cell, value))
    return orjson.dumps(value).decode()


def leaves(row: Mapping[str, Any], columns: set[str], at: str = "") -> Iterator[tuple[str, str]]:
    """Yield every value of a row of JSON by its column."""
    for name, value in row.items():
        column = at + name
        is_split = isinstance(value, dict) and column not in columns
        if is_split and any(one.startswith(f"{column}.") for one in columns):
            yield from leaves(value, columns, f"{column}.")
        elif value is not None or column in columns:
            yield column, read_cell(value)


def differences(written: list[dict[str, str]], rows: list[Any]) -> list[str]:
    """Return where a file does not say what the JSON answer does."""
    if len(written) != len(rows):
        return [f"{len(written)} rows for {len(rows)}"]
    found = []
    for line, row in zip(written, rows, strict=True):
        due = dict(leaves(row, set(line)))
        for column in due.keys() | line.keys():
            cell = line.get(column)
            if cell is None or cell.replace("'", "") != due.get(column, "").replace("'", ""):
                found.append(f"{column}: {cell!r} for {due.get(column)!r}")
    return found


def table_of(content: Any, table: str) -> list[Any]:
    for name in table.split("."):
        content = (content or {}).get(name)
    if isinstance(content, dict):
        return [{"key": key} | row for key, row in content.items()]
    return content or []


def formulas(text: str) -> list[str]:
    """Return cells that a spreadsheet may take for formulas, whichever separator it knows."""
    found = []
    for separator in ",;":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            found += [
                one for one in row if one.lstrip().startswith(FORMULA_STARTS) and not _number(one)
            ]
    return found


def _number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text) is not None


def violations(world: World, path: str, at: str, table: str, role: Role) -> list[str]:
    """Ask for a table in both forms; return where the file is another, or no safe one."""
    more = {"/v1/models/comparison": {"version": "m9"}, "/v1/search": {"q": "01A"}}.get(path, {})
    if "{value}" in path or path.endswith("/connections"):
        more = {"purpose": "audit"}
    by, most = world.headers(role), 200 if path == "/v1/search" else 500
    bound = {"limit": str(most)} if "limit" in query_names(world, path) else {}
    plain = world.client.get(at, headers=by, params=more | bound)
    answer = world.client.get(at, headers=by | ACCEPT, params=more | {"table": table})
    if plain.status_code != 200:
        return [] if answer.json() == plain.json() else [f"{path} {role}: {answer.text}"]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.search(r'filename="[\w.-]+\.csv"', answer.headers["content-disposition"])
    assert answer.text.partition("\r\n")[0], "a list without rows has its header"
    rows = table_of(plain.json(), table)
    TRIED[path, table] = max(len(rows), TRIED.get((path, table), 0))
    return differences(rows_of(answer.text), rows) + formulas(answer.text)


def query_names(world: World, path: str) -> set[str]:
    """Return the parameters that a list declares: it refuses all others."""
    shown = world.client.app.openapi()["paths"][path]["get"]["parameters"]  # type: ignore[attr-defined]
    return {one["name"] for one in shown if one["in"] == "query"}


TRIED: dict[tuple[str, str], int] = {}
"""Most rows of each table that was answered."""


def list_roles(path: str, number: int) -> list[Role]:
    """Return who asks for a list; at small sizes one role that may, another each time, and one not.

    A list has the same columns for all of them, but for those that a checkpoint does not see.
    """
    if PROOF:
        return list(Role)
    may = sorted(MAY["GET", path])
    others = [role for role in Role if role not in may]
    seen = {may[number % len(may)], *({Role.CHECKPOINT, Role.SUPERVISOR} & {*may})}
    return [*seen, *others[number % max(len(others), 1) :][:1]]


def test_every_list_has_the_rows_of_its_json(world: World) -> None:
    for number, (path, (at, tables)) in enumerate(addresses(world).items()):
        for role in list_roles(path, number):
            for table in tables if role in MAY["GET", path] else tables[:1]:
                assert violations(world, path, at, table, role) == [], (path, table, role)
    assert {path for path, _ in TRIED} == set(csv_lists.LISTS) - {"/v1/models/comparison"}
    assert sum(rows > 0 for rows in TRIED.values()) >= 16, TRIED


def test_every_answer_with_a_list_of_objects_names_its_tables() -> None:
    """A new list is no list to a spreadsheet until its class says so."""
    single = {"SupervisorView", "ModelView", "ProfileView", "WatchEntryView"}
    for route in (one for router in ROUTERS for one in router.routes):
        assert isinstance(route, APIRoute)
        kind = route.response_model
        if route.methods == {"GET"} and isinstance(kind, type) and kind.__name__ not in single:
            fields = get_type_hints(kind)
            lists = [name for name, annotation in fields.items() if _holds_objects(annotation)]
            assert set(lists) <= set(getattr(kind, "tables", ())), route.path


def _holds_objects(kind: Any) -> bool:
    inner = get_args(kind)
    if get_origin(kind) is list:
        return any(
            isinstance(one, type) and (is_dataclass(one) or issubclass(one, BaseModel))
            for one in (*inner, *get_args(inner[0]))
        )
    return any(_holds_objects(one) for one in inner)


def test_a_long_list_is_read_to_its_end_one_page_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    held = DecisionReader.list_decisions

    def count(*given: Any, **which: Any) -> Any:
        asked.append(which["most"])
        return held(*given, **which)

    monkeypatch.setattr(DecisionReader, "list_decisions", count)
    monkeypatch.setattr(csv_lists, "PAGE_ROWS", 7)
    by = world.headers(Role.SUPERVISOR) | ACCEPT
    text = world.client.get("/v1/decisions", headers=by).text
    names = [one["decision_id"] for one in rows_of(text)]
    assert (
        len(names) == len(set(names)) >= ENTRIES and text.count("decision_id,crossing_id,post") == 1
    )
    assert set(asked) == {7} and len(asked) == -(-len(names) // 7)
    few = world.client.get("/v1/decisions?limit=3", headers=by).text
    assert [one["decision_id"] for one in rows_of(few)] == names[:3], "a limit is kept"
    journal = world.client.get("/v1/journal", headers=world.headers(Role.INTEGRITY) | ACCEPT).text
    sequences = [int(one["sequence"]) for one in rows_of(journal)]
    assert sequences == list(range(sequences[0], 0, -1))


def test_a_file_that_is_cut_short_does_not_end_as_a_whole_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller may read the first page, and no later one."""
    held = DecisionReader.list_decisions

    def refuse(*given: Any, **which: Any) -> Any:
        if given[1].before is not None:
            raise NotAllowedError("no longer", "role")
        return held(*given, **which)

    monkeypatch.setattr(DecisionReader, "list_decisions", refuse)
    monkeypatch.setattr(csv_lists, "PAGE_ROWS", 7)
    key = world.headers(Role.SUPERVISOR)["Authorization"].encode()
    headers = [(b"host", b"x"), (b"authorization", key), (b"accept", b"text/csv")]
    scope: Any = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http"}
    scope |= {"path": "/v1/decisions", "query_string": b"", "headers": headers, "root_path": ""}
    sent: list[Any] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    async def wait() -> Any:
        await sleep_forever()

    async def ask() -> None:
        with pytest.raises((ExceptionGroup, RuntimeError)):
            await world.client.app(scope, wait, keep)

    assert world.client.portal is not None
    world.client.portal.call(ask)
    assert sent[0]["status"] == 200 and len(rows_of(sent[1]["body"].decode())) == 7
    assert all(message["more_body"] for message in sent[1:])


def numbers(world: World) -> list[str]:
    """Return columns of a checkpoint's queue that its view hides."""
    by = world.headers(Role.CHECKPOINT) | ACCEPT
    text = world.client.get(f"/v1/posts/{POST}/queue", headers=by).text
    assert len(rows_of(text)) > 1
    return [one for one in rows_of(text)[0] if NUMBERS.search(one)]


def test_a_checkpoints_file_has_no_number(world: World) -> None:
    assert numbers(world) == []
    by = world.headers(Role.SUPERVISOR) | ACCEPT
    queue = rows_of(world.client.get(f"/v1/posts/{POST}/queue", headers=by).text)
    assert {"risk.percentile", "propensity", "propensities.red"} <= set(queue[0])


def test_a_reader_that_forgets_the_blinding_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug."""
    monkeypatch.setattr(readers, "is_blind", lambda _: False)
    assert numbers(world)


@pytest.mark.parametrize("bug", ["escape_cell", "_cell"])
def test_a_cell_that_is_not_made_safe_or_is_lost_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    """Seeded bugs: texts as they are; an empty cell for a list."""
    if bug == "escape_cell":
        monkeypatch.setattr(csv_lists, bug, str)
    else:
        cell = csv_lists.CsvWriter._cell
        empty = lambda self, value: "" if isinstance(value, list) else cell(self, value)  # noqa: E731
        monkeypatch.setattr(csv_lists.CsvWriter, bug, empty)
    assert violations(world, "/v1/watchlist", "/v1/watchlist", "entries", Role.ANALYST)
