"""What is known of a party of the loaded history is what reading the whole history gives."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from engine.domain.identifiers import fold
from engine.domain.records import Crossing, Declaration
from engine.storage.database import Store
from engine.storage.dialect import Dialect
from features.catalogue.encoder import DOMAIN, encode, key
from features.catalogue.plan import Plan
from features.offline.encoded_history import read_log
from features.online import loaded_parties
from features.online.backfill import backfill
from features.online.loaded_parties import (
    ROLES,
    PartyRole,
    find_parties,
    read_loaded,
    read_names,
    read_passages,
    search_parties,
)
from tests.unit.features.online.replay import PLAN
from tests.unit.features.random_histories import NETWORK, history, tables

CARRIER: tuple[PartyRole, ...] = ("carrier",)
HISTORY = history(23, 150, crowd=6)
LOG = read_log(tables(HISTORY), PLAN)


def list_parties(crossing: Crossing, papers: Declaration | None) -> list[tuple[Any, str]]:
    entities, _ = encode(crossing, papers, NETWORK)
    boxes = (entities["containers"] or "").split("+")
    single = [(role, entities[role]) for role in ROLES if role != "container"]
    return [(role, one) for role, one in [*single, *(("container", box) for box in boxes)] if one]


def read_by_hand(recorded: frozenset[int]) -> dict[tuple[Any, str], list[tuple[int, str]]]:
    found: dict[tuple[Any, str], list[tuple[int, str]]] = defaultdict(list)
    for known_at, crossing, papers in HISTORY.crossings:
        for party in list_parties(crossing, papers):
            if known_at not in recorded:
                found[party].append((known_at, crossing.crossing_id))
    return found


def count_wrong(store: Store, recorded: frozenset[int] = frozenset()) -> int:
    """Return in how many answers a party's crossings are others than by hand."""
    with store.write() as connection:
        times = np.array(sorted(recorded), np.int64)
        backfill(connection, LOG, PLAN, recorded=times)
    wrong = 0
    with store.read() as connection:
        for (role, name), known in read_by_hand(recorded).items():
            cuts = [known[len(known) // 2][0], known[-1][0] + 1]
            for cut in cuts:
                before = sorted(((-at, one) for at, one in known if at < cut))
                shown, total = read_loaded(connection, PLAN, key(role, name), before=cut, most=12)
                listed = [(-one.known_at, one.crossing_id) for one in shown]
                wrong += (listed, total) != (before[:12], len(before))
    return wrong


def test_it_is_what_reading_the_whole_history_gives(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert count_wrong(store) == 0
    monkeypatch.setattr(loaded_parties, "CHUNK", 12)
    recorded = frozenset(known_at for known_at, *_ in HISTORY.crossings[::4])
    assert count_wrong(store, recorded) == 0
    # Negative control: a chunk is named by its first crossing.
    monkeypatch.setattr(loaded_parties, "max", min, raising=False)
    assert count_wrong(store, recorded) > 0


def test_a_party_is_found_by_its_name_in_each_register(store: Store) -> None:
    with store.write() as connection:
        backfill(connection, LOG, PLAN, recorded=np.array([], np.int64))
    with store.read() as connection:
        parties = find_parties(connection, CARRIER, fold("k1"))
        assert {name for _, name, _ in parties} == {"k1"}
        by_hand = {name for role, name in read_by_hand(frozenset()) if role == "carrier"}
        domains = {name for name in by_hand if name.rpartition(DOMAIN)[2] == "k1"}
        assert {entity for *_, entity in parties} == {key("carrier", one) for one in domains}
        assert len(domains) == 2  # posts of two administrations
        assert read_names(connection, [entity for *_, entity in parties]) == {
            entity: "k1" for *_, entity in parties
        }
        found = search_parties(connection, fold("01 а123"), most=9)
        assert {(role, name) for role, name, _ in found} == {("plate", "01A123BC")} | {
            ("plate", name)
            for role, name in read_by_hand(frozenset())
            if role == "plate" and name.startswith("01A123")
        }
        assert search_parties(connection, fold("d1"), most=9) == []  # drivers are not looked for


def test_what_is_asked_of_a_party_does_not_grow_with_its_history(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rows that come out of the store: a read of all of them is caught."""
    monkeypatch.setattr(loaded_parties, "CHUNK", 4)
    read: list[int] = []

    def count(connection: Connection, plan: Plan, crossings: Sequence[str]) -> Any:
        read.append(len(crossings))
        return read_passages(connection, plan, crossings)

    monkeypatch.setattr(loaded_parties, "read_passages", count)
    with store.write() as connection:
        backfill(connection, LOG, PLAN, recorded=np.array([], np.int64))
    by_hand = {name: len(own) for (role, name), own in read_by_hand(frozenset()).items()}
    assert max(by_hand.values()) > 20
    with store.read() as connection:
        for role, name in read_by_hand(frozenset()):
            read.clear()
            read_loaded(connection, PLAN, key(role, name), before=LOG.ends, most=4)
            assert sum(read) <= 3 * 4
        if Dialect.of(connection).is_sqlite:
            for plan in PLANS:
                assert "SEARCH" in connection.exec_driver_sql(plan).all()[0][3]


PLANS = (
    "EXPLAIN QUERY PLAN SELECT total FROM loaded_parties WHERE entity = 5 ORDER BY last DESC",
    "EXPLAIN QUERY PLAN SELECT total FROM loaded_parties WHERE text = 'x' AND role = 1",
)
