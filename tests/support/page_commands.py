"""Commands of a page of the documents, run by a shell as they stand there."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from engine.storage.home import DATABASE_VARIABLE

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster

DOCS = Path(__file__).parents[2] / "docs"


def list_programs(cluster: "Cluster | None" = None) -> dict[str, str]:
    """Return the variables by which a shell finds the programs that pages name."""
    folders = [f"{sys.prefix}/bin", os.environ["PATH"]]
    if cluster is None:
        return {"PATH": ":".join(folders)}
    address = {"PGHOST": str(cluster.home), "PGUSER": "postgres"}
    return address | {"PATH": ":".join([str(cluster.binaries), *folders])}


@dataclass
class Operator:
    """Somebody who types what a page says, and whose system service is one of the test."""

    variables: dict[str, str]
    """What the page's commands name, and those of :func:`list_programs`."""
    serve: Callable[[], AbstractContextManager[Any]]
    """Makes the service, which runs from entering to leaving."""
    service: Any = None
    """What the service that runs was entered as; None while it is stopped."""
    _running: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.service = self._running.enter_context(self.serve())

    def stop(self) -> None:
        self.service = None
        self._running.close()

    def read(self, page: str, heading: str) -> list[str]:
        """Return the shell blocks under a heading, without those for the other kind of store."""
        is_sqlite = not (os.environ | self.variables).get(DATABASE_VARIABLE)
        others = "# PostgreSQL" if is_sqlite else "# SQLite"
        lines = iter((DOCS / page).read_text("utf-8").splitlines())
        blocks, is_under = list[str](), False
        for line in lines:
            if line.startswith("#"):
                is_under = line.lstrip("# ") == heading
            elif line.strip() == "```sh":
                block = list(iter(lambda: next(lines), line.removesuffix("sh")))
                if is_under and block[0].strip() != others:
                    blocks.append(textwrap.dedent("\n".join(block)))
        assert blocks, f"{page} has no commands under {heading!r}"
        return blocks

    def run(self, block: str, *, status: int = 0) -> str:
        """Run a block and return what it printed; its last part must end with ``status``.

        A part is what lies between two commands of ``systemctl``, which a test's service obeys.
        """
        steps = {"systemctl start darvoza": self.start, "systemctl stop darvoza": self.stop}
        parts = [list(part) for _, part in groupby(block.splitlines(), steps.__contains__)]
        printed = ""
        for part in parts:
            if part[0] in steps:
                for line in part:
                    steps[line]()
                continue
            words = ["sh", "-euc", "\n".join(part)]
            known = os.environ | self.variables
            done = subprocess.run(words, env=known, capture_output=True, text=True, check=False)
            wanted = status if part is parts[-1] else 0
            assert done.returncode == wanted, (part, done.stdout, done.stderr)
            printed += done.stdout
        return printed
