"""A small synthetic deployment in a directory of its own, for runs that wear a service out.

Never the user's home, and never the user's database: where one is set, the run makes a database
next to it and drops it afterwards.
"""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.auth.permissions import Role
from api.service.runtime import open_network, open_store
from api.service.settings import VARIABLE
from engine.domain.time_units import DAY, SystemClock, moment
from engine.storage.home import DATABASE_VARIABLE, Home
from experiments.support.held_out_shift import cut
from experiments.synthetic.records.writer import write
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import load
from features.online.epoch import open_epoch

LATER = 90 * DAY
"""Part of the synthetic year that is sent rather than loaded."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A home with a history, and a checkpoint's key for every post."""

    home: Home
    arrivals: Sequence[Mapping[str, Any]]
    """What came after its history, as bodies of requests."""
    keys: Mapping[str, str]
    environment: Mapping[str, str]
    """What a process that is to work in this home has set."""


@contextmanager
def scratch(*, crossings: int, seed: int = 1) -> Iterator[Scratch]:
    """Make a deployment with a synthetic history; it is gone afterwards."""
    with TemporaryDirectory(prefix="darvoza-scratch-") as name, _database():
        home, now = Home(Path(name) / "home").prepare(), SystemClock().now()
        write(Path(name) / "all", crossings=crossings, seed=seed, end=moment(now))
        later = cut(Path(name) / "all", Path(name) / "history", opens_at=now - LATER)
        store = open_store(home)
        try:
            loaded = load(home, later.history)
            about = {"load": loaded.digest, "rows": dict(loaded.rows), "note": loaded.note}
            open_epoch(home, store, Plan(CATALOGUE), about=about, report=lambda _: None)
            network, pepper = open_network(home), open_pepper(home)
            accounts = Accounts(store, network)
            keys = {
                post.code: accounts.create_key(Role.CHECKPOINT, post.code, pepper=pepper).secret
                for post in network.posts.values()
            }
        finally:
            store.dispose()
        environment = {VARIABLE: str(home.root)}
        if database := os.environ.get(DATABASE_VARIABLE):
            environment[DATABASE_VARIABLE] = database
        yield Scratch(home, later.arrivals, keys, environment)


@contextmanager
def _database() -> Iterator[None]:
    """Put a new database in the place of the one that the environment names, if it names one."""
    given = os.environ.get(DATABASE_VARIABLE)
    if not given:
        yield
        return
    name = f"darvoza_scratch_{secrets.token_hex(4)}"
    admin = create_engine(given, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(given).set(database=name).render_as_string(hide_password=False)
    try:
        with patch.dict(os.environ, {DATABASE_VARIABLE: url}):
            yield
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
