"""A home opened as of a time: its records, decisions, reviews and features as tables, and SQL.

A row is in a table if it was known at that time: a crossing, an act and a seizure by their own
``known_at``, a declaration and its goods with the crossing that they came with, a decision and a
review by the time of their record. Later records change nothing of what an earlier time shows.
An act or a seizure that was corrected is one row, as last stated by that time.

One read-only SQL statement at a time runs over these tables, by DuckDB. The statement sees the
tables of :class:`HomeHistory` and nothing else: no file, no network, no other database, no setting.
"""

import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from tempfile import TemporaryDirectory
from threading import Timer
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection

from engine.analysis.area import DECISION_COLUMNS, REVIEW_COLUMNS
from engine.criteria.profiles.readable_fields import FOLDED
from engine.domain.identifiers import fold
from engine.domain.records import Record
from engine.domain.time_units import micros
from engine.domain.validation import bare
from engine.errors import InputError
from engine.journal.journal import JournalReader
from engine.journal.kinds import DECISION, REVIEW, SEIZURE_CORRECTED
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.tables import KEYS, MODELS, SCHEMAS, Tables, read_event_log
from features.offline.feature_matrix import export
from models.data.build_dataset import assemble
from models.data.dataset import Dataset

RECORDS: Final = tuple(SCHEMAS)
NAMES: Final = (*RECORDS, "decisions", "reviews", "features")
"""Every table of a home; the fixed names of ``darvoza sql``."""
VEHICLE_IDENTIFIERS: Final = frozenset(FOLDED)
"""Compared folded everywhere: as digests, equal vehicles stay equal however they were written."""
IDENTIFIERS: Final = VEHICLE_IDENTIFIERS | {
    "driver_ref",
    "carrier_id",
    "declarant_id",
    "consignor_id",
    "consignee_id",
    "tir_carnet",
    "cmr_number",
    "previous_documents",
    "national",
}
_ENDS: Final = {"inspections": "completed_at", "seizures": "seized_at"}
"""The time of a row that every row has: as stated, else of filing."""
_INSTANT = pa.timestamp("us", tz="UTC")
_TYPES = {
    str: pa.string(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: _INSTANT,
    list: pa.list_(pa.string()),
}
_DECISIONS, _REVIEWS = (
    pa.schema([pa.field(name, _TYPES[kind]) for name, kind in columns.items()])
    for columns in (DECISION_COLUMNS, REVIEW_COLUMNS)
)
_PROCESS_KEY: Final = token_bytes()
Opener = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class HomeHistory:
    """A home as it was known at a time.

    Attributes
    ----------
    home : Home
        The home.
    read : callable
        Opens a reading connection to its store.
    as_of : int
        UTC microseconds; what became known then or earlier is there.
    digest_key : bytes or None
        Key of the digests that stand for identifiers; None leaves identifiers as they are.

    """

    home: Home
    read: Opener
    as_of: int
    digest_key: bytes | None

    def tables(self, names: Iterable[str] = NAMES) -> dict[str, Any]:
        """Return pyarrow tables by name; times are timestamps in UTC, what is missing is null.

        Raises
        ------
        InputError
            A name that is no table of a home.

        """
        wanted = list(names)
        for name in wanted:
            if name not in NAMES:
                raise InputError(name, f"no such table; there are {', '.join(NAMES)}")
        with self.read() as connection:
            made = {
                "decisions": _read_decisions(connection, self.as_of),
                "reviews": _read_reviews(connection, self.as_of),
            }
            known = None
            if set(wanted) - made.keys():
                known = cut_history(read_event_log(self.home, connection), self.as_of)
            withdrawn = _list_withdrawn(connection, self.as_of) if "seizures" in wanted else ()
        for name in set(wanted) - made.keys() - {"features"}:
            table = known.table(name) if known else None
            if name in ("inspections", "seizures"):
                table = _fill_time(table, KEYS[name][0], _ENDS[name])
                table = keep_last_stated(table, KEYS[name][0], without=withdrawn)
            made[name] = self._show(name, table)
        if "features" in wanted and known is not None:
            made["features"] = _compute_features(known)
        return {name: made[name] for name in wanted}

    def frames(self, names: Iterable[str] = NAMES) -> "Frames":
        """Return the tables as pandas frames with columns of numpy; see :meth:`tables`.

        Numbers and answers of yes or no with gaps are floats with NaN; times are ``datetime64``.
        """
        return Frames(
            {
                name: table.cast(_list_numpy_types(table)).to_pandas()
                for name, table in self.tables(names).items()
            }
        )

    def records(self) -> Tables:
        """Return the records as features and labels read them, identifiers as they are.

        Corrected acts keep every statement, each known from its own time.
        """
        with self.read() as connection:
            return cut_history(read_event_log(self.home, connection), self.as_of)

    def dataset(self) -> Dataset:
        """Return features and labels, one row a crossing, ordered by the cut of its features.

        Features of a row read what was known at it; labels are those known at ``as_of``.
        """
        return assemble(self.records(), Plan(CATALOGUE))

    def _show(self, name: str, table: Any) -> Any:
        """Return a table of records with times as timestamps and identifiers as digests."""
        times = {*_list_times(MODELS[name]), "known_at", "as_of"}
        for place, column in enumerate(table.column_names):
            if column in times:
                table = table.set_column(place, column, table[column].cast(_INSTANT))
            elif column in IDENTIFIERS and self.digest_key is not None:
                hidden = digest_column(table[column], column, self.digest_key)
                table = table.set_column(place, column, hidden)
        return table


class Frames(dict[str, Any]):
    """Tables of a home by name, as pandas frames."""

    @property
    def empty(self) -> dict[str, tuple[str, ...]]:
        """Columns without any value, by table."""
        return {
            name: tuple(column for column in frame if frame[column].isna().all())
            for name, frame in self.items()
        }

    def matrix(self, name: str = "features") -> Any:
        """Return a table's numbers as a frame that scikit-learn takes, NaN where missing.

        Rows, float32, have ``crossing_id`` as their index; columns without any value are left out:
        scikit-learn refuses or drops them. Raises ``InputError`` for a table whose rows are no
        crossings.
        """
        frame = self[name]
        if "crossing_id" not in frame:
            raise InputError(name, "its rows have no crossing_id")
        known = frame.set_index("crossing_id").drop(columns=[*self.empty[name]])
        return known.select_dtypes(["number", "bool"]).astype("float32")


def _list_numpy_types(table: Any) -> Any:
    """Return the schema of a table in which yes or no is a number where some rows have neither."""
    return pa.schema(
        field.with_type(pa.float64())
        if pa.types.is_boolean(field.type) and table[field.name].null_count
        else field
        for field in table.schema
    )


def open_history(root: str | Path, as_of: str | datetime | None = None) -> HomeHistory:
    """Return a home as known at a time, with digests for identifiers.

    ``as_of`` is an RFC 3339 text, a date (midnight UTC) or a time; default now. Digests are equal
    within one process.

    Raises
    ------
    InputError
        No home there, or a time that is later than now.

    """
    home = Home(Path(root).absolute())
    if not home.root.is_dir():
        raise InputError(str(root), "no such folder")
    given = None if as_of is None else micros(as_instant(as_of))
    moment = check_moment(given, name="as_of")
    return HomeHistory(home, partial(_read_once, home.database_url), moment, _PROCESS_KEY)


@contextmanager
def _read_once(url: str) -> Iterator[Connection]:
    """Open a store for one reading: a notebook has no place to close one that stays open."""
    with Store(url) as store, store.read() as connection:
        yield connection


def as_instant(time: str | datetime) -> datetime:
    """Return a time with its zone; a date is midnight UTC, and so is a time without a zone in UTC.

    Raises ``InputError`` for a text that is no time.
    """
    try:
        given = datetime.fromisoformat(time) if isinstance(time, str) else time
    except ValueError:
        raise InputError("time", "a date, or an RFC 3339 time") from None
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)


