"""A partner's messages bring what was agreed, when it arrived, and nothing else."""

import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from engine.domain.time_units import DAY, HOUR
from engine.links.messages import KINDS
from features.history.tables import SCHEMAS, Tables
from features.partners import linked_history
from features.partners.linked_history import (
    LET_GO,
    LINE_DELAY,
    SEARCHED_WITHIN,
    isolate_histories,
    link_histories,
    list_administrations,
)
from tests.unit.api.links.facing_posts import EAST, NETWORK, WEST, facing_history
from tests.unit.features.random_histories import START

TABLES = tuple(SCHEMAS)
CUT = START + 150 * DAY


@pytest.fixture(scope="module")
def whole_history() -> Tables:
    return facing_history(3, 200)


@pytest.fixture(scope="module")
def linked_histories(whole_history: Tables) -> dict[str, Tables]:
    return link_histories(whole_history)


def read_received(found: dict[str, Tables], name: str, table: str) -> Any:
    """The rows of a table that an administration got by messages."""
    rows = found[name].table(table)
    key = "declaration_id" if table == "goods_items" else SCHEMAS[table].names[0]
    return rows.filter(pc.starts_with(rows[key], "link:"))


def test_each_record_belongs_to_one_administration(whole_history: Tables) -> None:
    own = isolate_histories(whole_history)
    assert list(own) == [EAST, WEST]
    for table in TABLES:
        assert (
            sum(own[name].table(table).num_rows for name in own)
            == whole_history.table(table).num_rows
        )
    for name, posts in list_administrations(NETWORK).items():
        assert set(own[name].crossings["post"].to_pylist()) == posts == {*own[name].network.posts}


def test_a_manifest_is_the_agreed_part_of_an_exit_known_on_arrival(
    whole_history: Tables, linked_histories: dict[str, Tables]
) -> None:
    exits = whole_history.crossings.filter(
        pc.and_(
            pc.is_in(whole_history.crossings["post"], value_set=pa.array(["E1", "E2"])),
            pc.equal(whole_history.crossings["direction"], "exit"),
        )
    ).to_pylist()
    came = read_received(linked_histories, WEST, "crossings")
    came = came.filter(pc.equal(came["direction"], "exit")).to_pylist()
    assert len(came) == len(exits) > 50
    for sent, got in zip(exits, came, strict=True):
        same = ("post", "arrived_at", "plate", "carrier_id", "weighed_mass_kg", "is_empty")
        assert {name: sent[name] for name in same} == {name: got[name] for name in same}
        assert got["known_at"] == sent["known_at"] + LINE_DELAY
        assert got["driver_ref"] is None


def test_an_outcome_is_an_act_at_the_partners_post_once_a_movement(
    whole_history: Tables, linked_histories: dict[str, Tables]
) -> None:
    acts = {act["inspection_id"]: act for act in whole_history.inspections.to_pylist()}
    came = read_received(linked_histories, WEST, "inspections").to_pylist()
    assert len(came) > 30
    assert {act["basis"] for act in came} == {"counterpart"}
    assert all(act["propensity"] is None and act["agency"] is None for act in came)
    times = {act["known_at"] + LINE_DELAY for act in acts.values()}
    seizures = {at + LINE_DELAY for at in whole_history.seizures["known_at"].to_pylist()}
    exits = {at + 2 * LINE_DELAY for at in whole_history.crossings["known_at"].to_pylist()}
    assert {act["known_at"] for act in came} <= times | seizures | exits
    entries = read_received(linked_histories, WEST, "crossings")
    entries = entries.filter(pc.equal(entries["direction"], "entry"))["crossing_id"].to_pylist()
    assert len(entries) == len(set(entries))
    touched = {act["crossing_id"] for act in came}
    finds = read_received(linked_histories, WEST, "seizures")["linked_crossing_id"].to_pylist()
    assert touched | {*finds} < {*entries}, "the others were let go"


def test_a_vehicle_without_an_act_was_let_go_an_hour_after_its_record(
    whole_history: Tables, linked_histories: dict[str, Tables]
) -> None:
    """Known a minute later; of one whose exit was not recorded by then nothing is told."""
    acts = {act["crossing_id"]: act for act in reversed(whole_history.inspections.to_pylist())}
    times = []
    for row in whole_history.crossings.to_pylist():
        act = acts.get(row["crossing_id"])
        is_searched = act is not None and act["known_at"] <= row["known_at"] + SEARCHED_WITHIN
        if row["direction"] == "entry" and row["post"][0] == "E" and not is_searched:
            times.append(row["known_at"] + LET_GO + LINE_DELAY)
    entered = read_received(linked_histories, WEST, "crossings")
    entered = entered.filter(pc.equal(entered["direction"], "entry"))
    acted = read_received(linked_histories, WEST, "inspections")
    first = {act["crossing_id"]: act["known_at"] for act in reversed(acted.to_pylist())}
    let_go = [
        row["known_at"]
        for row in entered.to_pylist()
        if row["known_at"] < first.get(row["crossing_id"], row["known_at"] + 1)
    ]
    assert 30 < len(let_go) < len(times)
    assert {*let_go} <= {*times}


