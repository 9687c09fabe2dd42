"""Work that each test would do again, done once in the life of a test process, or not at all.

A command of the command line, the routes of a service and the text of a statement are the same for
all tests: to make them takes longer than most tests. Nothing that a test may change is kept.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

STATEMENTS = 5_000


class DialectCache(LRUCache[Any, Any]):
    """Compiled statements of every engine of one dialect: each engine has a dialect object."""

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a statement by what it says, whichever engine compiled it."""
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep a statement."""
        super().__setitem__(key[1:], value)


def keep_work() -> None:
    """Keep commands, routes and statements for the life of this process."""
    patched = pytest.MonkeyPatch()
    _keep_commands(patched)
    _keep_routes(patched)
    _keep_statements(patched)
    _flush_nothing(patched)


def _keep_commands(patched: pytest.MonkeyPatch) -> None:
    from typer import testing

    patched.setattr(testing, "_get_command", cache(testing._get_command))


def _keep_routes(patched: pytest.MonkeyPatch) -> None:
    """Share what FastAPI works out for each route between services with the same routers.

    It does so when a service first looks for a route, and for each service again.
    """
    from fastapi import routing

    def share(find: Callable[[Any], Any]) -> Callable[[Any], Any]:
        known: dict[int, list[tuple[Any, int, Any]]] = {}

        def look_up(included: Any) -> Any:
            about = replace(included.include_context, dependency_overrides_provider=None)
            version = included.original_router._get_routes_version()
            of_router = known.setdefault(id(included.original_router), [])
            for other, its_version, found in of_router:
                if other == about and its_version == version:
                    return found
            of_router.append((about, version, find(included)))
            return of_router[-1][2]

        return look_up

    for name in ("effective_candidates", "effective_low_priority_routes"):
        patched.setattr(
            routing._IncludedRouter, name, share(getattr(routing._IncludedRouter, name))
        )


def _keep_statements(patched: pytest.MonkeyPatch) -> None:
    from engine.storage import database

    create, known = database.create_engine, dict[str, DialectCache]()

    def create_engine(*given: Any, **named: Any) -> Engine:
        made = create(*given, **named)
        name = made.dialect.name
        made._compiled_cache = known.setdefault(name, DialectCache(STATEMENTS))
        return made

    patched.setattr(database, "create_engine", create_engine)


FLUSHING: set[str] = set()
"""Names a test file while it wants SQLite to flush every commit, as the product does."""


def _flush_nothing(patched: pytest.MonkeyPatch) -> None:
    """Leave the flush of a commit to the system: no test cuts the power, and a kill loses nothing.

    To wait for the disk takes longer than most of what is recorded. Processes that tests start
    flush as ever.
    """
    from engine.storage import database

    prepare = database._prepare_sqlite

    def prepare_quickly(raw: Any, record: object, *, cache_kb: int) -> None:
        prepare(raw, record, cache_kb=cache_kb)
        if not FLUSHING:
            raw.execute("PRAGMA synchronous = OFF")

    patched.setattr(database, "_prepare_sqlite", prepare_quickly)
