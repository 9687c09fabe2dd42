"""Kilobytes on the wire hold the centre's writer for no more than a bound of unpacked bytes."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from engine.journal.kinds import JOURNAL_VERIFIED
from engine.links import exchange as exchanges
from engine.links.area import LINK_REFUSED, POST_RECORD
from engine.links.messages import MOST_RECORDS, RecordBatch, RecordCopy
from engine.links.outbox import OutgoingMessage
from engine.links.posts import record_outbox
from engine.links.posts.record_outbox import LARGEST_RECORD, MOST_BYTES, pack_records
from engine.storage.database import Store
from tests.integration.service.links.post_and_centre import NAME, Installation, sync
from tests.integration.service.links.test_forged_copies import Thief

LONG = LARGEST_RECORD - 100_000


class Counter:
    """Counts what is unpacked, and notes what was while a writer held the lock."""

    def __init__(self) -> None:
        self.unpacked = 0
        self.writers = 0
        self.under_lock = 0

    def make_unpacker(self) -> Any:
        """Stand in for :func:`zlib.decompressobj`."""
        real = zlib.decompressobj()

        def decompress(content: bytes, most: int) -> bytes:
            assert most > 0, "no bound"
            found = real.decompress(content, most)
            self.unpacked += len(found)
            self.under_lock += len(found) if self.writers else 0
            shown.eof, shown.unused_data = real.eof, real.unused_data
            return found

        shown = SimpleNamespace(decompress=decompress, eof=False, unused_data=b"")
        return shown

    def watch(self, patched: pytest.MonkeyPatch) -> None:
        """Watch every batch and every transaction that writes."""
        fake = SimpleNamespace(
            decompressobj=self.make_unpacker, compress=zlib.compress, error=zlib.error
        )
        patched.setattr(record_outbox, "zlib", fake)
        write = Store.write

        @contextmanager
        def hold(store: Store) -> Iterator[Any]:
            with write(store) as connection:
                self.writers += 1
                try:
                    yield connection
                finally:
                    self.writers -= 1

        patched.setattr(Store, "write", hold)


def prove(thief: Thief, characters: int) -> RecordCopy:
    """Return a record of so many times one letter."""
    body = {"x": "a" * characters}
    about = JOURNAL_VERIFIED, next(thief.numbers)
    return thief.prove(*about, subject="", post="", body=body)


def send(node: Installation, *batches: RecordBatch) -> None:
    node.exchange.send(NAME, [OutgoingMessage(one) for one in batches])


def pack(*copies: RecordCopy) -> RecordBatch:
    return pack_records(copies, journal_id="thief", branch=0, last=copies[-1].sequence)


def list_kept(centre: Installation) -> list[int]:
    """Return the numbers of the thief's records that are here, in the order of their arrival."""
    bodies = [body["copied"] for _, body in centre.bodies(POST_RECORD)]
    return [one["sequence"] for one in bodies if one["journal_id"] == "thief"]


@pytest.fixture
def thief(node: Installation, centre: Installation) -> Thief:
    sync(node, centre)
    return Thief(node.exchange, partial(sync, node, centre), {})


@pytest.mark.parametrize("is_bounded", [True, False])
def test_a_parcel_is_unpacked_before_the_lock_and_within_a_bound(
    node: Installation,
    centre: Installation,
    thief: Thief,
    is_bounded: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What has no room comes again, and everything arrives once; without the bound, all at once."""
    for name in () if is_bounded else ("MOST_UNPACKED", "LONGEST_MESSAGE"):
        monkeypatch.setattr(exchanges, name, 8 * LONG)
    copies = [prove(thief, LONG) for _ in range(7)]
    send(node, *map(pack, copies))
    counter, taken = Counter(), []
    counter.watch(monkeypatch)
    sent = [one.sequence for one in copies]
    while list_kept(centre) != sent:
        before, held = counter.unpacked, len(list_kept(centre))
        parcel = node.exchange.make_parcel(node.link).seal(node.exchange.keys)
        assert len(parcel) < 100_000, "kilobytes"
        answer = centre.exchange.answer_parcel(parcel, name=centre.link.name)
        rules = [one.rule for one in node.exchange.take_parcel(answer).refusals]
        assert not rules
        taken.append(len(list_kept(centre)) - held)
        assert len(taken) < 9
        waiting = [one.rule for one in read_refusals(answer)]
        assert waiting == ["gap"] * (len(sent) - len(list_kept(centre)))
        if is_bounded:
            assert counter.unpacked - before <= exchanges.MOST_UNPACKED
    assert taken == ([1] * 7 if is_bounded else [7])
    assert counter.under_lock == 0
    before = counter.unpacked
    for _ in range(20):
        centre.exchange.answer_parcel(parcel, name=centre.link.name)
    assert counter.unpacked == before, "what is here is not unpacked again"
    assert list_kept(centre) == sent


def read_refusals(answer: bytes) -> Any:
    from engine.links.parcel import read_parcel

    return read_parcel(answer).refusals


def test_a_record_that_no_route_can_make_is_refused_by_name(
    node: Installation, centre: Installation, thief: Thief, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is a batch that is longer than any; those that follow are taken."""
    counter = Counter()
    counter.watch(monkeypatch)
    many = [prove(thief, LONG) for _ in range(3)]
    last = prove(thief, 10)
    send(node, pack(prove(thief, LARGEST_RECORD + 1)), pack(*many), pack(last))
    for _ in range(3):  # a turn ends where something waits
        assert not sync(node, centre).is_stopped
    refused = [(body["field"], body["rule"]) for _, body in centre.bodies(LINK_REFUSED)]
    assert refused[-2:] == [("body", "too_long"), ("content", "too_long")]
    assert list_kept(centre)[-1:] == [last.sequence]
    assert counter.unpacked <= 4 * MOST_BYTES


def test_short_records_have_a_bound_too(
    node: Installation, centre: Installation, thief: Thief
) -> None:
    """Three batches of 500 records, of some bytes each: two of them are taken at once."""
    copies = [[prove(thief, 1) for _ in range(MOST_RECORDS)] for _ in range(3)]
    send(node, *(pack(*some) for some in copies))
    parcel = node.exchange.make_parcel(node.link).seal(node.exchange.keys)
    answer = centre.exchange.answer_parcel(parcel, name=centre.link.name)
    assert [one.rule for one in read_refusals(answer)] == ["gap"]
    assert len(list_kept(centre)) == 2 * MOST_RECORDS
