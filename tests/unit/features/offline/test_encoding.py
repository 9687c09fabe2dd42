"""A history encoded in columns is, to the bit, what the encoder says of each crossing."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import reduce
from operator import add
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.network import Network
from engine.domain.time_units import micros
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.encoder import ENTITIES, FACTS, SEPARATOR, encode, join_values, key
from features.catalogue.plan import Plan
from features.history.tables import Tables
from features.offline import column_encoder, declared_columns
from features.offline.column_encoder import encode_crossings
from features.offline.compact_columns import encode_texts, map_codes, map_texts, split_list
from features.offline.encoded_history import arrivals, read_log
from tests.unit.features.random_histories import EVENTFUL, NETWORK, History, history, tables

EARLY, LATE = datetime(1, 1, 1, 3, tzinfo=UTC), datetime(9999, 12, 31, 23, 30, tzinfo=UTC)
PRECURSOR = ("precursor", "precursor_heading")
SUMMER = [datetime(2024, 3, 31, hour, 59, 59, 999_999, tzinfo=UTC) for hour in (0, 1, 2)]
"""Clocks of Berlin go forward at 01:00 UTC of that day."""


def compare(found: Tables, network: Network = NETWORK) -> None:
    """Compare every entity and every fact of every crossing."""
    facts: dict[str, Any] = {}
    entities = encode_crossings(found, network, facts.__setitem__)
    assert (set(entities), set(facts)) == (set(ENTITIES), set(FACTS))
    values = {name: [None, *texts.values.to_pylist()] for name, texts in entities.items()}
    rows = list(arrivals(found))
    assert {len(column) for column in facts.values()} <= {len(rows)}
    for row, each in enumerate(rows):
        expected, numbers = encode(*each, network)
        got = {name: values[name][entities[name].codes[row]] for name in ENTITIES}
        assert got == expected
        for name in FACTS:
            bits = np.array([facts[name][row], numbers[name]], np.float64).view(np.int64)
            assert bits[0] == bits[1], (name, facts[name][row], numbers[name])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60), st.integers(0, 1))
def test_columns_are_what_the_encoder_says(seed: int, size: int, view: int) -> None:
    networks = (NETWORK, Network())
    compare(tables(history(seed, size, crowd=seed % 2 * 20)), networks[view])


def test_times_at_the_ends_of_the_calendar_and_at_a_change_of_clocks() -> None:
    times = (EARLY, LATE, *SUMMER)
    crossings = [
        (micros(at), each.model_copy(update={"arrived_at": at, "recorded_at": late}), declared)
        for (_, each, declared), at, late in zip(
            history(3, 60).crossings, times * 12, (None, *times) * 10, strict=True
        )
    ]
    compare(tables(History(crossings, (), ())))


def test_sums_zeros_and_what_is_absent() -> None:
    """Masses that only an exact sum adds up, zeros with a sign, and a post that no file names."""
    masses = ((0.1,) * 10, (1e8, 1e-9, 1e8), (-0.0,), (-0.0, -0.0), (0.3, 0.6), (None,))
    crossings = []
    for number, (at, each, declared) in enumerate(history(6, 120).crossings):
        if declared is not None:
            items = tuple(
                declared.items[0].model_copy(
                    update={"item_no": place, "net_mass_kg": mass, "customs_value_usd": mass}
                )
                for place, mass in enumerate(masses[number % len(masses)], 1)
            )
            declared = declared.model_copy(update={"items": items})
        post = ("ELSE", each.post, each.post)[number % 3]
        plate = (each.plate, "--", "ß1")[number % 3]  # folds to nothing, and to more characters
        changed = {"post": post, "plate": plate, "vin": plate, "tir_carnet": each.vin}
        crossings.append((at, each.model_copy(update=changed), declared))
    compare(tables(History(crossings, (), ())))


def add_up(values: Iterable[float]) -> float:
    """Return a sum that is rounded at every step; the built-in one is exact from Python 3.12 on."""
    return reduce(add, values, 0.0)


@pytest.mark.parametrize(
    ("module", "name", "bug"),
    [
        (declared_columns, "math", SimpleNamespace(fsum=add_up)),
        (declared_columns, "find_precursors", lambda _: dict.fromkeys(PRECURSOR)),
        (column_encoder, "fold_text", lambda raw: raw),
        (column_encoder, "read_clocks", lambda arrived, _post, _network: arrived),
    ],
)
def test_another_reading_of_a_record_is_caught(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, bug: Any
) -> None:
    found = tables(EVENTFUL[0])
    compare(found)
    monkeypatch.setattr(module, name, bug)
    with pytest.raises(AssertionError):
        compare(found)


CODES = st.text("AZaz09 -_.;+\t~ЖAß\u0301ﬁ\u200b", max_size=4)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.lists(CODES, min_size=1, max_size=3).map(SEPARATOR.join)))
def test_codes_are_folded_in_columns_as_one_by_one(texts: list[str | None]) -> None:
    def fold_members(text: str | None) -> str | None:
        return join_values(split_list(text))

    coded = encode_texts([text or None for text in texts])
    found, expected = map_codes(fold_members, coded), map_texts(fold_members, coded)
    assert found.values.equals(expected.values)
    assert np.array_equal(found.codes, expected.codes)


PLAN = Plan(CATALOGUE)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 120))
def test_a_log_holds_what_the_encoder_says(seed: int, size: int) -> None:
    found = tables(history(seed, size))
    log = read_log(found, PLAN)
    for row, each in enumerate(arrivals(found)):
        entities, facts = encode(*each, found.network)
        assert log.keys[:, row].tolist() == PLAN.keys(entities)
        expected = np.array(PLAN.fact_row(facts))
        np.testing.assert_array_equal(log.facts[:, row].view(np.int64), expected.view(np.int64))
        plate = entities["plate"]
        assert log.plate_key[row] == (0 if plate is None else key("plate", plate))
        assert log.post[row] == entities["post"]
        assert log.crossing_id[row] == each[0].crossing_id
    assert log.crossing_id[:].tolist() == [each[0].crossing_id for each in arrivals(found)]
    backwards = np.arange(len(log))[::-1]
    assert log.crossing_id[backwards].tolist() == log.crossing_id[:].tolist()[::-1]
    assert log.crossing_id[2:5].tolist() == log.crossing_id[:].tolist()[2:5]
