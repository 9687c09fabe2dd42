"""The command line on a home of a benchmark's own: what a user would type, and what it took."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from engine.storage.home import DATABASE_VARIABLE

_MEASURE = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(int(sys.argv[1]), "w") as cost:
    json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss], cost)
sys.exit(code)
"""
"""Runs a command from a small process. The system counts what a process held before it became the
command, which is the memory of the one that starts it: a benchmark that drew a network has more
than a load of it takes."""


@dataclass(frozen=True, slots=True)
class CommandCost:
    """What a command took: processor seconds, and the most bytes of memory that it held."""

    seconds: float
    peak: int
    printed: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HomeCommands:
    """The command line on one home."""

    home: Path
    database: str = ""
    """URL of its PostgreSQL database; empty where the store is a file of the home."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its service."""
        return self._environment() | {"DARVOZA_HOME": str(self.home), "OMP_NUM_THREADS": "1"}

    def run(self, *words: str, password: str = "") -> CommandCost:
        """Run a command to its end; raises ``CalledProcessError`` where it fails."""
        line = [sys.executable, "-m", "api", *words, "--home", str(self.home), "--json"]
        env = self._environment() | {"DARVOZA_PASSWORD": password}
        with TemporaryFile("w+") as cost:
            number = cost.fileno()
            measured = [sys.executable, "-I", "-S", "-c", _MEASURE, str(number), *line]
            done = subprocess.run(
                measured, check=False, env=env, stdout=subprocess.PIPE, pass_fds=[number]
            )
            if done.returncode:
                raise subprocess.CalledProcessError(done.returncode, line)
            cost.seek(0)
            seconds, kilobytes = json.load(cost)
        return CommandCost(seconds, kilobytes * 1024, json.loads(done.stdout))

    def create_supervisor(self, name: str) -> str:
        """Create a supervisor and return the password."""
        password: str = self.run("users", "create", name, "--role", "supervisor").printed[
            "password"
        ]
        return password

    def put_into_force(self, version: str) -> None:
        """Let two supervisors approve a model."""
        for name in ("one", "two"):
            self.run("promote", version, "--as", name, password=self.create_supervisor(name))

    def create_keys(self, posts: Iterable[str]) -> dict[str, str]:
        """Create a checkpoint's key for each post and return them by post."""
        create = ("keys", "create", "--role", "checkpoint", "--post")
        return {post: self.run(*create, post).printed["key"] for post in posts}

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != DATABASE_VARIABLE}
        return kept | ({DATABASE_VARIABLE: self.database} if self.database else {})