def find_leaks(found: dict[str, Tables]) -> set[str]:
    """Columns in which an administration holds a text of the other side's canaries."""
    leaks = set()
    for name, foreign in ((WEST, "CANARY-E"), (EAST, "CANARY-W")):
        for table in TABLES:
            for row in found[name].table(table).to_pylist():
                leaks |= {f"{table}.{k}" for k, v in row.items() if foreign in json.dumps(v)}
    return leaks


def test_nothing_outside_the_agreement_crosses_the_line(
    linked_histories: dict[str, Tables],
) -> None:
    assert find_leaks(linked_histories) == set()
    for name, origin in ((WEST, "XE"), (EAST, "XW")):
        items = linked_histories[name].goods_items
        assert origin not in items["origin_country"].to_pylist()
        came = read_received(linked_histories, name, "goods_items")
        came = came.filter(pc.invert(pc.ends_with(came["declaration_id"], ":entry")))
        assert set(came["customs_value_usd"].to_pylist()) == {None}
        assert (
            777.0 not in read_received(linked_histories, name, "seizures")["quantity_g"].to_pylist()
        )


def test_a_channel_that_sends_whole_messages_is_caught(
    whole_history: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: neither side holds messages to the agreement."""
    monkeypatch.setattr(
        linked_history, "select_fields", lambda *_, message, **__: dump_whole(message)
    )
    monkeypatch.setattr(linked_history, "check_body", read_whole)
    leaks = find_leaks(link_histories(whole_history))
    assert {"crossings.driver_ref", "declarations.consignee_id"} <= leaks


def dump_whole(message: Any) -> dict[str, Any]:
    """A body without the agreement's filter."""
    found: dict[str, Any] = message.model_dump(mode="json", exclude_defaults=True)
    return found


def read_whole(_agreement: object, *, kind: str, body: dict[str, Any], **_: object) -> Any:
    """A body that is not held to the agreement."""
    return KINDS[kind].model_validate(body)


def turn_outcomes(found: Tables, *, known_from: int) -> Tables:
    """The same history with every outcome known from a time on turned round."""
    turned = pc.if_else(pc.equal(found.inspections["outcome"], "clear"), "seizure", "clear")
    late = pc.greater_equal(found.inspections["known_at"], known_from)
    outcome = pc.if_else(late, turned, found.inspections["outcome"])
    place = found.inspections.column_names.index("outcome")
    return replace(found, inspections=found.inspections.set_column(place, "outcome", outcome))


def changed_before(one: dict[str, Tables], other: dict[str, Tables], cut: int) -> int:
    """Rows of acts and finds known before a time that differ between two histories."""
    changed = 0
    for name in one:
        for table in ("inspections", "seizures"):
            rows = [
                found[name].table(table).filter(pc.less(found[name].table(table)["known_at"], cut))
                for found in (one, other)
            ]
            texts = [{json.dumps(row, sort_keys=True) for row in each.to_pylist()} for each in rows]
            changed += len(texts[0] ^ texts[1])
    return changed


def test_an_outcome_is_not_known_before_it_arrived(
    whole_history: Tables, linked_histories: dict[str, Tables]
) -> None:
    other = link_histories(turn_outcomes(whole_history, known_from=CUT))
    assert changed_before(linked_histories, other, CUT) == 0
    assert changed_before(linked_histories, other, CUT + 100 * DAY) > 0


def test_an_outcome_that_is_used_early_is_caught(
    whole_history: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: messages arrive before they are sent."""
    monkeypatch.setattr(linked_history, "LINE_DELAY", -20 * DAY)
    both = [
        link_histories(turn_outcomes(whole_history, known_from=at)) for at in (CUT, CUT + 900 * DAY)
    ]
    assert changed_before(both[0], both[1], CUT) > 0


def test_a_manifest_that_comes_late_lets_the_outcome_follow(whole_history: Tables) -> None:
    """All exits are recorded two days late: every outcome waits for its manifest."""
    place = whole_history.crossings.column_names.index("known_at")
    is_exit = pc.equal(whole_history.crossings["direction"], "exit")
    late = pc.add(whole_history.crossings["known_at"], 60 * HOUR)
    known = pc.if_else(is_exit, late, whole_history.crossings["known_at"])
    crossings = whole_history.crossings.set_column(
        place, whole_history.crossings.field("known_at"), known
    ).sort_by([("known_at", "ascending"), ("crossing_id", "ascending")])
    found = link_histories(replace(whole_history, crossings=crossings))
    outcome_times = {
        at
        for name in found
        for at in read_received(found, name, "inspections")["known_at"].to_pylist()
    }
    manifests = {
        at
        for name in found
        for at in read_received(found, name, "crossings")["known_at"].to_pylist()
    }
    acts = {at + LINE_DELAY for at in whole_history.inspections["known_at"].to_pylist()}
    finds = {at + LINE_DELAY for at in whole_history.seizures["known_at"].to_pylist()}
    waited = outcome_times - acts - finds
    assert waited
    assert waited <= {at + LINE_DELAY for at in manifests}


def test_identifiers_without_a_common_domain_do_not_travel(whole_history: Tables) -> None:
    network = replace(NETWORK, identifiers=MappingProxyType({}))
    found = link_histories(replace(whole_history, network=network))
    for name in found:
        assert set(read_received(found, name, "crossings")["carrier_id"].to_pylist()) == {None}
