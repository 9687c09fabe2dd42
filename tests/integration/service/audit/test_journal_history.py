"""The event log of a home repeats what its service computed; a changed network file is said."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from api.cli.main import app as command_line
from api.service.assembly import open_store
from api.service.settings import Settings
from engine.audit.file_anchors import declare_network
from engine.decision.inspection_minutes import ACT_MINUTES
from engine.decision.record_codec import digest_of
from engine.domain.time_units import DAY
from engine.journal.journal import Journal, JournalReader
from engine.journal.kinds import HISTORY_LOADED
from engine.storage.home import Home
from experiments.synthetic.folder import write
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.tables import epoch, read_event_log, read_history, read_records
from features.intake.load import load
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from features.online.backfill import open_epoch
from features.online.counter_log import read_waiting
from features.online.counter_states import expand_rows
from features.online.counter_store import COUNTERS
from features.online.crossing_index import PASSAGES
from features.online.search_counts import PLACE_COUNTS
from tests.support.running_service import (
    FakeModels,
    World,
    arrival,
    make_home,
    make_keys,
    open_world,
)
from tests.support.sizes import PROOF
from tests.unit.service.reports.test_acts import act

PLAN = Plan(CATALOGUE)
DECISIONS = 40 if PROOF else 20


@pytest.fixture
def eventful_world(tmp_path: Path) -> Iterator[World]:
    """A service of its own that decided, inspected and recorded."""
    home = make_home(tmp_path / "home")
    keys, other = make_keys(home)
    models = FakeModels()
    client, app = open_world(home, models, Settings(key_seconds=0.2, model_seconds=0.05))
    with client:
        yield _fill_world(World(home, models, client, app.state.runtime, keys, other))


def _fill_world(world: World) -> World:
    for number in range(DECISIONS):
        decided = world.decide(arrival(number, plate=f"01A{number % 9:04d}BC"))
        assert decided.status_code == 201
        if number % 4 == 0:
            assert world.post("/v1/inspections", act(number, f"c-{number}")).status_code == 201
        if number % 5 == 0:
            only = arrival(1000 + number, direction="exit", plate=f"01A{number % 9:04d}BC")
            assert world.post("/v1/crossings", only).status_code == 201
    return world


def list_digests(world: World) -> dict[str, str]:
    """Digest of the features of each decision, as its record has it."""
    with world.runtime.store.read() as connection:
        return {
            record.body["crossing_id"]: record.body["features"]
            for record in read_records(connection)
            if record.kind == "decision"
        }


def again(world: World) -> dict[str, str]:
    """The same digests, from the matrix of all that the home knows."""
    with world.runtime.store.read() as connection:
        tables = read_event_log(world.home, connection)
    made = matrix(read_log(tables, PLAN), PLAN)
    rows = zip(made.crossing_id, made.values, strict=True)
    return {name: digest_of(row) for name, row in rows}


def read_counters(world: World) -> tuple[Any, Any]:
    """Every counter and every passage, in order."""
    with world.runtime.store.read() as connection:
        merged = expand_rows(map(tuple, connection.execute(select(COUNTERS))))
        counters = sorted([*merged, *read_waiting(connection)])
        passages = connection.execute(select(PASSAGES).order_by(PASSAGES.c.crossing_id)).all()
        return counters, passages


def test_the_matrix_of_a_home_repeats_what_was_decided(eventful_world: World) -> None:
    features, repeated = list_digests(eventful_world), again(eventful_world)
    assert len(features) >= DECISIONS
    assert {name: repeated[name] for name in features} == features


def count_again(world: World, report: Callable[[str], None] = lambda _: None) -> None:
    open_epoch(world.home, world.runtime.store, PLAN, about=None, report=report)


def test_counting_again_gives_the_same_counters(eventful_world: World) -> None:
    before = read_counters(eventful_world)
    open_epoch(
        eventful_world.home,
        eventful_world.runtime.store,
        PLAN,
        about=None,
        report=lambda _: None,
    )
    after = read_counters(eventful_world)
    assert len(before[0]) > 12.5 * DECISIONS
    assert after == before
    first, reads_from = read_bounds(eventful_world)
    assert reads_from == first - DAY, "what the first decision read stays"


def read_bounds(world: World) -> tuple[int, int]:
    """Return when the first decision was recorded, and from when on the last load is read."""
    with world.runtime.store.read() as connection:
        (_, body), *_ = list(JournalReader(connection).bodies_of(HISTORY_LOADED))[::-1]
        first = next(one for one in read_records(connection) if one.kind == "decision")
    return first.known_at, body["reads_from"]


def read_recounted(world: World) -> list[Any]:
    """All that counting again fills: counters, passages, minutes and places searched."""
    with world.runtime.store.read() as connection:
        tables = (ACT_MINUTES, PLACE_COUNTS)
        return [
            read_counters(world),
            *(sorted(connection.execute(select(table))) for table in tables),
        ]


def test_what_is_recorded_while_a_load_encodes_is_learnt_like_the_rest(
    eventful_world: World,
) -> None:
    def busy(doing: str) -> None:
        """Go on while the history is encoded: a decision, and an act that took its time."""
        if doing == "filling the counters":
            assert eventful_world.decide(arrival(6000)).status_code == 201
            assert (
                eventful_world.post("/v1/inspections", act(6000, "c-6000", minutes=77)).status_code
                == 201
            )

    before = read_recounted(eventful_world)
    count_again(eventful_world, report=busy)
    on_top = read_recounted(eventful_world)
    open_epoch(
        eventful_world.home,
        eventful_world.runtime.store,
        PLAN,
        about=None,
        report=lambda _: None,
    )
    assert before != on_top == read_recounted(eventful_world)


def test_a_later_history_opens_an_epoch_and_moves_what_comes_after_it(
    eventful_world: World, tmp_path: Path
) -> None:
    end = datetime.now(UTC) - timedelta(days=1)
    write(tmp_path / "late", crossings=400, seed=3, end=end, days=30)
    only_our_posts(tmp_path / "late")
    before = eventful_world.decide(arrival(5000)).json()
    loaded = load(eventful_world.home, tmp_path / "late")
    store = eventful_world.runtime.store
    entry = open_epoch(
        eventful_world.home, store, PLAN, about=loaded.as_body(), report=lambda _: None
    )
    assert eventful_world.decide(arrival(5001)).status_code == 201
    with store.read() as connection:
        decisions = [one.body for one in read_records(connection) if one.kind == "decision"]
        bodies = {body["crossing_id"]: body for body in decisions}
        anchored = Journal(store).body(connection, entry.seq)
    assert bodies["c-5000"]["inputs"]["epoch"] != bodies["c-5001"]["inputs"]["epoch"]
    assert bodies["c-5001"]["inputs"]["epoch"] == anchored["epoch"] == epoch(eventful_world.home)
    assert list_digests(eventful_world)["c-5001"] == again(eventful_world)["c-5001"]
    assert before["crossing_id"] == "c-5000"
    # Last night's vehicles, known from the load alone, are searched by the post they came to.
    with store.read() as connection:
        query = select(PASSAGES.c.crossing_id, PASSAGES.c.post)
        ids = {post: name for name, post in connection.execute(query) if name not in bodies}
    ours = eventful_world.post("/v1/inspections", act(7001, ids["OYB"]))
    theirs = eventful_world.post("/v1/inspections", act(7002, ids["FOT"]))
    assert (ours.status_code, theirs.status_code) == (201, 404)


def test_a_find_in_an_act_of_the_files_is_taken_and_no_report_of_theirs_again(
    eventful_world: World, tmp_path: Path
) -> None:
    past = _load_later(eventful_world, tmp_path / "late")
    row = next(row for row in past["inspections"] if row["crossing_id"] in past["ours"])
    find = {"seizure_id": "s-7003", "crossing_id": row["crossing_id"]}
    find |= {"recorded_at": datetime.now(UTC).isoformat(), "substance_class": "narcotic"}
    asked = find | {"inspection_id": row["inspection_id"]}
    assert eventful_world.post("/v1/seizures", asked).status_code == 201
    with eventful_world.runtime.store.read() as connection:
        finds = read_event_log(eventful_world.home, connection).seizures.to_pylist()
    assert row["crossing_id"] in {one["linked_crossing_id"] for one in finds}
    unheard = find | {"seizure_id": "s-7004", "inspection_id": "i-unknown"}
    assert eventful_world.post("/v1/seizures", unheard).status_code == 404, (
        "in an act that was never filed"
    )

    again = act(0, row["crossing_id"]) | {"inspection_id": row["inspection_id"]}
    taken = find | {"seizure_id": past["seizures"][0]["seizure_id"]}
    for path, body in (("/v1/inspections", again), ("/v1/seizures", taken)):
        assert eventful_world.post(path, body).status_code == 409


def _load_later(world: World, folder: Path) -> dict[str, Any]:
    """Load a later history; return its acts and seizures, and which crossings are our post's."""
    write(folder, crossings=4_000, seed=3, end=datetime.now(UTC) - timedelta(days=1), days=30)
    only_our_posts(folder)
    load(world.home, folder)
    count_again(world)
    past = read_history(world.home)
    rows = {name: past.table(name).to_pylist() for name in ("inspections", "seizures")}
    ours = {row["crossing_id"] for row in past.crossings.to_pylist() if row["post"] == "OYB"}
    return {**rows, "ours": ours}


