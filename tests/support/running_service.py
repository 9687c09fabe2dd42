"""A small synthetic post, a model whose scores are uniform, and a service in this process."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from argon2 import PasswordHasher
from sqlalchemy import Connection
from starlette.testclient import TestClient

from api.app import create_app
from api.auth import credentials
from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.auth.permissions import BOUND, OWNED
from api.migrations.upgrade import upgrade
from api.service.assembly import Models, open_runtime, open_store
from api.service.runtime import Runtime
from api.service.settings import Settings
from engine.audit.file_anchors import open_network
from engine.domain.records import Arrival
from engine.domain.rights import Role
from engine.errors import NoModelError
from engine.explanation.reasons import Reason
from engine.ports import Contribution, Rows, Scorer, Scores
from engine.selection import RankedTarget, RiskTables
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.encoder import encode
from features.catalogue.plan import Plan
from features.catalogue.spec import Feature, Read
from models.lifecycle.states import OnTrial

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""Passwords are kept at full cost elsewhere: here they would be most of a test's time."""


@contextmanager
def cheap_passwords() -> Iterator[None]:
    """Hash passwords at a low cost: at the full one they take longer than most tests."""
    credentials.stand_in.cache_clear()
    with patch("api.auth.credentials._HASHER", CHEAP):
        yield
    credentials.stand_in.cache_clear()


NOON = datetime(2026, 10, 14, 7, tzinfo=UTC)
"""A Wednesday, in the middle of a shift of a post whose clock is five hours ahead."""
SHIFT_STARTS = "DARVOZA_SHIFT_STARTS_MINUTE"


def begin_long_shift(now: datetime) -> tuple[str, str]:
    """Return the setting by which shifts began hours before an instant, and end hours after it.

    ``now`` is in UTC; posts of tests have clocks that are five or six hours ahead.
    """
    began = now + timedelta(hours=5) - timedelta(hours=3)
    return SHIFT_STARTS, str(60 * began.hour + began.minute)


STORE = "darvoza.sqlite"
POST, OTHER = "OYB", "FOT"
NETWORK = """
synthetic = true
[severity]
narcotic = 10
[[severity_bands]]
substance_class = "narcotic"
from_g = 1000
weight = 20
[identifiers]
driver_ref = "KEY"
[[posts]]
code = "OYB"
name = "Oybek"
country = "UZ"
pair = "FOT"
[[posts]]
code = "FOT"
name = "Fotehobod"
country = "TJ"
pair = "OYB"
"""


CHUNK = 40
"""Arrivals whose chances are worked out at once."""


def _of_the_body(name: str, feature: Feature) -> bool:
    """Tell whether a feature is a fact of the body that was sent, whenever it was sent."""
    is_read = any(isinstance(one, Read) for one in feature.inputs)
    return not is_read and feature.family != "timing" and name != "lodged_hours_before"


BODY = np.array([_of_the_body(name, one) for name, one in CATALOGUE.items()])


class UniformScorer:
    """Draws a chance from what was sent: uniform, repeatable, and its quantiles are exact.

    Nothing of it hangs on the time of day or on what came before, so that whom a test's model picks
    is the same in every run.
    """

    def __init__(self, version: str, plan: Plan) -> None:
        self.version = version
        self.definitions = plan.digest
        self.names = plan.names

    def score(self, values: Rows) -> Scores:
        rows = np.ascontiguousarray(values[:, BODY])
        drawn = [hashlib.sha256(self.version.encode() + row.tobytes()).digest() for row in rows]
        chance = np.array([int.from_bytes(d[:8], "big") / 2**64 for d in drawn])
        # Of a discrepancy the order alone is known, as after too few random checks.
        return Scores(chance, chance, np.stack([chance / 2, (1 + chance) / 2], axis=-1))

    def tables(self, post: str) -> RiskTables:
        even = tuple(level / 100 for level in range(101))
        return RiskTables(even, even)

    def explain(
        self, row: Rows, target: RankedTarget, *, vehicle_class: str, post: str
    ) -> Sequence[Contribution]:
        order = np.argsort(-np.abs(np.nan_to_num(row)), kind="stable")[:5]
        return [Contribution(self.names[i], float(row[i]), 0.0, float(row[i])) for i in order]


