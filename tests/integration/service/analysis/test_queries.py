"""Queries without a shell: the answers of ``darvoza sql``, limits, refusals, a record of each."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from api.analysis.queries import VIEWS, QueryAsked, check_reach
from api.analysis.queries import run_query as run_service_query
from api.auth.agencies import Duties
from api.auth.callers import Caller
from engine.analysis.area import QUERY_RUN
from engine.domain.rights import Matter, Right, Role, Scope
from engine.errors import InputError, NotAllowedError
from engine.journal.journal import JournalReader
from experiments.analysis import home_history
from experiments.analysis.home_history import NAMES, QueryLimits, open_history, run_query
from tests.support.people import at_desk, person, send
from tests.support.running_service import POST, World, arrival

HOSTILE = (
    "ATTACH 'other.db'",
    "ATTACH 'darvoza.sqlite' AS live (TYPE sqlite)",
    "DETACH memory",
    "COPY crossings TO 'stolen.csv'",
    "COPY (SELECT 1) TO '/tmp/stolen.parquet'",
    "COPY crossings FROM '/etc/passwd'",
    "EXPORT DATABASE 'stolen'",
    "IMPORT DATABASE 'stolen'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial FROM community",
    "SET enable_external_access = true",
    "SET GLOBAL memory_limit = '64GB'",
    "RESET lock_configuration",
    "PRAGMA database_list",
    "PRAGMA enable_external_access",
    "CALL pragma_database_size()",
    "CALL enable_logging()",
    "CREATE TABLE mine AS SELECT 1",
    "CREATE SECRET s (TYPE s3)",
    "INSERT INTO crossings SELECT * FROM crossings",
    "UPDATE crossings SET post = 'X'",
    "DELETE FROM crossings",
    "DROP TABLE crossings",
    "ALTER TABLE crossings ADD COLUMN x INT",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "EXPLAIN ANALYZE SELECT 1",
    "BEGIN TRANSACTION",
    "CHECKPOINT",
    "VACUUM",
    "USE memory",
    "SELECT 1; SELECT 2",
    "SELECT",
    "",
    "SELECT * FROM nothing",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'https://example.org/x.parquet'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM read_blob('keys/*')",
    "SELECT * FROM read_parquet('history/*/*.parquet')",
    "SELECT * FROM read_json('/etc/hostname')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM sqlite_scan('darvoza.sqlite', 'users')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('crossings')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_settings",
    "SELECT * FROM memory.main.crossings",
    "SELECT getenv('HOME')",
    "SELECT current_setting('home_directory')",
    "SELECT write_log('x')",
    "SELECT (SELECT max(content) FROM read_text('/etc/hostname'))",
    "WITH t AS (SELECT * FROM read_csv('/etc/passwd')) SELECT * FROM t",
    "DESCRIBE SELECT * FROM read_csv('/etc/passwd')",
    "SELECT " + "(" * 6000 + "1" + ")" * 6000,
)
BOMBS = (
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "SELECT count(*) FROM range(1000000) a, range(1000000) b",
    "SELECT list(a.range) FROM range(1000000) a, range(1000000) b",
    "SELECT * FROM range(100000000) a, range(100000000) b",
    "SELECT * FROM range(10000000000) ORDER BY hash(range)",
)
LIMITS = QueryLimits(rows=100, seconds=1.0, megabytes=256)
PURPOSE = "The monthly report."


@pytest.fixture(scope="module")
def busy_world(world: World) -> World:
    """Let some vehicles cross before anybody asks; a statement may run for three seconds."""
    world.decide_all(arrival(810_000 + number) for number in range(12))
    world.runtime.settings = world.runtime.settings.model_copy(update={"query_seconds": 3})
    return world


def post(world: World, by: dict[str, str], query: str, **more: Any) -> Any:
    body = {"query": query, "purpose": PURPOSE} | more
    return send(world, "/v1/queries", body, by)


def list_queries(world: World) -> list[Any]:
    with world.runtime.store.read() as connection:
        return [one.body for one in JournalReader(connection).records(QUERY_RUN)]


def test_forty_hostile_statements_are_refused(
    busy_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = open_history(busy_world.home.root)
    assert len(HOSTILE) >= 40
    for query in HOSTILE:
        with pytest.raises(InputError, match="query"):
            run_query(query, history, LIMITS)
    monkeypatch.setattr(home_history, "TABLE_FUNCTIONS", frozenset({"duckdb_settings"}))
    assert run_query("SELECT name FROM duckdb_settings()", history).rows, "seeded bug: too many"


def test_a_page_lists_the_columns_that_a_statement_may_name(busy_world: World) -> None:
    tables = open_history(busy_world.home.root).tables()
    assert tuple(VIEWS) == NAMES
    for name, columns in VIEWS.items():
        assert set(tables[name].column_names) == set(columns), name
    analyst = at_desk(busy_world, "analyst-of-columns", Role.ANALYST)
    fields = {"query": "SELECT post FROM inspections", "purpose": PURPOSE, "as_of": ""}
    page = analyst.send("/queries", "/queries", fields)
    assert page.status_code == 422 and page.text.count("Binder Error") == 1
    assert "It names a view or a column that is not there" in page.text
    assert "<code>linked_crossing_id</code>" in page.text
    assert "or the time of filing where none was stated" in page.text


def test_what_grows_without_end_stops_at_its_limit(busy_world: World) -> None:
    history = open_history(busy_world.home.root)
    for query in BOMBS:
        with pytest.raises(InputError, match=r"took more|needs more|more than 100 rows"):
            run_query(query, history, LIMITS)
    assert len(run_query("SELECT * FROM range(100)", history, LIMITS).rows) == 100


def test_an_answer_is_that_of_the_command(busy_world: World) -> None:
    analyst = person(busy_world, Role.ANALYST)
    for query in (
        "SELECT crossing_id, plate, weighed_mass_kg FROM crossings ORDER BY crossing_id",
        "SELECT channel, count(*) AS n, avg(propensity) AS p FROM decisions GROUP BY 1 ORDER BY 1",
    ):
        answer = post(busy_world, analyst, query)
        assert answer.status_code == 201, answer.text
        found = answer.json()
        command = [sys.executable, "-m", "api", "sql", query, "--as-of", found["as_of"], "--json"]
        command += ["--home", str(busy_world.home.root)]
        printed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        assert found["rows"] and printed == {name: found[name] for name in printed}
        last = list_queries(busy_world)[-1]
        assert last["digest"] == found["digest"] and last["rows"] == len(found["rows"])
        assert last["statement"] == query and last["purpose"] == PURPOSE and last["by"]
    earlier = post(
        busy_world, analyst, "SELECT 1 AS n FROM decisions", as_of="2020-01-01T00:00:00Z"
    )
    assert earlier.json()["rows"] == []
    assert send(busy_world, "/v1/queries", QueryAsked.EXAMPLE, analyst).status_code == 201


def test_a_refusal_names_the_statement_and_is_recorded(busy_world: World) -> None:
    analyst = person(busy_world, Role.ANALYST)
    for query in ("SELECT * FROM read_csv('/etc/passwd')", BOMBS[1]):
        answer = post(busy_world, analyst, query)
        assert answer.status_code == 422, answer.text
        (fault,) = answer.json()["fields"]
        assert fault["at"] == "query" and fault["rule"] == "refused_query" and fault["why"]
        assert list_queries(busy_world)[-1]["refused"] == "query: " + fault["why"]
    before = len(list_queries(busy_world))
    for body in ({"query": "SELECT 1"}, {"purpose": PURPOSE, "query": "x" * 20_001}):
        assert send(busy_world, "/v1/queries", body, analyst).status_code == 422
    later = post(busy_world, analyst, "SELECT 1", as_of="2999-01-01T00:00:00Z")
    assert later.status_code == 422 and "later than now" in later.text
    assert len(list_queries(busy_world)) == before + 1


def test_only_an_analyst_of_every_post_and_agency_asks(busy_world: World) -> None:
    for role in set(Role) - {Role.ANALYST, Role.SUPERVISOR, Role.DECLARANT}:
        assert busy_world.post("/v1/queries", {}, role).status_code == 403, role
    whole = Caller("ann", Role.ANALYST, None)
    check_reach(whole)
    own = {(Matter.SEIZURES, Right.SEE): Scope.OWN}
    for less in (
        replace(whole, post=POST),
        replace(whole, duties=Duties(agency="interior", scopes=own)),
    ):
        with pytest.raises(NotAllowedError):
            run_service_query(
                busy_world.runtime, less, QueryAsked.model_validate(QueryAsked.EXAMPLE)
            )


def test_the_page_shows_the_answer_and_writes_a_file(busy_world: World) -> None:
    desk = at_desk(busy_world, "analyst-at-desk", Role.ANALYST)
    fields = {"query": "SELECT '=1+1' AS formula, 2.5 AS n", "purpose": PURPOSE, "as_of": ""}
    page = desk.send("/queries", "/queries", fields)
    assert page.status_code == 200 and "=1+1" in page.text
    file = desk.send("/queries", "/queries", fields | {"file": "csv"})
    assert file.headers["content-type"].startswith("text/csv")
    assert file.text.splitlines() == ["formula,n", "'=1+1,2.5"]
    wrong = desk.send("/queries", "/queries", fields | {"query": "DROP TABLE crossings"})
    assert wrong.status_code == 422 and "one SELECT statement" in wrong.text
    assert "DROP TABLE crossings" in wrong.text, "what was typed is kept"