def check_moment(as_of: int | None, *, name: str) -> int:
    """Return a time in UTC microseconds, now where none is given; ``InputError`` if it is later."""
    now = micros(datetime.now(UTC))
    if as_of is not None and as_of > now:
        raise InputError(name, "later than now")
    return now if as_of is None else as_of


def cut_history(tables: Tables, as_of: int) -> Tables:
    """Return what of a history was known at a time (UTC microseconds)."""
    crossings = tables.crossings.filter(pc.less_equal(tables.crossings["known_at"], as_of))
    declared = pa.chunked_array(crossings["declaration_id"].unique().drop_null())
    kept: Mapping[str, Any] = {"crossings": crossings} | {
        name: tables.table(name).filter(
            pc.is_in(tables.table(name)["declaration_id"], value_set=declared)
        )
        for name in ("declarations", "goods_items")
    }
    later = {
        name: tables.table(name).filter(pc.less_equal(tables.table(name)["known_at"], as_of))
        for name in ("inspections", "seizures")
    }
    return Tables(**kept, **later, network=tables.network, digest=tables.digest)


def _fill_time(table: Any, key: str, column: str) -> Any:
    """Return a table with the time of the first statement of a record that states no time."""
    first = table.group_by(key).aggregate([("known_at", "min")])
    at = pc.index_in(table[key], value_set=first[key])
    filed = pc.coalesce(table[column], first["known_at_min"].take(at))
    return table.set_column(table.column_names.index(column), column, filed)


