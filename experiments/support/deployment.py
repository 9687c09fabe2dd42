"""A home made by the command line, arrivals that its service has not seen, and models for it.

The last shift of a network is held out and the rest is loaded, as a user would. What was known
before the shift began is the history. Of what came after, only the crossings are kept, with their
declarations: their outcomes are not known yet. Entries are sent, in the order in which they
arrived, and so are exits recorded after an entry of the same vehicle. An exit recorded before
belongs to the history: in a shift sent within minutes every vehicle would otherwise have left the
paired post this very moment. A shift that is sent as it passes, each crossing at the time of its
record, has all exits; what comes after it is left out. Reads no truth.

Endless arrivals continue a history, so they meet counters that hold something. Each is sent as if
it came now, under a new crossing id.

Models are valid bundles without any skill: it is assumed that faults do not depend on how well a
model ranks. Their rows are those of a small synthetic
network, labels are drawn at random, and each model differs from the one before it in its name
alone.
"""

import csv
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from engine.domain.records import Arrival
from engine.domain.time_units import SystemClock, micros, moment, rfc3339
from engine.errors import NotEnoughDataError
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.home import Home, file_digest
from experiments.support.processes import CommandCost, HomeCommands, encode_post
from experiments.synthetic.folder import write
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import read_folder
from models.bundle import MANIFEST, SIGNATURE, sign, signing_key
from models.config import TrainConfig, Trees
from models.data.build_dataset import assemble
from models.data.dataset import Dataset
from models.evaluation.report import SYNTHETIC
from models.explanation.contributions import compute_usual_values
from models.explanation.similar_seizures import none_known
from models.learning.fit import fit
from models.lifecycle.states import read_state
from models.lifecycle.transitions import approve, register
from models.statistics.drift import reference
from models.training.bundle_writer import write_bundle
from models.training.trainer import TrainingResult, risk_tables

CROSSINGS = 1_000
FINDS = 0.3
AT_RANDOM = "Anything: its labels were drawn at random."
_TREES = Trees(iterations=5, depth=3, leaves=6, seeds=1, smallest_leaf=5)
_CHOICES = TrainConfig(
    discrepancy=_TREES, seizure=_TREES, folds=1, label_delay_days=0.0, few_seizures=10**9, jobs=1
)


class Analysts:
    """Makes models of a home and puts them into force, as a trainer and two approvers do."""

    def __init__(self, home: Home, store: Store) -> None:
        self._home = home
        self._store = store
        self._journal = Journal(store)
        self._numbers = itertools.count(1)

    def make(self) -> Path:
        """Write the next bundle: the files of the first, under another name."""
        files = _bundle_files()
        kept = json.loads(files[MANIFEST])
        kept["version"] = f"{kept['version']}-{next(self._numbers)}"
        bundle: Path = self._home.bundles / kept["version"]
        bundle.mkdir(parents=True)
        for name, content in files.items():
            (bundle / name).write_bytes(content)
        (bundle / MANIFEST).write_text(json.dumps(kept))
        self.sign_again(bundle)
        return bundle

    def promote(self, bundle: Path, *, then: Callable[[], None] = lambda: None) -> str:
        """Register a bundle and put it into force; ``then`` is done just before it comes into it.

        Returns its version.
        """
        manifest = file_digest(bundle / MANIFEST)
        self._record(
            lambda now: register(
                now, bundle.name, by="trainer", manifest=manifest, evaluation="-", card="-"
            )
        )
        self._record(lambda now: approve(now, bundle.name, by="first", manifest=manifest))
        then()
        self._record(lambda now: approve(now, bundle.name, by="second", manifest=manifest))
        return bundle.name

    def sign_again(self, bundle: Path) -> None:
        """Make the manifest fit what the files hold now, as a holder of the key could."""
        kept = json.loads((bundle / MANIFEST).read_bytes())
        kept["files"] = {
            name: sha256((bundle / name).read_bytes()).hexdigest() for name in kept["files"]
        }
        raw = json.dumps(kept).encode()
        (bundle / MANIFEST).write_bytes(raw)
        (bundle / SIGNATURE).write_bytes(sign(raw, signing_key(self._home)))

    def _record(self, step: Callable[..., tuple[Draft, ...]]) -> None:
        with self._store.read() as connection:
            now = read_state(connection)
        self._journal.append(step(now))


