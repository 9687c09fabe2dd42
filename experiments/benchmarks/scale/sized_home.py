"""A home of one size, made from a synthetic network of a year by the commands.

Load, features and training are processes of their own: processor time of each and of the processes
that it waited for, the most memory that it held, and bytes on disk afterwards. A server of
PostgreSQL is waited for by none of them, so its time and memory are not counted.
"""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from engine.domain.time_units import DAY, SystemClock, moment
from engine.storage.database import Store
from engine.storage.home import DATABASE_VARIABLE, Home
from experiments.support.arrivals import cut_shift, find_opening
from experiments.support.postgres import scratch_database
from experiments.support.processes import CommandCost, HomeCommands
from experiments.support.throwaway_models import Analysts
from experiments.synthetic.folder import write

ENTRIES, SHARE = 2_000, 30
"""Distinct entries that are held out to be sent, at most this part of the crossings. Of few, most
windows of an entity are remembered when its vehicle comes again, which none does at a post."""
POSTS = 4
"""Whose entries are sent: those with the most."""
READER = "reader"
"""A supervisor who reads pages."""


@dataclass(frozen=True, slots=True)
class SizedHome:
    """A home of one size, with what it took to make it."""

    crossings: int
    commands: HomeCommands
    keys: Mapping[str, str]
    """Of checkpoints, by post."""
    password: str
    """Of ``READER``."""
    bodies: Sequence[Mapping[str, Any]]
    """Entries that are sent."""
    load: CommandCost
    features: CommandCost | None
    train: CommandCost | None
    """None where the home is left untrained, or the network holds too few finds to learn from."""
    input_bytes: int
    disk_bytes: int
    """Of the home once it was loaded."""


@contextmanager
def make_home(scratch: Path, size: int, *, untrained: bool = False) -> Iterator[SizedHome]:
    """Make a home in a new folder; its database, where it has one, is gone afterwards.

    It has one on the server of ``DARVOZA_DATABASE_URL``, where that is set. Left ``untrained``, it
    has a model without skill in force: its decisions take as long, and are ready much sooner.
    """
    server = os.environ.get(DATABASE_VARIABLE)
    if not server:
        yield _make_home(scratch, size, "", untrained=untrained)
        return
    with scratch_database(server) as database:
        yield _make_home(scratch, size, database, untrained=untrained)


def _make_home(scratch: Path, size: int, database: str, *, untrained: bool) -> SizedHome:
    now, network, history = SystemClock().now(), scratch / "network", scratch / "history"
    commands = HomeCommands(scratch / "home", database)
    scratch.mkdir(parents=True)
    held_out = min(ENTRIES, size // SHARE)  # with about as many exits
    write(network, crossings=size + 2 * held_out, seed=1, end=moment(now), days=365)
    opens_at = find_opening(network, latest=now - DAY, entries=held_out)
    shift = cut_shift(network, history, opens_at=opens_at)
    load = commands.run("load", str(history))
    disk = _count_all(commands)
    features = train = None
    if untrained:
        _promote_without_skill(commands)
    else:
        matrix = str(scratch / "features.parquet")
        features = commands.run("features", str(commands.home), "--out", matrix)
        train = _train(commands)
    password = commands.create_supervisor(READER)
    entries = [one for one in shift.arrivals if one["crossing"]["direction"] == "entry"]
    came = Counter(one["crossing"]["post"] for one in entries)
    keys = commands.create_keys(post for post, _ in came.most_common(POSTS))
    return SizedHome(
        size,
        commands,
        keys,
        password,
        [one for one in entries if one["crossing"]["post"] in keys],
        load,
        features,
        train,
        _count_bytes(history),
        disk,
    )


def _train(commands: HomeCommands) -> CommandCost | None:
    """Train and put into force, so that decisions are scored; None where finds are too few."""
    try:
        train = commands.run("train")
    except subprocess.CalledProcessError:
        return None
    commands.put_into_force(train.printed["version"])
    return train


def _promote_without_skill(commands: HomeCommands) -> None:
    home = Home(commands.home)
    with Store(commands.database or home.database_url) as store:
        analysts = Analysts(home, store)
        analysts.promote(analysts.make())


def _count_all(commands: HomeCommands) -> int:
    """Return the bytes of a home and of its database."""
    files = _count_bytes(commands.home)
    if not commands.database:
        return files
    url = make_url(commands.database).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (
            0,
        )
    return files + int(size)


def _count_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