def keep_last_stated(table: Any, key: str, *, without: Iterable[str] = ()) -> Any:
    """Return one row a record: the last of those with its identifier, in the order of the table.

    Rows whose identifier is in ``without`` are left out.
    """
    numbered = pa.table({"key": table[key], "place": pa.array(range(len(table)), pa.int64())})
    last = numbered.group_by("key").aggregate([("place", "max")]).sort_by("place_max")
    kept = table.take(last["place_max"])
    return kept.filter(pc.invert(pc.is_in(kept[key], pa.array([*without], pa.string()))))


def digest_column(values: Any, name: str, key: bytes) -> Any:
    """Return a column of identifiers with each value as the keyed digest of it, nulls as nulls.

    Sixteen hexadecimal digits of HMAC-SHA256; one key gives equal values equal digests in all
    tables. Identifiers of vehicles are folded first, and so are texts of national fields, whose
    numbers and truth values stay.
    """
    if pa.types.is_list(values.type):
        whole = values.combine_chunks()
        if isinstance(whole, pa.ChunkedArray):
            whole = (
                pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], values.type)
            )
        inner = digest_column(pa.chunked_array([whole.flatten()]), name, key).combine_chunks()
        offsets = pc.subtract(whole.offsets, whole.offsets[0])
        return pa.ListArray.from_arrays(offsets, inner, mask=pc.is_null(whole))
    is_vehicle = name in VEHICLE_IDENTIFIERS
    encoded = values.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()

    def hide(value: str) -> str:
        return hmac.new(key, value.encode(), sha256).hexdigest()[:16]

    def hide_texts(value: str) -> str:
        stated = json.loads(value).items()
        return json.dumps({k: hide(fold(v)) if isinstance(v, str) else v for k, v in stated})

    digests = [
        hide_texts(value) if name == "national" else hide(fold(value) if is_vehicle else value)
        for value in encoded.dictionary.to_pylist()
    ]
    return pa.chunked_array([pa.array(digests, pa.string()).take(encoded.indices)])


def _list_times(model: type[Record]) -> set[str]:
    fields = model.model_fields.items()
    return {name for name, field in fields if bare(field.annotation) is datetime}


def _list_withdrawn(connection: Connection, as_of: int) -> set[str]:
    """Return identifiers of seizures whose last correction, by a time, withdrew them."""
    last = {
        record.subject: record.body["seizure"]
        for record in JournalReader(connection).records(SEIZURE_CORRECTED)
        if record.known_at <= as_of
    }
    return {name for name, stated in last.items() if stated is None}


