"""A home of one size, made from a synthetic network of a year by the commands.

Load, features and training are processes of their own: processor time of each and of the processes
that it waited for, the most memory that it held, and bytes on disk afterwards. A server of
PostgreSQL is waited for by none of them, so its time and memory are not counted.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from engine.domain.time_units import DAY, SystemClock, moment
from engine.storage.home import DATABASE_VARIABLE
from experiments.support.held_out_shift import cut, opening
from experiments.support.postgres import scratch_database
from experiments.synthetic.records.writer import write

ENTRIES = 500
"""Distinct entries that are sent."""
READER = "reader"
"""A supervisor who reads pages."""


@dataclass(frozen=True, slots=True)
class CommandCost:
    """What a command took: processor seconds, and the most bytes of memory that it held."""

    seconds: float
    peak: int
    printed: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Commands:
    """The command line on one home."""

    home: Path
    database: str = ""
    """URL of its PostgreSQL database; empty where the store is a file of the home."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        kept = {name: value for name, value in os.environ.items() if name != DATABASE_VARIABLE}
        if self.database:
            kept[DATABASE_VARIABLE] = self.database
        return kept | {"DARVOZA_HOME": str(self.home), "OMP_NUM_THREADS": "1"}

    def run(self, *words: str, password: str = "") -> CommandCost:
        """Run a command to its end; raises ``CalledProcessError`` where it fails."""
        line = [sys.executable, "-m", "api", *words, "--home", str(self.home), "--json"]
        env = self.environment | {"DARVOZA_PASSWORD": password}
        process = subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        with process.stdout as pipe:
            printed = pipe.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        if code:
            raise subprocess.CalledProcessError(code, line)
        seconds = used.ru_utime + used.ru_stime
        return CommandCost(seconds, used.ru_maxrss * 1024, json.loads(printed))

    def count_bytes(self) -> int:
        """Return the bytes of the home and of its database."""
        files = _count_bytes(self.home)
        if not self.database:
            return files
        url = make_url(self.database).set(drivername="postgresql")
        with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
            (size,) = connection.execute(
                "SELECT pg_database_size(current_database())"
            ).fetchone() or (0,)
        return files + int(size)


@dataclass(frozen=True, slots=True)
class SizedHome:
    """A home of one size, with what it took to make it."""

    crossings: int
    commands: Commands
    keys: Mapping[str, str]
    """Of checkpoints, by post."""
    password: str
    """Of ``READER``."""
    bodies: Sequence[Mapping[str, Any]]
    """Entries that are sent."""
    load: CommandCost
    features: CommandCost
    train: CommandCost | None
    """None where the network holds too few finds to learn from."""
    input_bytes: int
    disk_bytes: int
    """Of the home once it was loaded."""


@contextmanager
def make_home(scratch: Path, size: int) -> Iterator[SizedHome]:
    """Make a home in a new folder; its database, where it has one, is gone afterwards.

    It has one on the server of ``DARVOZA_DATABASE_URL``, where that is set.
    """
    server = os.environ.get(DATABASE_VARIABLE)
    if not server:
        yield _make_home(scratch, size, "")
        return
    with scratch_database(server) as database:
        yield _make_home(scratch, size, database)


def _make_home(scratch: Path, size: int, database: str) -> SizedHome:
    now, network, history = SystemClock().now(), scratch / "network", scratch / "history"
    commands = Commands(scratch / "home", database)
    scratch.mkdir(parents=True)
    write(network, crossings=size, seed=1, end=moment(now), days=365)
    opens_at = opening(network, latest=now - DAY, entries=ENTRIES)
    shift = cut(network, history, opens_at=opens_at)
    load = commands.run("load", str(history))
    disk = commands.count_bytes()
    matrix = str(scratch / "features.parquet")
    features = commands.run("features", str(commands.home), "--out", matrix)
    train = _train(commands)
    reader = commands.run("users", "create", READER, "--role", "supervisor").printed
    entries = [one for one in shift.arrivals if one["crossing"]["direction"] == "entry"]
    create = ("keys", "create", "--role", "checkpoint", "--post")
    keys = {
        code: commands.run(*create, code).printed["key"]
        for code in sorted({one["crossing"]["post"] for one in entries})[:4]
    }
    return SizedHome(
        size,
        commands,
        keys,
        reader["password"],
        [one for one in entries if one["crossing"]["post"] in keys],
        load,
        features,
        train,
        _count_bytes(history),
        disk,
    )


def _train(commands: Commands) -> CommandCost | None:
    """Train and put into force, so that decisions are scored; None where finds are too few."""
    try:
        train = commands.run("train")
    except subprocess.CalledProcessError:
        return None
    for person in ("one", "two"):
        made = commands.run("users", "create", person, "--role", "supervisor").printed
        version = train.printed["version"]
        commands.run("promote", version, "--as", person, password=made["password"])
    return train


def _count_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
