"""Deployment of the serving benchmark: a home with a model in force, made by the command line.

Peers get the same model and ready-made rows of features; the service gets arrivals as a checkpoint
would send them. A history may have ended long ago: what came last in it is sent as if it came now.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from engine.domain.time_units import DAY, SystemClock, moment
from engine.errors import NotEnoughDataError
from engine.storage.home import Home
from experiments.benchmarks.serving.peer_models import save
from experiments.support.arrivals import SentArrival, cut_shift, find_opening, repeat_arrivals
from experiments.support.processes import HomeCommands, encode_post
from experiments.synthetic.folder import write

CROSSINGS, SPAN_DAYS = 60_000, 90
ENTRIES = 500
"""Distinct entries that are sent over and over, at least."""
POSTS = 4
"""Posts that send."""
BATCH = 100
"""Rows of a batch."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A home with a model in force, what is sent to it, and the peers' model."""

    scratch: Path
    home: Path
    version: str
    bodies: Sequence[Mapping[str, Any]]
    keys: Mapping[str, str]
    """By post."""
    peer: Path
    columns: Sequence[str]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the service's process."""
        return HomeCommands(self.home).environment

    def decisions(self, prefix: str) -> Iterator[bytes]:
        """Yield requests for one decision each, from several posts; a prefix makes them new."""
        for one in repeat_arrivals(self.bodies, prefix=prefix):
            yield encode_post("/v1/decisions", one.body, key=self.keys[one.post])

    def batches(self) -> Iterator[bytes]:
        """Yield requests for a batch of decisions each, from one post: that of the most vehicles.

        Random checks are drawn by vehicle and shift: of a few that come over and over, one that is
        drawn would be a large part of the rows, each with reasons and a search order.
        """
        where, _ = Counter(b["crossing"]["post"] for b in self.bodies).most_common(1)[0]
        sent = repeat_arrivals(
            [b for b in self.bodies if b["crossing"]["post"] == where], prefix="many"
        )
        while True:
            yield encode_post("/v1/decisions/batch", _array(sent), key=self.keys[where])

    def invocations(self, rows: int) -> Iterator[bytes]:
        """Yield requests of MLflow's users: rows of features, with the names of their columns."""
        for values in _values(rows, len(self.columns)):
            asked = {"dataframe_split": {"columns": list(self.columns), "data": values}}
            yield encode_post("/invocations", json.dumps(asked).encode())

    def predictions(self, rows: int) -> Iterator[bytes]:
        """Yield requests to the plain service."""
        for values in _values(rows, len(self.columns)):
            yield encode_post("/predict", json.dumps({"rows": values}).encode())


def nothings() -> Iterator[bytes]:
    """Yield requests to the handler that does nothing."""
    return cycle([encode_post("/nothing", b"{}")])


def _array(sent: Iterator[SentArrival]) -> bytes:
    return b"[" + b",".join(next(sent).body for _ in range(BATCH)) + b"]"


def _values(rows: int, columns: int) -> Iterator[list[list[float]]]:
    made = [
        [[float((n * 31 + row * 7 + at) % 97) for at in range(columns)] for row in range(rows)]
        for n in range(max(2, 200 // rows))
    ]
    return cycle(made)


def deploy(scratch: Path, data: Path | None) -> Deployment:
    """Load, train and promote by the command line, as a user would.

    Raises ``NotEnoughDataError`` where the data hold no entry to send.
    """
    now, home = SystemClock().now(), scratch / "home"
    if data is None:
        data = scratch / "network"
        write(data, crossings=CROSSINGS, seed=1, end=moment(now), days=SPAN_DAYS)
    for name in ("crossings.csv", "network.toml"):
        if not (data / name).exists():
            raise NotEnoughDataError("bench serving", f"{data.name} holds no {name}")
    shift = cut_shift(
        data,
        scratch / "history",
        opens_at=find_opening(data, latest=now - 2 * DAY, entries=ENTRIES),
    )
    entries = [body for body in shift.arrivals if body["crossing"]["direction"] == "entry"]
    if not entries:
        raise NotEnoughDataError("bench serving", "no entry is left to send")
    commands = HomeCommands(home)
    commands.run("load", str(shift.history))
    version: str = commands.run("train").printed["version"]
    commands.put_into_force(version)
    keys = commands.create_keys(sorted({body["crossing"]["post"] for body in entries})[:POSTS])
    bodies = [body for body in entries if body["crossing"]["post"] in keys]
    columns = save(Home(home), version, out=scratch / "peer")
    return Deployment(scratch, home, version, bodies, keys, scratch / "peer", columns)