def _read_decisions(connection: Connection, as_of: int) -> Any:
    rows = []
    for record in JournalReader(connection).records(DECISION):
        if record.known_at <= as_of:
            decision = record.body["decision"]
            shown = {name: decision.get(name) for name in _DECISIONS.names}
            shown |= decision["risk"]
            cut = record.body["inputs"]["as_of"]
            rows.append(shown | {"decided_at": record.known_at, "as_of": cut})
    return _make_table(rows, _DECISIONS)


def _read_reviews(connection: Connection, as_of: int) -> Any:
    rows = [
        {name: record.body.get(name) for name in ("decision_id", "crossing_id", "person")}
        | {name: record.body["review"].get(name) for name in _REVIEWS.names[4:]}
        | {"reviewed_at": record.known_at}
        for record in JournalReader(connection).records(REVIEW)
        if record.known_at <= as_of
    ]
    return _make_table(rows, _REVIEWS)


def _make_table(rows: list[dict[str, Any]], schema: Any) -> Any:
    return pa.Table.from_pylist(rows, schema)


def _compute_features(known: Tables) -> Any:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "features.parquet"
        export(lambda: known, Plan(CATALOGUE), path)
        return pq.read_table(path, memory_map=False)


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one statement may take; the statement that takes more is refused."""

    rows: int | None = None
    seconds: float | None = None
    megabytes: int | None = None
    """Memory of DuckDB, the tables it reads included; nothing is written to a disk instead."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Columns and rows of an answer, and the tables that the statement read."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    tables: tuple[str, ...]


NO_LIMITS: Final = QueryLimits()
TABLE_FUNCTIONS: Final = frozenset({"range", "generate_series", "unnest"})
"""Functions that make a relation of their arguments alone."""
SETTING_FUNCTIONS: Final = frozenset(
    {"current_setting", "currval", "getenv", "getvariable", "nextval", "write_log"}
)
"""Functions of a value that read or change more than their arguments."""


def run_query(query: str, history: HomeHistory, limits: QueryLimits = NO_LIMITS) -> QueryResult:
    """Run one SELECT statement.

    Raises
    ------
    InputError
        Not one statement, one that is no SELECT, one that reads anything but the tables of a home,
        one that DuckDB refuses, or one that takes more than its limits.

    """
    with duckdb.connect(config={"python_enable_replacements": "false"}) as connection:
        try:
            tree = _parse_select(connection, query)
            used = _list_tables(tree)
            for name, table in history.tables(used).items():
                connection.from_arrow(table).create(name)
            connection.execute("SET TimeZone = 'UTC'")
            if limits.megabytes is not None:
                connection.execute(f"SET memory_limit = '{limits.megabytes} MiB'")
                connection.execute("SET temp_directory = ''")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            columns, rows = _fetch(connection, query, limits)
            if len(set(columns)) < len(columns):
                columns = _prefix_columns(connection, tree, columns)
            return QueryResult(columns, rows, used)
        except duckdb.InterruptException:
            why = f"took more than {limits.seconds:g} seconds"
            raise InputError("query", why) from None
        except (MemoryError, duckdb.OutOfMemoryException):
            why = f"needs more than {limits.megabytes} MB"
            raise InputError("query", why) from None
        except duckdb.Error as error:
            raise InputError("query", str(error)) from error


