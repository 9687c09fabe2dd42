"""A home made by the command line, and arrivals that its service has not seen.

The last shift of a network is held out and the rest is loaded, as a user would. A history may have
ended long ago: what came last in it is sent as if it came now.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.domain.time_units import SystemClock, rfc3339
from engine.errors import NotEnoughDataError
from engine.storage.database import Store
from engine.storage.home import Home
from experiments.support.arrivals import cut_shift, find_opening
from experiments.support.processes import CommandCost, HomeCommands, encode_post
from experiments.support.throwaway_models import Analysts

POSTS = 4
"""Posts that send, unless others are named: those with the most entries."""
PATH = "/v1/decisions"


_NAMES = ("plate", "trailer_plate", "driver_ref")
"""Identifiers that a crossing names; one that names none of them stays as it is."""


@dataclass(frozen=True, slots=True)
class SentArrivals:
    """One arrival as it goes over the wire."""

    crossing_id: str
    post: str
    body: bytes


def endless(
    bodies: Sequence[Mapping[str, Any]], *, prefix: str, strangers: bool = False
) -> Iterator[SentArrivals]:
    """Yield entries like these bodies of requests, over and over.

    With ``strangers``, each is of a new vehicle and a new driver.
    """
    entries = [body for body in bodies if body["crossing"]["direction"] == "entry"]
    for number, body in enumerate(itertools.cycle(entries)):
        crossing_id = f"{prefix}-{number}"
        now = {"crossing_id": crossing_id, "arrived_at": rfc3339(SystemClock().now())}
        known = {name: value for name, value in body["crossing"].items() if name != "recorded_at"}
        new = _new_names(known, number) if strangers else {}
        raw = json.dumps({**body, "crossing": known | now | new}, ensure_ascii=False).encode()
        yield SentArrivals(crossing_id, known["post"], raw)


def _new_names(crossing: Mapping[str, Any], number: int) -> dict[str, str]:
    """Return unique identifiers for those that a crossing names."""
    return {name: f"{number:06}X{at}" for at, name in enumerate(_NAMES) if crossing.get(name)}


@dataclass(frozen=True, slots=True)
class Deployment:
    """A home with a history, keys of checkpoints, and what came after its history."""

    commands: HomeCommands
    keys: Mapping[str, str]
    """Of checkpoints, by post."""
    bodies: Sequence[Mapping[str, Any]]
    """Entries at these posts as bodies of requests."""
    history: Path
    """The bulk folder that was loaded."""
    load: CommandCost

    @property
    def home(self) -> Home:
        """The home."""
        return Home(self.commands.home)

    def open_store(self) -> Store:
        """Open the store of the home."""
        return Store(self.commands.database or self.home.database_url)

    def arrivals(self, prefix: str, *, strangers: bool = False) -> Iterator[SentArrivals]:
        """Yield new entries without end; with ``strangers`` each is of a new vehicle."""
        return endless(self.bodies, prefix=prefix, strangers=strangers)

    def requests(self, arrivals: Iterator[SentArrivals]) -> Iterator[bytes]:
        """Yield a request for a decision on each arrival."""
        for one in arrivals:
            yield encode_post(PATH, one.body, key=self.keys[one.post])

    def promote_without_skill(self) -> None:
        """Put a model into force whose decisions take as long, and which is ready much sooner."""
        with self.open_store() as store:
            analysts = Analysts(self.home, store)
            analysts.promote(analysts.make())


def deploy(
    scratch: Path,
    network: Path,
    *,
    latest: int,
    entries: int,
    posts: Sequence[str] = (),
    database: str = "",
) -> Deployment:
    """Load a network but for its last entries into a new home below ``scratch``.

    The shift that is held out opens at ``latest`` (UTC microseconds), or earlier so that it has as
    many ``entries``. Raises ``NotEnoughDataError`` if the network lacks a file, or holds no entry
    to send.
    """
    for name in ("crossings.csv", "network.toml"):
        if not (network / name).exists():
            raise NotEnoughDataError("deployment", f"{network.name} holds no {name}")
    history = scratch / "history"
    shift = cut_shift(
        network, history, opens_at=find_opening(network, latest=latest, entries=entries)
    )
    came = Counter(
        body["crossing"]["post"]
        for body in shift.arrivals
        if body["crossing"]["direction"] == "entry"
    )
    if not came:
        raise NotEnoughDataError("deployment", "no entry is left to send")
    commands = HomeCommands(scratch / "home", database)
    load = commands.run("load", str(history))
    keys = commands.create_keys(posts or [code for code, _ in came.most_common(POSTS)])
    bodies = [
        body
        for body in shift.arrivals
        if body["crossing"]["direction"] == "entry" and body["crossing"]["post"] in keys
    ]
    return Deployment(commands, keys, bodies, history, load)
