"""History of an administration with what its partners' messages brought.

The receiver's history holds its own records, exits that manifests told of, and the entries, acts
and finds that outcomes told of, each known when its message arrived. Features read it as they read
any history: nothing here computes one.

A history has no record of a release, which a service has and tells: a vehicle on which no act is
known within ``SEARCHED_WITHIN`` of its record is taken to have been let go ``LET_GO`` after it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.network import Network
from engine.domain.time_units import DAY, HOUR
from engine.links.identity import LinkKeys
from features.history.record_rows import Row
from features.history.tables import SCHEMAS, Tables
from features.partners.administrations import (
    TABLE_NAMES,
    join_rows,
    list_administrations,
    list_facing_posts,
    restrict_network,
    select_own,
)
from features.partners.message_channel import MessageReceiver, MessageSender
from features.partners.movements import Passage
from features.partners.partner_exchange import (
    Event,
    LinkSide,
    VehicleLeft,
    VehicleSearched,
    play_exchange,
)
from features.partners.partner_records import Consignment
from features.partners.standard_agreement import make_standard_agreement

SEARCHED_WITHIN, LET_GO = DAY, HOUR
"""Microseconds from the record of an arrival; assumed."""
Progress = Callable[[int, int], None]


def isolate_histories(tables: Tables) -> dict[str, Tables]:
    """Return what each administration of a history recorded itself, by its name."""
    found = list_administrations(tables.network)
    return {name: select_own(tables, posts) for name, posts in found.items()}


def link_histories(tables: Tables, *, progress: Progress | None = None) -> dict[str, Tables]:
    """Return what each administration knows by itself and by its partners' messages.

    Administrations are partners where posts of theirs face each other. ``progress`` is called with
    how many links are done, and how many there are.
    """
    own = isolate_histories(tables)
    received: dict[str, dict[str, list[Row]]] = {name: defaultdict(list) for name in own}
    posts = {name: set(found.network.posts) for name, found in own.items()}
    couples = list(combinations(own, 2))
    for done, couple in enumerate(couples):
        if progress is not None:
            progress(done, len(couples))
        if not (pairs := list_facing_posts(tables.network, *couple)):
            continue
        sides = _open_link(tables.network, couple, pairs)
        events = [(at, 0, event) for at, event in _list_events(own[couple[0]], sides[0].opposite)]
        events += [(at, 1, event) for at, event in _list_events(own[couple[1]], sides[1].opposite)]
        play_exchange(sides, events)
        for name, side in zip(couple, sides, strict=True):
            posts[name].update(side.opposite.values())
            for table, rows in side.received.items():
                received[name][table].extend(rows)
    return {
        name: _join(found, received[name], restrict_network(tables.network, posts[name]))
        for name, found in own.items()
    }


def _join(own: Tables, received: dict[str, list[Row]], network: Network) -> Tables:
    added = {name: _to_table(name, received[name]) for name in TABLE_NAMES if received[name]}
    return join_rows(own, network=network, added=added)


def _to_table(name: str, rows: list[Row]) -> Any:
    schema = SCHEMAS[name]
    blank: Row = {field.name: [] for field in schema if pa.types.is_list(field.type)}
    return pa.Table.from_pylist([blank | row for row in rows], schema=schema)


def _open_link(
    network: Network, couple: tuple[str, str], pairs: tuple[tuple[str, str], ...]
) -> tuple[LinkSide, LinkSide]:
    """Return both sides of a link under the standard agreement, with keys of their own."""
    keys = LinkKeys.generate(), LinkKeys.generate()
    identities = keys[0].identity, keys[1].identity
    agreement = make_standard_agreement(
        network, pairs, administrations=couple, identities=identities
    )

    def side(at: int) -> LinkSide:
        party = agreement.parties[at]
        return LinkSide(
            partner=couple[1 - at],
            opposite={pair[at]: pair[1 - at] for pair in pairs},
            sender=MessageSender(agreement, party, keys[at]),
            receiver=MessageReceiver(agreement, party, keys[at]),
        )

    return side(0), side(1)


def _list_events(own: Tables, posts: Any) -> Iterator[tuple[int, Event]]:
    """Yield what one side came to know of vehicles at some of its posts, with the times."""
    here = pc.is_in(own.crossings["post"], value_set=pa.array(sorted(posts), pa.string()))
    exits = own.crossings.filter(pc.and_(here, pc.equal(own.crossings["direction"], "exit")))
    for consignment in read_consignments(own, exits):
        yield consignment.crossing["known_at"], VehicleLeft(consignment)
    entries = own.crossings.filter(pc.and_(here, pc.equal(own.crossings["direction"], "entry")))
    known_at, arrivals = {}, {}
    for one in read_consignments(own, entries):
        name = one.crossing["crossing_id"]
        known_at[name], arrivals[name] = one.crossing["known_at"], one.passage(name)
    acts = own.inspections.to_pylist()
    yield from _list_released(acts, known_at, arrivals)
    by_act = {act["inspection_id"]: act for act in acts}
    for act in acts:
        if act["crossing_id"] in arrivals:
            yield act["known_at"], VehicleSearched(arrivals[act["crossing_id"]], act, None)
    for find in own.seizures.to_pylist():
        if find["linked_crossing_id"] in arrivals:
            about = arrivals[find["linked_crossing_id"]]
            act = by_act.get(find["inspection_id"])
            yield find["known_at"], VehicleSearched(about, act, find)


def _list_released(
    acts: list[Row], known_at: dict[str, int], arrivals: dict[str, Passage]
) -> Iterator[tuple[int, Event]]:
    """Yield the arrivals that are taken to have been let go, with the times."""
    searched = {
        act["crossing_id"]
        for act in acts
        if act["known_at"] <= known_at.get(act["crossing_id"], 0) + SEARCHED_WITHIN
    }
    for name, arrival in arrivals.items():
        if name not in searched:
            yield known_at[name] + LET_GO, VehicleSearched(arrival, None, None)


def read_consignments(own: Tables, crossings: Any) -> Iterator[Consignment]:
    """Yield some crossings of a history, each with its declaration and items."""
    wanted = pc.unique(crossings["declaration_id"].drop_null())

    def about(table: Any) -> list[Row]:
        found: list[Row] = table.filter(
            pc.is_in(table["declaration_id"], value_set=wanted)
        ).to_pylist()
        return found

    heads = {head["declaration_id"]: head for head in about(own.declarations)}
    items: dict[str, list[Row]] = defaultdict(list)
    for item in about(own.goods_items):
        items[item["declaration_id"]].append(item)
    for crossing in crossings.to_pylist():
        name = crossing["declaration_id"]
        yield Consignment(crossing, heads.get(name), tuple(items.get(name, ())))