def only_our_posts(folder: Path) -> None:
    """Drop the network file: the home has its own, and a later history may name other posts."""
    (folder / "network.toml").unlink()
    crossings = (folder / "crossings.csv").read_text("utf-8").splitlines()
    header = crossings[0].split(",")
    place = header.index("post")
    kept_lines = [line.split(",") for line in crossings[1:]]
    for number, cells in enumerate(kept_lines):
        cells[place] = ("OYB", "FOT")[number % 2]
    lines = [",".join(cells) for cells in [header, *kept_lines]]
    (folder / "crossings.csv").write_text("\n".join(lines) + "\n", "utf-8")


def test_the_log_is_in_the_order_of_knowledge(eventful_world: World) -> None:
    with eventful_world.runtime.store.read() as connection:
        tables = read_event_log(eventful_world.home, connection)
    known, cut = (tables.crossings[name].to_numpy() for name in ("known_at", "as_of"))
    assert (np.diff(known) >= 0).all()
    assert (cut <= known).all()


POST = '[[posts]]\ncode = "{code}"\nname = "{code}"\ncountry = "KG"\n{more}'
ROWS = """crossing_id,post,direction,arrived_at,vehicle_class,plate,driver_ref
c1,DOS,entry,2026-03-01T16:30:00Z,truck,01A123BC,d1
"""


