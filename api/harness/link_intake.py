"""Intake of a centre's links, for ``bench links``: decisions of many nodes, taken as parcels.

``python -m api.harness.link_intake NODES DECISIONS`` prints one line of JSON. Every node has a
store, keys and a link of its own. The decisions are those of one service on synthetic arrivals,
recorded at the node of their post. The centre is a home with every projection of a service, and
takes one parcel after the other, as its door does. Only the centre's work is timed.
"""

import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from api.links.exchanges import exchange_all, open_exchange
from api.migrations.upgrade import upgrade
from api.service.model_store import HomeModels
from api.service.runtime import open_network, open_runtime, projections
from api.service.settings import Settings
from engine.domain.records import Arrival
from engine.domain.time_units import SystemClock, rfc3339
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.journal import Journal, JournalReader
from engine.journal.kinds import DECISION
from engine.links.key_files import open_link_keys
from engine.storage.database import Store
from engine.storage.home import Home
from experiments.faults.partitions.installations import CENTRE, FileDisk, Installation, agree
from features.online.crossing_index import read_plan

AT_ONCE = 50
"""Arrivals that the service is asked about at a time."""


@dataclass
class Centre(Installation):
    """A centre with every projection of a service, and the time that its work took."""

    home: Home = field(default_factory=lambda: Home(Path()))
    seconds: float = 0.0
    processor_seconds: float = 0.0

    def open(self) -> None:
        """Start as a service does."""
        self._store = store = Store(self.home.database_url)
        with store.read() as connection:
            plan = read_plan(connection)
        journal = Journal(store, projections(plan, open_network(self.home)))
        self._exchange = open_exchange(self.home, store, journal)

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


def decide(home: Home, posts: list[str], decisions: int) -> dict[str, list[Draft[Any]]]:
    """Let a service decide at every post; return the records by post."""
    runtime = open_runtime(home, Settings(), HomeModels(home))
    arrivals = [make_arrival(post, number) for number in range(decisions) for post in posts]
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


def migrate(url: str) -> None:
    """Make the tables of a store."""
    store = Store(url)
    upgrade(store)
    store.dispose()


if __name__ == "__main__":
    with TemporaryDirectory(prefix="bench-links-") as scratch:
        print(json.dumps(measure(Path(scratch), *map(int, sys.argv[1:3]))))
