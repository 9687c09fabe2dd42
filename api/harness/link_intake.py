"""Work of a centre and of a post's node, for ``bench links``.

``python -m api.harness.link_intake NODES DECISIONS TURNS`` prints one line of JSON. Every node has
a store, keys and a link of its own. The decisions are those of one service on synthetic arrivals,
recorded at the node of their post. The centre is a home with every projection of a service, and
takes one parcel after the other, as its door does. Only the centre's work is timed.

Then two services decide in turns: one alone, and one that is a node with a centre.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from api.auth.credentials import open_pepper
from api.links.exchanges import exchange_all, open_exchange
from api.migrations.upgrade import upgrade
from api.service.assembly import open_network, open_runtime, projections
from api.service.model_watch import HomeModels
from api.service.runtime import Runtime
from api.service.settings import Settings
from engine.domain.records import Arrival
from engine.domain.time_units import SystemClock, rfc3339
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.journal import Journal, JournalReader
from engine.journal.kinds import DECISION
from engine.journal.receipts import open_signer
from engine.links.identity import open_link_keys
from engine.storage.database import Store
from engine.storage.home import Home
from experiments.faults.partitions.installations import CENTRE, FileDisk, Installation, agree
from features.catalogue.plan import current_plan

AT_ONCE = 50
"""Arrivals that the service is asked about at a time."""


@dataclass
class HomeInstallation(Installation):
    """An installation with every projection of a service."""

    home: Home = field(default_factory=lambda: Home(Path()))

    def open(self) -> None:
        """Start as a service does; the one before has ended."""
        self.close()
        self._store = store = Store(self.home.database_url)
        journal = Journal(store, projections(current_plan(), open_network(self.home)))
        self._exchange = open_exchange(self.home, store, journal)


@dataclass
class Centre(HomeInstallation):
    """A centre, and the time that its work took."""

    seconds: float = 0.0
    processor_seconds: float = 0.0

    def answer(self, name: str, parcel: bytes) -> bytes:
        """Take a parcel of a link, and count the time."""
        began = time.perf_counter(), time.process_time()
        answer = self.exchange.answer_parcel(parcel, name=self.name_in_envelopes(name))
        self.seconds += time.perf_counter() - began[0]
        self.processor_seconds += time.process_time() - began[1]
        return answer


def make_home(folder: Path, posts: list[str]) -> Home:
    """Make a home whose network has these posts."""
    home = Home(folder).prepare()
    lines = [f'[[posts]]\ncode = "{post}"\nname = "{post}"\ncountry = "UZ"\n' for post in posts]
    home.network.write_text("\n".join(lines), "utf-8")
    open_pepper(home)
    open_signer(home)
    return home


def make_arrival(post: str, number: int) -> Arrival:
    """Return a synthetic arrival with a declaration."""
    name = f"{post}-{number}"
    crossing = {
        "crossing_id": name,
        "post": post,
        "direction": "entry",
        "arrived_at": rfc3339(SystemClock().now()),
        "vehicle_class": ("truck", "van", "car")[number % 3],
        "plate": f"01A{number:04d}BC",
        "plate_country": "TJ",
        "driver_ref": f"d-{number % 7}",
        "carrier_id": f"k-{number % 5}",
        "weighed_mass_kg": 8000.0 + 37 * (number % 100),
    }
    item = {"item_no": 1, "hs_code": f"{10 + number % 80}0190", "net_mass_kg": 100.0 + number}
    declaration = {"declaration_id": name, "procedure": "import", "items": [item]}
    return Arrival.model_validate({"crossing": crossing, "declaration": declaration}, strict=False)


def ask(runtime: Runtime, arrivals: Sequence[Arrival]) -> None:
    """Let a service decide on arrivals, some at a time."""
    for first in range(0, len(arrivals), AT_ONCE):
        asked = [
            runtime.targeting.decide(
                one,
                IdempotencyClaim(
                    "decision", one.crossing.post, (one.crossing.crossing_id,), "00" * 32
                ),
            )
            for one in arrivals[first : first + AT_ONCE]
        ]
        for future in asked:
            future.result()


def decide(home: Home, posts: list[str], decisions: int) -> dict[str, list[Draft[Any]]]:
    """Let a service decide at every post; return the records by post."""
    runtime = open_runtime(home, Settings(), HomeModels(home))
    ask(runtime, [make_arrival(post, number) for number in range(decisions) for post in posts])
    found: defaultdict[str, list[Draft[Any]]] = defaultdict(list)
    with runtime.store.read() as connection:
        for one in JournalReader(connection).records(DECISION):
            found[one.post].append(DECISION.draft(one.subject, one.body, post=one.post))
    runtime.close()
    return found


def measure(folder: Path, nodes: int, decisions: int) -> dict[str, Any]:
    """Return how many records the centre took, and in how many seconds."""
    names = [f"node{number}" for number in range(1, nodes + 1)]
    posts = [name.upper() for name in names]
    records = decide(make_home(folder / "service", posts), posts, decisions)
    home = make_home(folder / CENTRE, posts)
    keys = open_link_keys(home)
    migrate(home.database_url)
    centre = Centre(CENTRE, FileDisk(folder / "unused"), keys=keys, home=home)
    centre.open()
    template = folder / "empty.sqlite"
    migrate(f"sqlite:///{template}")
    for name, post in zip(names, posts, strict=True):
        path = folder / f"{name}.sqlite"
        path.write_bytes(template.read_bytes())
        node = Installation(name, FileDisk(path))
        node.open()
        agree(node, centre)
        node.exchange.journal.append(records[post])
        node.seal_records(name)
        exchange_all(node.exchange, node.link(name), partial(centre.answer, name))
        node.close()
    with centre.store.read() as connection:
        held = sum(1 for _ in JournalReader(connection).records(DECISION))
    centre.close()
    times = {"seconds": centre.seconds, "processor_seconds": centre.processor_seconds}
    return {"nodes": nodes, "sent": nodes * decisions, "held": held} | times


def compare(folder: Path, decisions: int, turns: int) -> dict[str, list[float]]:
    """Return the processor seconds of decisions by a node, by an installation alone, of sealing.

    Each list has one figure a turn, in which ``decisions`` are made. ``sealing`` is the node's work
    on sending these decisions up, which no decision waits for. The centre answers meanwhile.
    """
    name, post = "node1", "NODE1"
    homes = {kind: make_home(folder / kind, [post]) for kind in ("alone", "node")}
    node, centre = link_to_centre(homes["node"], name, folder=folder)
    link = node.link(name)
    runtimes = {
        kind: open_runtime(home, Settings(), HomeModels(home)) for kind, home in homes.items()
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in (*runtimes, "sealing")}
    for turn in range(turns):
        first = turn * decisions
        arrivals = [make_arrival(post, number) for number in range(first, first + decisions)]
        for kind, runtime in runtimes.items():
            runtime.posts.note_heard(link.name, SystemClock().now())
            began = time.process_time()
            ask(runtime, arrivals)
            seconds[kind].append(time.process_time() - began)
        began = time.process_time()
        node.seal_records(name)
        seconds["sealing"].append(time.process_time() - began)
        exchange_all(node.exchange, link, partial(centre.exchange.answer_parcel, name=link.name))
    for runtime in runtimes.values():
        runtime.close()
    for side in (node, centre):
        side.close()
    return seconds


def link_to_centre(home: Home, name: str, *, folder: Path) -> tuple[HomeInstallation, Installation]:
    """Make a home a node, by a link in force to a centre; return both, opened."""
    keys = open_link_keys(home)
    node = HomeInstallation(name, FileDisk(folder / "unused"), keys=keys, home=home)
    centre = Installation(CENTRE, FileDisk(folder / "centre.sqlite"))
    for url in (home.database_url, centre.disk.url):
        migrate(url)
    for one in (node, centre):
        one.open()
    agree(node, centre)
    return node, centre


def link_to_node(home: Home, *, folder: Path) -> Installation:
    """Make a home the centre of a node, by a link in force; return the node, opened."""
    keys = open_link_keys(home)
    centre = HomeInstallation(CENTRE, FileDisk(folder / "unused"), keys=keys, home=home)
    node = Installation("node1", FileDisk(folder / "node1.sqlite"))
    migrate(node.disk.url)
    for one in (node, centre):
        one.open()
    agree(node, centre)
    centre.close()
    return node


def migrate(url: str) -> None:
    """Make the tables of a store."""
    with Store(url) as store:
        upgrade(store)


if __name__ == "__main__":
    with TemporaryDirectory(prefix="bench-links-") as scratch:
        nodes, decisions, turns = map(int, sys.argv[1:4])
        taken = measure(Path(scratch) / "intake", nodes, decisions)
        print(json.dumps(taken | compare(Path(scratch) / "turns", decisions, turns)))