@cache
def fit_synthetic() -> TrainingResult:
    """Fit once in a process the model of every bundle."""
    data = _rows()
    until = int(data.as_of[-1]) + 2
    model = fit(data, _CHOICES, until=until, known_before=until)
    return TrainingResult(
        model=model,
        config=_CHOICES,
        report={"synthetic": True, "notice": SYNTHETIC, "targets": {}, "cannot_tell": [AT_RANDOM]},
        data_digest=data.digest(),
        cutoff=until,
        norms=compute_usual_values(data),
        tables=risk_tables(data, model),
        checked=data.values,
        synthetic=True,
        reference=reference(data.take(data.entries).values, data.names, of_entries=True),
        seizures=none_known(model.names),
    )


@cache
def _bundle_files() -> Mapping[str, bytes]:
    """Write one bundle in a process, and return its files."""
    with TemporaryDirectory(prefix="darvoza-bundle-") as folder:
        made = write_bundle(Path(folder), fit_synthetic(), Ed25519PrivateKey.generate())
        return {path.name: path.read_bytes() for path in made.iterdir()}


@cache
def _rows() -> Dataset:
    """Return the features of a synthetic history, with an outcome at random for every crossing."""
    with TemporaryDirectory(prefix="darvoza-rows-") as folder:
        write(Path(folder), crossings=CROSSINGS, seed=1)
        rows = assemble(read_folder(Path(folder)).tables, Plan(CATALOGUE))
    number = len(rows.as_of)
    found = np.random.default_rng(1).random(number) < FINDS
    return replace(
        rows,
        discrepancy=found.astype(np.int8),
        seizure=np.zeros(number, np.int8),
        label_known_at=rows.as_of + 1,
        basis=np.full(number, "score", object),
        propensity=np.ones(number),
        is_full=np.ones(number, np.bool_),
    )


CsvRow = dict[str, str]
_LISTS = ("container_numbers", "seal_numbers")
_DOCUMENTS = ("declarations.csv", "goods_items.csv")
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HeldOutShift:
    """A shift's arrivals as bodies of requests, in the order in which they came."""

    history: Path
    """Bulk folder of what was known when the shift began."""
    arrivals: tuple[Mapping[str, Any], ...]
    """Entries and exits; of a shift sent at once those recorded after their vehicle's entry."""


def cut_shift(
    folder: Path, history: Path, *, opens_at: int, passes_until: int | None = None
) -> HeldOutShift:
    """Write a folder's history before an instant (UTC microseconds) and return what came after.

    ``passes_until`` is where a shift that is sent as it passes ends, in microseconds as well; None
    is a shift sent at once, which has everything up to the folder's end.
    """
    history.mkdir(parents=True)
    (history / "network.toml").write_bytes((folder / "network.toml").read_bytes())
    opens = moment(opens_at)
    is_sent_at_once = passes_until is None
    closes = _NEVER if passes_until is None else moment(passes_until)
    entered = _first_entries(folder, since=opens) if is_sent_at_once else {}
    met = _NEVER if is_sent_at_once else opens
    past: set[str] = set()
    later: list[CsvRow] = []
    after: set[str] = set()

    def is_past(row: CsvRow) -> bool:
        came = _recorded_at(row)
        if came >= closes:
            after.add(row["declaration_id"])
            return False
        is_met = row["direction"] == "entry" or came >= entered.get(row["plate"], met)
        if came >= opens and is_met:
            later.append(row)
            return False
        past.add(row["declaration_id"])
        return True

    def was_recorded(row: CsvRow) -> bool:
        return _read_time(row["recorded_at"]) < opens

    _filter(folder, history, name="crossings.csv", keep=is_past)
    for name in ("inspections.csv", "seizures.csv"):
        _filter(folder, history, name=name, keep=was_recorded)
    later.sort(key=_recorded_at)
    wanted = {row["declaration_id"] for row in later}
    declared = _split_declarations(folder, history, past=past, wanted=wanted, after=after)
    return HeldOutShift(history, tuple(_bodies(later, *declared)))


def read_arrivals(folder: Path, *, keep: Callable[[CsvRow], bool]) -> tuple[Mapping[str, Any], ...]:
    """Return some crossings of a folder as bodies of requests, by the time of their arrival."""
    with (folder / "crossings.csv").open(newline="") as file:
        rows = sorted(filter(keep, csv.DictReader(file)), key=lambda row: row["arrived_at"])
    wanted = {row["declaration_id"] for row in rows} - {""}
    heads, items = (_rows_by_declaration(folder / name, wanted) for name in _DOCUMENTS)
    return tuple(_bodies(rows, heads, items))