def _fetch(
    connection: duckdb.DuckDBPyConnection, query: str, limits: QueryLimits
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return columns and rows; rows are made as they are fetched, and no more than the limit."""
    timer = Timer(limits.seconds or 0, connection.interrupt)
    if limits.seconds is not None:
        timer.start()
    try:
        answer = connection.execute(query)
        columns = tuple(one[0] for one in answer.description or ())
        if limits.rows is None:
            return columns, answer.fetchall()
        rows = answer.fetchmany(limits.rows + 1)
    finally:
        timer.cancel()
    if len(rows) > limits.rows:
        raise InputError("query", f"more than {limits.rows:,} rows: count, group, or add a LIMIT")
    return columns, rows


def _prefix_columns(
    connection: duckdb.DuckDBPyConnection, tree: Mapping[str, Any], columns: tuple[str, ...]
) -> tuple[str, ...]:
    """Return names of columns in which those that two relations share name their relation.

    Raises ``InputError`` where that leaves two columns of one name.
    """
    node = tree["statements"][0]["node"]
    sources: list[tuple[str, str]] = []
    for one in node.get("select_list", ()):  # a union has none, and is refused
        if one["type"] == "STAR":
            sources += _expand_star(connection, node, one)
        else:
            *path, name = one.get("column_names", [""])
            sources.append((path[-1] if path and not one["alias"] else "", name))
    counts = Counter(columns)
    if len(sources) == len(columns):
        columns = tuple(
            f"{source[0]}.{name}" if counts[name] > 1 and source[0] else name
            for name, source in zip(columns, sources, strict=True)
        )
    for name, count in Counter(columns).items():
        if count > 1:
            raise InputError("query", f"{count} columns are named {name}; name each by AS")
    return columns


def _expand_star(
    connection: duckdb.DuckDBPyConnection, node: dict[str, Any], star: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield relation and name of the columns that a star stands for."""
    for relation, joined in _list_relations(node["from_table"]):
        if star["relation_name"] in ("", relation):
            whole = star | {"relation_name": relation, "exclude_list": []}
            own = node | {"select_list": [whole], "modifiers": []}
            asked = json.dumps({"error": False, "statements": [{"node": own}]})
            found = connection.execute(
                "SELECT * FROM json_execute_serialized_sql(?) LIMIT 0", [asked]
            )
            for name, *_ in found.description or ():
                is_new = star["relation_name"] or name not in joined
                if is_new and name not in star["exclude_list"]:
                    yield relation, name


def _list_relations(
    table: dict[str, Any], joined: Iterable[str] = ()
) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield each relation of a FROM clause, and which columns stand with an earlier one."""
    if table["type"] == "JOIN":
        yield from _list_relations(table["left"], joined)
        yield from _list_relations(table["right"], table["using_columns"])
    else:
        yield table["alias"] or table.get("table_name", ""), joined


def _parse_select(connection: duckdb.DuckDBPyConnection, query: str) -> Mapping[str, Any]:
    """Return the tree of a statement; refuse what is not one SELECT."""
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InputError("query", "one SELECT statement, nothing else")
    serialized = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()[0][0]
    try:
        tree: Mapping[str, Any] = json.loads(serialized)
    except RecursionError:
        raise InputError("query", "nests too deep") from None
    if tree["error"]:
        raise InputError("query", "a statement of this form cannot be checked: write it otherwise")
    return tree


def _list_tables(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tables of a home that a statement reads; refuse whatever else it would read."""
    nodes = list(_walk(tree))
    own = {
        one["key"].lower() for node in nodes for one in (node.get("cte_map") or {}).get("map", ())
    }
    used = set()
    for node in nodes:
        if node.get("class") == "FUNCTION" and node["function_name"].lower() in SETTING_FUNCTIONS:
            raise InputError("query", f"no function {node['function_name']} here")
        if node.get("type") == "TABLE_FUNCTION":
            name = node["function"]["function_name"]
            if name.lower() not in TABLE_FUNCTIONS:
                raise InputError("query", f"no table function {name} here")
        elif node.get("type") == "BASE_TABLE":
            name = node["table_name"].lower()
            is_bare = not node["schema_name"] and not node["catalog_name"]
            if is_bare and name in NAMES:
                used.add(name)
            elif not (is_bare and name in own):
                raise InputError("query", f"no table {name}; there are {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in used)


def _walk(tree: object) -> Iterator[Mapping[str, Any]]:
    """Yield every node of a tree that has names, without recursion."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
