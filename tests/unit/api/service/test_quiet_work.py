"""Quiet work is done where it is due, and no fault of it reaches the decisions."""

import gc

import pytest

from api.service.assembly import LOOKS, YOUNG, do_quiet_work
from engine.errors import StoreUnavailableError
from engine.storage.database import Store


class FailingStore(Store):
    """A store whose log cannot be written back."""

    def __init__(self) -> None:
        self.asked = 0

    def write_back(self) -> None:
        self.asked += 1
        raise StoreUnavailableError("the disk is full")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Generations that were looked through; the collector itself is left alone."""
    found: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda generation=2: found.append(generation))
    monkeypatch.setattr(gc, "isenabled", lambda: True)
    return found


@pytest.mark.parametrize(
    ("counts", "looked"),
    [
        ((YOUNG, 9, LOOKS), []),
        ((YOUNG + 1, 0, LOOKS), [1]),
        ((YOUNG + 1, 0, LOOKS + 1), [2]),
    ],
)
def test_garbage_is_looked_for_once_enough_was_made(
    monkeypatch: pytest.MonkeyPatch,
    looks: list[int],
    counts: tuple[int, int, int],
    looked: list[int],
) -> None:
    monkeypatch.setattr(gc, "get_count", lambda: counts)
    store = FailingStore()
    do_quiet_work(store)
    assert looks == looked
    assert store.asked == 1


def test_nothing_is_looked_through_while_a_service_starts(
    monkeypatch: pytest.MonkeyPatch, looks: list[int]
) -> None:
    monkeypatch.setattr(gc, "isenabled", lambda: False)
    monkeypatch.setattr(gc, "get_count", lambda: (YOUNG + 1, 0, LOOKS + 1))
    do_quiet_work(FailingStore())
    assert looks == []
