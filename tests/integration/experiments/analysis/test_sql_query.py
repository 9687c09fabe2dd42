"""Questions by SQL see a home as of a time, read only, with identifiers as digests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from api.cli import data as commands
from api.cli.main import app
from engine.errors import InputError, NotAllowedError, StoreUnavailableError
from engine.journal.journal import Journal, JournalReader
from engine.journal.kinds import SENSITIVE_READ, SensitiveReadBody
from engine.storage.database import Store
from engine.storage.home import Home
from experiments.analysis import home_history
from experiments.analysis.home_history import NAMES, digest_column, open_history, run_query

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sql")
    folder, made = root / "folder", root / "home"
    for words in (
        ["synth", str(folder), "--crossings", "400", "--end", "2026-05-01"],
        ["load", str(folder), "--home", str(made)],
    ):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
    return made


@pytest.fixture
def ask(home: Path) -> Ask:
    def run(query: str, *options: str) -> Any:
        words = ["sql", query, "--home", str(home), "--json", *options]
        result = CliRunner().invoke(app, words, catch_exceptions=True)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return json.loads(result.stdout)["rows"]

    return run


def test_every_view_is_there_with_its_time(ask: Ask) -> None:
    for name in NAMES:
        (row,) = ask(f"SELECT count(*) AS n FROM {name}")  # noqa: S608 - fixed names
        assert row["n"] > 0 or name in {"decisions", "reviews"}, name
    (row,) = ask("SELECT min(known_at) AS first, max(arrived_at) AS last FROM crossings")
    assert row["first"].endswith("Z")
    assert row["last"] < "2026-05-02"


def test_an_earlier_time_shows_what_was_known_then(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = ask("SELECT median(epoch_us(known_at)) AS m FROM inspections")[0]["m"]
    when = ask(f"SELECT make_timestamptz(CAST({cut} AS BIGINT)) AS t")[0]["t"]
    queries = {
        "inspections": "SELECT count(*) AS n FROM inspections WHERE epoch_us(known_at) <= {}",
        "declarations": (
            "SELECT count(DISTINCT declaration_id) AS n FROM crossings "
            "WHERE epoch_us(known_at) <= {} AND declaration_id IS NOT NULL"
        ),
        "features": "SELECT count(*) AS n FROM crossings WHERE epoch_us(known_at) <= {}",
    }
    for name, query in queries.items():
        count = f"SELECT count(*) AS n FROM {name}"  # noqa: S608 - fixed names
        known = ask(query.format(cut))
        assert ask(count, "--as-of", when) == known
        assert ask(count) != known
    monkeypatch.setattr(home_history, "cut_history", lambda tables, _as_of: tables)  # seeded bug
    count = "SELECT count(*) AS n FROM inspections"
    assert ask(count, "--as-of", when) == ask(count)


def test_a_later_time_is_refused(home: Path) -> None:
    words = ["sql", "SELECT 1", "--as-of", "2999-01-01", "--home", str(home)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "later than now" in str(result.exception)


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE crossings",
        "SELECT 1; SELECT 2",
        "COPY crossings TO 'stolen.csv'",
        "ATTACH 'other.db'",
        "SET enable_external_access = true",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM nothing",
        "INSERT INTO crossings SELECT * FROM crossings",
        "PRAGMA database_list",
        "SELECT",
    ],
)
def test_a_statement_reads_the_views_and_nothing_else(home: Path, query: str) -> None:
    result = CliRunner().invoke(app, ["sql", query, "--home", str(home)])
    assert result.exit_code == 1
    assert str(result.exception).startswith("query:")


def test_identifiers_are_digests_that_join(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "SELECT plate, container_numbers FROM crossings WHERE plate IS NOT NULL"
    shown = ask(query)
    assert all(len(row["plate"]) == 16 for row in shown)
    assert len({row["plate"] for row in shown}) > 20
    monkeypatch.setattr(home_history, "IDENTIFIERS", frozenset())  # seeded bug: nothing is hidden
    assert {len(row["plate"]) for row in ask(query)} != {16}


PLATES = "SELECT plate FROM crossings WHERE plate IS NOT NULL ORDER BY crossing_id"


@pytest.fixture(scope="module")
def passwords(home: Path) -> dict[str, str]:
    """Make a person for each role that matters, and return their passwords."""
    made = {}
    for role in ("supervisor", "analyst"):
        words = ["users", "create", role, "--role", role, "--home", str(home), "--json"]
        made[role] = json.loads(CliRunner().invoke(app, words).stdout)["password"]
    return made


def list_reads(home: Path) -> list[SensitiveReadBody]:
    with Store(Home(home).database_url) as store, store.read() as connection:
        return [record.body for record in JournalReader(connection).records(SENSITIVE_READ)]


def test_identifiers_are_for_a_person_who_may_and_recorded(
    home: Path, ask: Ask, passwords: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = {row["plate"] for row in ask(PLATES)}
    assert list_reads(home) == []  # digests tell of no vehicle
    monkeypatch.setenv("DARVOZA_PASSWORD", passwords["supervisor"])
    shown = {row["plate"] for row in ask(PLATES, "--as", "supervisor")}
    assert len(shown) > 20 and not shown & hidden
    read = {"by": "supervisor", "role": "supervisor", "sequence": 0, "kind": "sql"}
    assert list_reads(home) == [read]
    monkeypatch.setenv("DARVOZA_PASSWORD", passwords["analyst"])
    with pytest.raises(NotAllowedError):
        ask(PLATES, "--as", "analyst")
    with pytest.raises(NotAllowedError):
        ask(PLATES, "--as", "supervisor")  # with a password of another
    assert list_reads(home) == [read]


def test_where_a_reading_cannot_be_recorded_nothing_is_shown(
    home: Path, ask: Ask, passwords: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARVOZA_PASSWORD", passwords["supervisor"])
    before = list_reads(home)

    def refuse(_journal: Journal, _drafts: object) -> None:
        raise StoreUnavailableError("the disk is full")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Journal, "append", refuse)
        with pytest.raises(StoreUnavailableError):
            ask(PLATES, "--as", "supervisor")
    # Negative control: a command that forgets the record shows everything, and leaves no trace.
    monkeypatch.setattr(commands, "_record_reading", lambda *_: None)
    assert ask(PLATES, "--as", "supervisor")
    assert list_reads(home) == before


def test_digests_keep_equal_vehicles_equal_and_nulls_null() -> None:
    plates = pa.chunked_array([["01 A 123 BC", None], ["01A123BC", "01A124BC"]])
    first, none, second, other = digest_column(plates, "plate", b"k").to_pylist()
    assert first == second != other
    assert none is None
    lists = pa.chunked_array([pa.array([["x"], None, [], ["y", "x"]], pa.list_(pa.string()))])
    ((x,), absent, empty, (y, again)) = digest_column(lists, "container_numbers", b"k").to_pylist()
    assert (x, absent, empty) == (again, None, [])
    assert x != y
    assert digest_column(plates, "plate", b"other").to_pylist()[0] != first
    stated = pa.chunked_array([['{"axles": 5, "permit": "01-a 123 bc"}', None]])
    national, none = digest_column(stated, "national", b"k").to_pylist()
    assert (json.loads(national), none) == ({"axles": 5, "permit": first}, None)


def test_python_opens_a_home_as_of_a_time(home: Path) -> None:
    now, early = open_history(home), open_history(home, "2026-01-01")
    frames = now.frames(["crossings", "inspections"])
    assert len(frames["crossings"]) > len(early.tables(["crossings"])["crossings"]) > 0
    assert set(frames["crossings"]["plate"].dropna().str.len()) == {16}
    assert str(frames["crossings"]["known_at"].dtype) == "datetime64[us, UTC]"
    for bad in ({"root": home / "none"}, {"root": home, "as_of": "2999-01-01"}):
        with pytest.raises(InputError):
            open_history(**bad)
    with pytest.raises(InputError, match="no such table"):
        now.tables(["people"])


def test_frames_are_of_numpy_and_say_what_is_empty(home: Path) -> None:
    frames = open_history(home).frames(["crossings", "features", "decisions"])
    crossings = frames["crossings"]
    assert crossings["weighed_mass_kg"].dtype == np.float64
    assert np.isnan(crossings["weighed_mass_kg"]).any()
    assert {one.kind for one in frames["features"].dtypes.iloc[2:]} == {"f"}
    for name, frame in frames.items():
        empty = {column for column in frame if frame[column].notna().sum() == 0}
        assert set(frames.empty[name]) == empty, name
    assert frames.empty["features"]
    values = frames.matrix()
    assert values.index.tolist() == frames["features"]["crossing_id"].tolist()
    assert not set(values) & {"crossing_id", "as_of", *frames.empty["features"]}
    assert set(values.dtypes) == {np.dtype(np.float32)}
    assert set(frames.matrix("crossings").dtypes) == {np.dtype(np.float32)}
    with pytest.raises(InputError, match="crossing_id"):
        open_history(home).frames(["declarations"]).matrix("declarations")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (
            "SELECT * FROM crossings c JOIN inspections i USING (crossing_id)",
            {"c.known_at", "i.known_at", "crossing_id", "outcome"},
        ),
        (
            "SELECT seizures.known_at, i.known_at FROM inspections i, seizures",
            {"seizures.known_at", "i.known_at"},
        ),
        (
            "WITH t AS (SELECT crossing_id, 1 AS post FROM crossings) "
            "SELECT * EXCLUDE (crossing_id) FROM t, crossings ORDER BY 1 LIMIT 2",
            {"t.post", "crossings.post", "direction"},
        ),
    ],
)
def test_a_column_that_two_relations_share_names_its_relation(
    home: Path, query: str, names: set[str]
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(home_history, "_prefix_columns", lambda *given: given[-1])  # seeded bug
        plain = run_query(query, open_history(home)).columns
    columns = run_query(query, open_history(home)).columns
    assert len(set(plain)) < len(set(columns))
    assert names <= set(columns)
    assert [one.rpartition(".")[2] for one in columns] == [*plain]


def test_two_columns_of_one_name_are_refused(home: Path) -> None:
    with pytest.raises(InputError, match="named n; name each by AS"):
        run_query("SELECT 1 AS n, 2 AS n FROM crossings", open_history(home))