def write_network(path: Path, more: str = "") -> None:
    path.write_text(POST.format(code="DOS", more=more) + POST.format(code="OSH", more=""), "utf-8")


def run(home: Home, *arguments: str) -> dict[str, Any]:
    made = CliRunner().invoke(command_line, [*arguments, "--home", str(home.root), "--json"])
    assert made.exit_code == 0, made.output
    found: dict[str, Any] = orjson.loads(made.stdout)
    return found


def notes(home: Home) -> list[str]:
    return [note for note in run(home, "verify")["notes"] if note.startswith("counters")]


@pytest.mark.parametrize(
    ("more", "is_said"),
    [
        ('timezone = "Asia/Tashkent"\n', True),
        ('administration = "KG-2"\n', True),
        ("[posts.equipment]\nxray = 1\n", False),
    ],
)
def test_counters_under_another_network_are_filled_again(
    tmp_path: Path, more: str, is_said: bool
) -> None:
    home, folder = Home(tmp_path / "home"), tmp_path / "folder"
    folder.mkdir()
    (folder / "crossings.csv").write_text(ROWS, "utf-8")
    write_network(folder / "network.toml")
    run(home, "load", str(folder))
    (folder / "network.toml").unlink()
    write_network(home.network, more)
    with open_store(home) as store:
        declare_network(home, store, has_new_posts=True)  # as after a load that changes it
    assert bool(notes(home)) == is_said
    run(home, "load", str(folder))
    assert notes(home) == []
