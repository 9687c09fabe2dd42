"""CSV of the lists that routes answer: the JSON answer of the same route, written as a table.

Whatever asks for CSV goes through the whole route first, so authorisation, agencies, blinding and
records of what was read are those of the JSON answer, and no route has a second reader. Pages of
a list are read one after another while they are sent; one of them is held at a time.
"""

import csv
import io
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, urlencode

import orjson
from fastapi import Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from api.http.dependencies import CheckedRoute
from api.http.problems import TITLES, problem
from engine.domain.validation import rule_of
from engine.storage.home import escape_cell

PAGE_ROWS = 500
"""Rows read at a time."""
SEPARATORS: Mapping[str, str] = {"comma": ",", "semicolon": ";"}
"""Values of ``spreadsheet``; the second also writes decimals with a comma."""
LISTS: dict[str, Sequence[str]] = {}
"""Tables of each GET route that answers one, by its path; the first is the default."""

_MARK = "\ufeff"
_PIECE = re.compile(r"(?<=[;\r\n])(?=\s*[=+\-@])")
"""Before what would be a formula if a spreadsheet took a semicolon for a separator."""
_QUALITY = re.compile(r";\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)
_PARAMETERS = (
    ("spreadsheet", SEPARATORS, "CSV as a file for a spreadsheet, whatever `Accept` says."),
    ("table", (), "Which table of the answer, in CSV."),
)


def parameters(tables: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the OpenAPI document says of the parameters of a route with these tables."""
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": words,
            "schema": {"type": "string", "enum": [*(choices or tables)]},
        }
        for name, choices, words in _PARAMETERS
    ]


def find_rows(model: type, table: str) -> tuple[tuple[type, ...], bool]:
    """Return the types that a row of a table may have, the last of which says least.

    And whether its rows have names, which become a column ``key``.
    """
    kinds: tuple[Any, ...] = (model,)
    found: Any = model
    for name in table.split("."):
        (found,) = _members(_fields(kinds[0])[name])
        kinds = (found,) if get_origin(found) is None else _members(get_args(found)[-1])
    return kinds, get_origin(found) is dict


def _fields(kind: Any) -> Mapping[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {one.name: hints[one.name] for one in fields(kind)}


def _members(kind: Any) -> tuple[Any, ...]:
    is_union = get_origin(kind) in (Union, UnionType)
    return tuple(one for one in get_args(kind) if one is not NoneType) if is_union else (kind,)


def find_columns(kind: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every column of a row: fields of fields, where their names are fixed."""
    members = _members(kind)
    only = members[0] if len(members) == 1 else None
    if isinstance(only, type) and is_dataclass(only):
        for name, inner in _fields(only).items():
            yield from find_columns(inner, (*at, name))
    elif get_origin(only) is dict and get_origin(get_args(only)[0]) is Literal:
        for name in get_args(get_args(only)[0]):
            yield from find_columns(get_args(only)[1], (*at, name))
    else:
        yield at


def _fits(kind: Any, row: Mapping[str, Any]) -> bool:
    needed = [one.name for one in fields(kind) if one.default is one.default_factory is MISSING]
    return all(name in row for name in needed)


def read_table(content: Any, table: str) -> list[Any]:
    """Return the rows of a table of an answer; of one by name, each with its ``key``."""
    for name in table.split("."):
        content = None if content is None else content[name]
    if isinstance(content, dict):
        return [{"key": key} | row for key, row in content.items()]
    return content or []


@dataclass(slots=True)
class CsvWriter:
    """Writes pages of rows as CSV, the header before the first."""

    kinds: tuple[type, ...]
    is_keyed: bool
    separator: str = ","
    is_file: bool = False
    """It is kept without its headers, so a mark says that it is UTF-8."""
    columns: Sequence[tuple[str, ...]] = ()

    def write(self, rows: Sequence[Any]) -> bytes:
        """Return the text of the next rows."""
        lines: list[list[str]] = []
        mark = ""
        if not self.columns:
            fitting = (one for one in self.kinds if rows and _fits(one, rows[0]))
            kind = next(fitting, self.kinds[-1])
            self.columns = [*([("key",)] if self.is_keyed else []), *find_columns(kind)]
            lines.append([".".join(path) for path in self.columns])
            mark = _MARK if self.is_file else ""
        lines += ([self._cell(_value(row, path)) for path in self.columns] for row in rows)
        text = io.StringIO()
        csv.writer(text, delimiter=self.separator).writerows(lines)
        return (mark + text.getvalue()).encode()

    def _cell(self, value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, list) and all(map(_is_plain, value)):
            return ";".join(map(self._cell, value))
        text = escape_cell(value) if isinstance(value, str) else orjson.dumps(value).decode()
        if isinstance(value, float) and self.separator == ";":
            return text.replace(".", ",")
        return _PIECE.sub("'", text)


def _value(row: Any, path: Sequence[str]) -> Any:
    for name in path:
        row = row.get(name) if isinstance(row, dict) else None
    return row


def _is_plain(value: object) -> bool:
    return isinstance(value, int | float) or (
        isinstance(value, str) and value != "" and ";" not in value
    )


def _quality(accept: str, kind: str) -> tuple[float, bool]:
    """Return how much a type is wanted, and whether it is named in full (RFC 9110, 12.5.1)."""
    wanted = {}
    for one in accept.lower().split(","):
        found = _QUALITY.search(one)
        wanted[one.partition(";")[0].strip()] = 1.0 if found is None else float(found[1])
    ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((wanted[one] for one in ranges if one in wanted), 0.0), kind in wanted


def prefers_csv(accept: str, *, has_list: bool) -> bool:
    """Tell whether CSV is asked for: named, and more than JSON; else JSON, as ever.

    Where there is no list, only if JSON would not do.

    >>> prefers_csv("text/csv, */*", has_list=True), prefers_csv("text/csv, */*", has_list=False)
    (True, False)
    """
    (csv_quality, is_named), (quality, is_json) = (
        _quality(accept, kind) for kind in ("text/csv", "application/json")
    )
    if not is_named or csv_quality == 0:
        return False
    return (csv_quality, not is_json) > (quality, False) if has_list else quality == 0


class ListRoute(CheckedRoute):
    """A route that answers its lists as CSV too, to who asks for it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        is_read = "GET" in (options.get("methods") or ())
        tables = getattr(options.get("response_model"), "tables", ()) if is_read else ()
        responses = dict(options.get("responses") or {})
        if tables or not is_read:
            responses.pop(406, None)
        if tables:
            responses[200] = {"content": {"text/csv": {"schema": {"type": "string"}}}}
            options["openapi_extra"] = {"parameters": parameters(tables)}
        super().__init__(*args, **options | {"responses": responses})
        self.is_read = is_read
        self.tables: Sequence[str] = tables
        if tables:
            LISTS[self.path_format] = tables

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: with CSV where that is asked for and there is a list."""
        asked = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        accept = ", ".join(Headers(scope=scope).getlist("accept"))
        is_file = bool(self.tables) and "spreadsheet" in asked
        is_wanted = is_file or prefers_csv(accept, has_list=bool(self.tables))
        if not is_wanted or scope["method"] != "GET" or not self.is_read:
            await super().handle(scope, receive, send)
            return
        answer = await self._answer(scope, receive, asked)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, asked: Mapping[str, str]) -> Response:
        if not self.tables:
            why = "this route answers no list: it has no CSV"
            return problem(406, TITLES[406], why, instance=self.path_format)
        table = asked.get("table", self.tables[0])
        is_paged = table == self.tables[0] and "next_before" in _fields(self.response_model)
        reads_on = is_paged and "limit" not in asked
        more = [("limit", str(PAGE_ROWS))] if reads_on else []
        first = await self._read(scope, receive, more)
        if first.status_code != 200:
            return first
        separator = SEPARATORS.get(asked.get("spreadsheet", "comma"))
        if separator is None or table not in self.tables:
            return self._refuse("table" if separator else "spreadsheet")
        writer = CsvWriter(
            *find_rows(self.response_model, table), separator, "spreadsheet" in asked
        )

        async def pages() -> AsyncIterator[bytes]:
            page, before = first, None
            while page.status_code == 200:
                content = orjson.loads(page.body)
                yield await run_in_threadpool(writer.write, read_table(content, table))
                before = content["next_before"] if reads_on else None
                if before is None:
                    return
                del content
                page = await self._read(scope, receive, [*more, ("before", str(before))])
            raise RuntimeError("a later page of the list was refused")

        return StreamingResponse(pages(), headers=_headers(scope["path"], table, self.tables))

    async def _read(
        self, scope: Scope, receive: Receive, more: Sequence[tuple[str, str]]
    ) -> Response:
        """Return what the route answers in JSON, with these parameters in place of its own."""
        names = {name for name, _ in more}
        known = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = urlencode([*(one for one in known if one[0] not in names), *more])
        asked = {**scope, "query_string": query.encode()} if more else scope
        answer = Response()
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status_code = message["status"]
                answer.raw_headers = list(message["headers"])
            parts.append(message.get("body", b""))

        await super().handle(asked, receive, keep)
        answer.body = b"".join(parts)
        return answer

    def _refuse(self, name: str) -> Response:
        fault = {
            "at": f"query.{name}",
            "rule": rule_of("literal_error"),
            "why": "is none of the choices",
        }
        detail = "the request does not fit the schema"
        return problem(422, TITLES[422], detail, instance=self.path_format, fields=[fault])


def _headers(path: str, table: str, tables: Sequence[str]) -> Mapping[str, str]:
    words = [one for one in path.split("/")[2:] if one != "posts"]
    words += [] if table == tables[0] else [table]
    words.append(time.strftime("%Y%m%dT%H%MZ", time.gmtime()))
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", "-".join(words))[-150:]
    return {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}.csv"',
    }