def _rows_by_declaration(path: Path, wanted: set[str]) -> dict[str, list[CsvRow]]:
    found: dict[str, list[CsvRow]] = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["declaration_id"] in wanted:
                found[row["declaration_id"]].append(row)
    return found


def find_opening(folder: Path, *, latest: int, entries: int) -> int:
    """Return when a shift opened that saw so many entries: at ``latest``, on a quiet night before.

    Times are UTC microseconds.
    """
    came = sorted(micros(_recorded_at(row)) for row in _entries(folder))
    return min([latest, *came[-entries : -entries + 1]])


def _first_entries(folder: Path, *, since: datetime) -> dict[str, datetime]:
    """Return when each vehicle's first entry from then on was recorded, by plate as written."""
    entered: dict[str, datetime] = {}
    for row in _entries(folder):
        if (plate := row["plate"]) and (came := _recorded_at(row)) >= since:
            entered[plate] = min(came, entered.get(plate, _NEVER))
    return entered


def _entries(folder: Path) -> Iterator[CsvRow]:
    with (folder / "crossings.csv").open(newline="") as file:
        yield from (row for row in csv.DictReader(file) if row["direction"] == "entry")


def _split_declarations(
    folder: Path, history: Path, *, past: set[str], wanted: set[str], after: set[str]
) -> tuple[dict[str, list[CsvRow]], dict[str, list[CsvRow]]]:
    """Write the past's declarations; return those wanted later (an exit and an entry share one)."""
    heads: dict[str, list[CsvRow]] = defaultdict(list)
    items: dict[str, list[CsvRow]] = defaultdict(list)
    not_past = (wanted | after) - past

    def is_past(row: CsvRow, later: dict[str, list[CsvRow]]) -> bool:
        if row["declaration_id"] in wanted:
            later[row["declaration_id"]].append(row)
        return row["declaration_id"] not in not_past

    _filter(folder, history, name="declarations.csv", keep=partial(is_past, later=heads))
    _filter(folder, history, name="goods_items.csv", keep=partial(is_past, later=items))
    return heads, items


def _filter(folder: Path, out: Path, *, name: str, keep: Callable[[CsvRow], bool]) -> None:
    with (folder / name).open(newline="") as source, (out / name).open("w", newline="") as target:
        rows = csv.DictReader(source)
        writer = csv.DictWriter(target, rows.fieldnames or [])
        writer.writeheader()
        writer.writerows(row for row in rows if keep(row))


def _bodies(
    crossings: list[CsvRow], heads: Mapping[str, list[CsvRow]], items: Mapping[str, list[CsvRow]]
) -> Iterator[Mapping[str, Any]]:
    """Yield each crossing as a body; a row that is no record (dirty data) is left out."""
    for row in crossings:
        declaration = None
        found, goods = heads.get(row["declaration_id"]), items.get(row["declaration_id"])
        if found and goods:
            listed = [_read_filled(item, "declaration_id") for item in goods]
            declaration = _read_filled(found[-1]) | {"items": listed}
        try:
            arrival = Arrival.model_validate(
                {"crossing": _read_filled(row), "declaration": declaration}, strict=False
            )
        except ValidationError:
            continue
        yield arrival.model_dump(mode="json", exclude_none=True)


def _read_filled(row: CsvRow, *without: str) -> dict[str, Any]:
    """Return a row's cells that are not empty; lists are split."""
    return {
        name: cell.split(";") if name in _LISTS else cell
        for name, cell in row.items()
        if cell and name not in without
    }


def _recorded_at(row: CsvRow) -> datetime:
    return _read_time(row["recorded_at"] or row["arrived_at"])


def _read_time(text: str) -> datetime:
    """Read a time; one that cannot be read is history's to quarantine."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


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
        names = enumerate(_NAMES) if strangers else ()
        new = {name: f"{number:06}X{at}" for at, name in names if known.get(name)}
        raw = json.dumps({**body, "crossing": known | now | new}, ensure_ascii=False).encode()
        yield SentArrivals(crossing_id, known["post"], raw)


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
        from experiments.support.deployment import Analysts  # fits models

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