@cache
def read_whole_plan() -> Plan:
    """Return the plan of all features: its digest takes longer than a decision."""
    return Plan(CATALOGUE)


@dataclass
class FakeModels:
    """Models in memory; ``broken`` versions cannot be loaded."""

    version: str | None = "m1"
    broken: frozenset[str] = frozenset()
    tried: OnTrial | None = None

    def wanted(self, connection: Connection) -> str | None:
        return self.version

    def trial(self, connection: Connection) -> OnTrial | None:
        return self.tried

    def load(self, version: str) -> Scorer:
        if version in self.broken:
            raise NoModelError(version)
        return UniformScorer(version, read_whole_plan())

    @staticmethod
    def sentences(found: Sequence[Contribution], arrival: Arrival) -> Sequence[Reason]:
        return [
            Reason(
                one.feature, f"{one.feature} matters.", "fact", "usual", one.log_odds, one.feature
            )
            for one in found
        ]


@dataclass
class World:
    """A running service and a key for every role."""

    home: Home
    models: Any
    client: TestClient
    runtime: Runtime
    keys: Mapping[Role, str]
    other: str
    """A checkpoint key of another post."""

    def headers(self, role: Role = Role.CHECKPOINT, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"} | more

    def decide(self, body: Mapping[str, Any], **headers: str) -> Any:
        return self.client.post("/v1/decisions", json=body, headers=self.headers() | headers)

    def decide_all(self, bodies: Iterable[Mapping[str, Any]]) -> list[Any]:
        """Decide on a batch: a third of the time, and the same answers."""
        answer = self.post("/v1/decisions/batch", list(bodies))
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()
        assert all("decision_id" in one for one in found), found
        return found

    def get(self, path: str, role: Role = Role.SUPERVISOR) -> Any:
        return self.client.get(path, headers=self.headers(role))

    def post(
        self, path: str, body: Any, role: Role = Role.CHECKPOINT, *, key: str | None = None
    ) -> Any:
        named = {} if key is None else {"Idempotency-Key": key}
        return self.client.post(path, json=body, headers=self.headers(role) | named)


def arrival(number: int = 1, **crossing: Any) -> dict[str, Any]:
    """Return the body of one arrival; every third comes without a declaration."""
    known = {
        "crossing_id": f"c-{number}",
        "post": POST,
        "direction": "entry",
        "arrived_at": (datetime.now(UTC) - timedelta(seconds=number % 50)).isoformat(),
        "vehicle_class": ("truck", "van", "car")[number % 3],
        "plate": f"01A{number:04d}BC",
        "plate_country": "TJ",
        "driver_ref": f"d-{number % 7}",
        "carrier_id": f"k-{number % 5}",
        "weighed_mass_kg": 8000.0 + 37 * (number % 100),
        "is_empty": number % 4 == 0,
    }
    if number % 3 == 0:
        return {"crossing": known | crossing, "declaration": None}
    item = {"item_no": 1, "hs_code": f"{10 + number % 80}0190", "net_mass_kg": 100.0 * number}
    declaration = {"declaration_id": f"e-{number}", "procedure": "import", "items": [item]}
    return {"crossing": known | crossing, "declaration": declaration}


def pick_likely(
    runtime: Runtime, bodies: Sequence[dict[str, Any]], channel: str, *, version: str = "m1"
) -> list[int]:
    """Return which arrivals a test's model sends to a channel, if nothing else picks them.

    Its chance follows from the body alone. To decide until one goes there takes ten times as long.
    """
    plan, network = read_whole_plan(), runtime.network
    arrivals = [Arrival.model_validate(body, strict=False) for body in bodies]
    facts = [plan.fact_row(encode(one.crossing, one.declaration, network)[1]) for one in arrivals]
    unread = np.full((len(facts), 1 + len(plan.reads)), np.nan)
    values = plan.finish(np.concatenate((np.array(facts, np.float64), unread), axis=1))
    chance = UniformScorer(version, plan).score(values).p_seizure
    settings = runtime.settings
    red, yellow = 1 - settings.red_share, 1 - settings.red_share - settings.yellow_share
    known = np.select([chance >= red, chance >= yellow], ["red", "yellow"], "green")
    return np.flatnonzero(known == channel).tolist()


def decide_until(
    world: World, channel: str, numbers: range, make: Callable[[int], dict[str, Any]]
) -> dict[str, Any]:
    """Ask for decisions on arrivals of some numbers until one goes to a channel.

    A number that another search came to is refused, because its time of arrival is another.
    """
    tried, version = set[int](), getattr(world.models, "version", None) or "m1"
    for start in numbers[::CHUNK]:
        chunk = range(start, min(start + CHUNK, numbers.stop))
        likely = pick_likely(world.runtime, [*map(make, chunk)], channel, version=version)
        for number in (chunk[at] for at in likely):
            tried.add(number)
            decision: dict[str, Any] = world.decide(make(number)).json()
            if decision.get("channel") == channel:
                return decision
    for number in (one for one in numbers if one not in tried):
        decision = world.decide(make(number)).json()
        if decision.get("channel") == channel:
            return decision
    raise AssertionError(f"no {channel} decision in {len(numbers)}")


@cache
def _make_migrated() -> bytes:
    """Return the file of a store without a record: to migrate one takes longer than most tests."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / STORE
        with Store(f"sqlite:///{file}") as store:
            upgrade(store)
        return file.read_bytes()


def make_home(folder: Path) -> Home:
    """Make a home with a store, on SQLite, whose journal is like no other."""
    home = Home(folder).prepare()
    home.network.write_text(NETWORK, "utf-8")
    (home.root / STORE).write_bytes(_make_migrated())
    with closing(sqlite3.connect(home.root / STORE, isolation_level=None)) as connection:
        connection.execute("UPDATE journal_identity SET journal_id = lower(hex(randomblob(16)))")
    return home


def make_keys(home: Home) -> tuple[dict[Role, str], str]:
    with open_store(home) as store:
        accounts, pepper = Accounts(store, open_network(home, store)), open_pepper(home)
        with patch("api.auth.credentials._HASHER", CHEAP):
            for role in OWNED:
                accounts.create_user(f"the-{role}", role)
        keys = {
            role: accounts.create_key(
                role,
                POST if role in BOUND else None,
                pepper=pepper,
                owner=f"the-{role}" if role in OWNED else None,
            ).secret
            for role in Role
        }
        other = accounts.create_key(Role.CHECKPOINT, OTHER, pepper=pepper).secret
    return keys, other


def open_world(home: Home, models: Models, settings: Settings) -> tuple[TestClient, Any]:
    settings = settings.model_copy(update={"link_seconds": 0.0})  # tests exchange themselves
    app = create_app(lambda: open_runtime(home, settings, models))
    return TestClient(app, raise_server_exceptions=False), app


def serving(folder: Path, models: FakeModels | None = None) -> Iterator[World]:
    """Serve a fresh home with a key for every role."""
    home = make_home(folder)
    keys, other = make_keys(home)
    models = models or FakeModels()
    settings = Settings(key_seconds=0.2, model_seconds=0.05)
    client, app = open_world(home, models, settings)
    with client:
        yield World(home, models, client, app.state.runtime, keys, other)


def open_browser(client: TestClient) -> TestClient:
    """Return a client with cookies of its own, of a service that another client runs."""
    made = TestClient(client.app, follow_redirects=False)
    made.portal = client.portal
    return made
