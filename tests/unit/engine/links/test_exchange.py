"""Envelopes between two stores: once each, in order, receipted, and refused by name otherwise.

``uz`` stands on SQLite, then on PostgreSQL; ``tj`` on SQLite.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

import engine.links.exchange
import engine.links.inbox
import engine.links.outbox
from api.links.exchanges import exchange_all
from engine.audit.verification import verify
from engine.domain.time_units import DAY, SystemClock
from engine.errors import (
    ConflictError,
    EnvelopeRefusedError,
    ErasedError,
    NotFoundError,
    RecordError,
    SecondPersonError,
)
from engine.journal.entries import Draft
from engine.journal.journal import JOURNAL
from engine.journal.kinds import TICK
from engine.links import inbox
from engine.links.agreement import parse_agreement
from engine.links.area import LINK_RECEIPTED, LINK_RECEIVED, LINK_REFUSED, LINK_STOPPED
from engine.links.envelope import Envelope, EnvelopeHead, Position, seal_envelope
from engine.links.identity import LinkKeys
from engine.links.inbox import ArrivedMessage
from engine.links.ledger import ENVELOPES, count_traffic, list_unsettled
from engine.links.messages import Manifest, Withdraw
from engine.links.outbox import OutgoingMessage, draft_settlement
from engine.links.parcel import Parcel, ReceiptedMark, read_parcel
from tests.unit.engine.links.links import manifest_body, partner_content
from tests.unit.engine.links.two_sides import NAME, Disk, Side, open_sides

Sides = tuple[Side, Side]


def forge(uz: Side, tj: Side, *, body: Any, **changes: Any) -> bytes:
    """Return a parcel of ``uz`` with an envelope that its code would not have made."""
    about: dict[str, Any] = {
        "link": uz.link.name,
        "sender": uz.keys.identity.fingerprint,
        "receiver": tj.keys.identity.fingerprint,
        "number": 1,
        "previous": bytes(32),
        "sent_at": 0,
        "expires": 2**62,
        "kind": "manifest",
    }
    head = EnvelopeHead(**(about | changes))
    envelope = seal_envelope(head, body, keys=uz.keys, receiver=tj.keys.identity)
    return parcel_of(uz, tj, envelope.raw.decode())


def parcel_of(uz: Side, tj: Side, *envelopes: str, at: int = 2**61) -> bytes:
    fingerprints = uz.keys.identity.fingerprint, tj.keys.identity.fingerprint
    return Parcel(uz.link.name, *fingerprints, at, envelopes).seal(uz.keys)


def test_an_envelope_is_recorded_once_and_receipted(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1", "m-2")
    taken = uz.sync(tj)
    assert (taken.settled, taken.refusals, taken.is_stopped) == (2, (), False)
    assert [row.status for row in uz.rows()] == ["taken", "taken"]
    assert [body["body"]["movement"] for body in tj.bodies(LINK_RECEIVED)] == ["m-1", "m-2"]
    assert tj.origins() == [1, 2]
    held = uz.bodies(LINK_RECEIPTED)[-1]["receipt"]
    with tj.store.read() as connection:
        entry = tj.exchange.journal.entry(connection, held["sequence"])
    assert (held["chain"], held["known_at"]) == (entry.chain.hex(), entry.known_at)
    assert held["journal_id"] == entry.journal_id
    assert verify(uz.store).ok
    assert verify(tj.store).ok


def test_both_directions_have_numbers_of_their_own(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1")
    tj.send("t-1", "t-2")
    first = uz.sync(tj)
    assert (first.new, first.settled) == (2, 1)
    assert [row.status for row in tj.rows()] == ["waiting", "waiting"]  # the answer of uz is due
    again = uz.exchange.answer_parcel(tj.parcel(), name=uz.link.name)
    assert tj.exchange.take_parcel(again).settled == 2
    assert uz.origins() == [1, 2]


def test_an_answer_that_is_lost_is_given_again(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1")
    parcel = uz.parcel()
    first = read_parcel(tj.exchange.answer_parcel(parcel, name=tj.link.name))
    tj.open()  # the process was killed after its commit, and started again
    again = read_parcel(tj.exchange.answer_parcel(parcel, name=tj.link.name))
    assert again.receipts == first.receipts
    assert again.receipts[0].is_signed_by(tj.keys.identity)
    assert tj.origins() == [1]
    uz.sync(tj)
    uz.sync(tj)
    assert len(uz.bodies(LINK_RECEIPTED)) == 1


def test_twice_in_one_parcel_and_out_of_order_is_once_in_order(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1", "m-2", "m-3")
    one, two, three = read_parcel(uz.parcel()).envelopes
    raw = parcel_of(uz, tj, three, one, two, one, at=1)
    taken = tj.exchange.take_parcel(raw)
    assert (len(taken.receipts), taken.new, tj.origins()) == (4, 3, [1, 2, 3])


def test_a_gap_waits_and_nothing_is_recorded(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1", "m-2")
    one, two = read_parcel(uz.parcel()).envelopes
    taken = tj.exchange.take_parcel(parcel_of(uz, tj, two, at=1))
    assert [(one.number, one.rule) for one in taken.refusals] == [(2, "gap")]
    assert tj.origins() == []
    assert tj.exchange.take_parcel(parcel_of(uz, tj, one, two, at=1)).new == 2


@pytest.mark.parametrize(
    ("body", "changes", "field", "rule"),
    [
        ({"colour": "red"}, {"kind": "spying"}, "kind", "unknown_kind"),
        ({}, {"kind": "record"}, "kind", "kind_not_agreed"),
        (manifest_body(driver_ref="CANARY"), {}, "driver_ref", "field_not_agreed"),
        (manifest_body(plate_country="Uzbekistan"), {}, "plate_country", "malformed_country"),
        (manifest_body(post="UZ-TAS"), {}, "post", "post_not_agreed"),
        (manifest_body(), {"expires": 1}, "expires", "expired"),
    ],
)
def test_what_was_not_agreed_is_refused_and_recorded_by_name(
    sides: Sides, body: dict[str, Any], changes: dict[str, Any], field: str, rule: str
) -> None:
    uz, tj = sides
    taken = tj.exchange.take_parcel(forge(uz, tj, body=body, **changes))
    assert [(one.status, one.rule) for one in taken.receipts] == [("refused", rule)]
    (refused,) = tj.bodies(LINK_REFUSED)
    assert (refused["field"], refused["rule"], refused["number"]) == (field, rule, 1)
    assert "CANARY" not in json.dumps(refused)
    assert tj.bodies(LINK_RECEIVED) == []
    assert tj.origins() == [1]


@pytest.mark.parametrize("is_caught", [True, False])
def test_a_field_that_was_not_agreed_never_reaches_the_journal(
    sides: Sides, monkeypatch: pytest.MonkeyPatch, *, is_caught: bool
) -> None:
    """Negative control: a receiver that does not filter keeps what was not agreed."""
    if not is_caught:
        monkeypatch.setattr(
            engine.links.inbox, "check_body", lambda *_, body, **__: Manifest.model_validate(body)
        )
    uz, tj = sides
    tj.exchange.take_parcel(forge(uz, tj, body=manifest_body(driver_ref="CANARY")))
    kept = json.dumps(tj.bodies(LINK_RECEIVED))
    assert ("CANARY" in kept) != is_caught


def test_an_envelope_that_cannot_be_read_takes_its_place_as_refused(sides: Sides) -> None:
    uz, tj = sides
    stranger = LinkKeys.generate()
    envelope = seal_envelope(
        EnvelopeHead(
            uz.link.name, uz.keys.identity.fingerprint, tj.keys.identity.fingerprint,
            1, bytes(32), 0, 2**62, "manifest",
        ),
        manifest_body(),
        keys=uz.keys,
        receiver=stranger.identity,
    )  # fmt: skip
    taken = tj.exchange.take_parcel(parcel_of(uz, tj, envelope.raw.decode()))
    assert [one.rule for one in taken.receipts] == ["unreadable_body"]


def test_a_wrong_receiver_is_recorded_once_and_takes_no_place(sides: Sides) -> None:
    uz, tj = sides
    raw = forge(uz, tj, body=manifest_body(), receiver="ab" * 32)
    for _ in range(2):
        taken = tj.exchange.take_parcel(raw)
        assert [one.rule for one in taken.refusals] == ["wrong_receiver"]
    (refused,) = tj.bodies(LINK_REFUSED)
    assert (refused["rule"], "number" in refused) == ("wrong_receiver", False)
    uz.send("m-1")
    assert uz.sync(tj).settled == 1


@pytest.mark.parametrize("is_checked", [True, False])
def test_a_signature_of_another_key_is_not_taken(
    sides: Sides, monkeypatch: pytest.MonkeyPatch, *, is_checked: bool
) -> None:
    """Negative control: a receiver that does not look at signatures takes a forged envelope."""
    uz, tj = sides
    if not is_checked:
        monkeypatch.setattr(Envelope, "is_signed_by", lambda *_: True)
    thief = replace(LinkKeys.generate(), receiving=uz.keys.receiving)
    head = EnvelopeHead(
        uz.link.name, uz.keys.identity.fingerprint, tj.keys.identity.fingerprint,
        1, bytes(32), 0, 2**62, "manifest",
    )  # fmt: skip
    forged = seal_envelope(head, manifest_body(), keys=thief, receiver=tj.keys.identity)
    taken = tj.exchange.take_parcel(parcel_of(uz, tj, forged.raw.decode()))
    assert taken.new == (0 if is_checked else 1)
    assert [one.rule for one in taken.refusals] == (["not_signed"] if is_checked else [])


def test_a_parcel_of_another_key_changes_nothing(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1")
    parcel = replace(read_parcel(uz.parcel()))
    with pytest.raises(EnvelopeRefusedError, match="not_signed"):
        tj.exchange.take_parcel(parcel.seal(LinkKeys.generate()))
    with pytest.raises(EnvelopeRefusedError, match="wrong_receiver"):
        tj.exchange.take_parcel(replace(parcel, receiver="ab" * 32).seal(uz.keys))
    with pytest.raises(NotFoundError):
        tj.exchange.take_parcel(replace(parcel, link="other").seal(uz.keys))
    assert tj.origins() == []


@pytest.mark.parametrize("has_index", [True, False])
def test_the_store_itself_takes_a_number_once(
    sides: Sides, monkeypatch: pytest.MonkeyPatch, *, has_index: bool
) -> None:
    """Negative control: without the unique index a stale position records an envelope twice."""
    uz, tj = sides
    uz, tj = tj, uz  # the receiver stands on SQLite, then on PostgreSQL
    uz.send("m-1")
    parcel = uz.parcel()
    tj.exchange.take_parcel(parcel)
    if not has_index:
        with tj.store.write() as connection:
            connection.execute(text("DROP INDEX journal_origin_ix"))
    monkeypatch.setattr(engine.links.inbox, "read_position", lambda *_: Position())
    try:
        if has_index:
            with pytest.raises(IntegrityError):
                tj.exchange.take_parcel(parcel)
        else:
            tj.exchange.take_parcel(parcel)
        assert tj.origins() == ([1] if has_index else [1, 1])
    finally:
        if not has_index:  # other tests use this database
            with tj.store.write() as connection:
                connection.execute(text("DELETE FROM journal WHERE origin_seq IS NOT NULL"))
                connection.execute(text(_INDEX))


_INDEX = (
    "CREATE UNIQUE INDEX journal_origin_ix ON journal (origin, origin_seq) "
    "WHERE origin_seq IS NOT NULL"
)


def test_other_content_under_a_taken_number_stops_the_link(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1")
    uz.sync(tj)
    taken = tj.exchange.take_parcel(forge(uz, tj, body=manifest_body(movement="m-x")))
    assert ([one.rule for one in taken.refusals], taken.is_stopped) == (["other_content"], True)
    (alarm,) = tj.bodies(LINK_STOPPED)
    assert (alarm["rule"], alarm["number"]) == ("other_content", 1)
    assert tj.phase == "stopped"
    uz.send("m-2")
    assert [one.rule for one in uz.sync(tj).refusals] == []
    assert [row.status for row in uz.rows()] == ["taken", "waiting"]
    with pytest.raises(ConflictError, match="stopped"):
        tj.send("t-1")
    tj.exchange.take_parcel(forge(uz, tj, body=manifest_body(movement="m-y")))
    assert len(tj.bodies(LINK_STOPPED)) == 1  # one alarm, however often it is tried


def test_two_people_resume_a_stopped_link(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1")
    uz.sync(tj)
    tj.exchange.take_parcel(forge(uz, tj, body=manifest_body(movement="m-x")))
    tj.exchange.propose_resumption(NAME, by="anna", why="a test")
    assert tj.phase == "stopped"
    with pytest.raises(SecondPersonError):
        tj.exchange.approve(NAME, by="anna")
    with pytest.raises(ConflictError, match="waits"):
        tj.exchange.propose_resumption(NAME, by="boris", why="a test")
    tj.exchange.propose_resumption(NAME, by="boris", why="anna has left", is_lapsed=True)
    tj.exchange.approve(NAME, by="anna")
    assert tj.phase == "in_force"
    uz.send("m-2")
    assert uz.sync(tj).settled == 1


def test_an_envelope_of_another_history_stops_the_link(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1")
    uz.sync(tj)
    raw = forge(uz, tj, body=manifest_body(), number=2, previous=b"\1" * 32)
    assert [one.rule for one in tj.exchange.take_parcel(raw).refusals] == ["other_history"]
    assert tj.phase == "stopped"


def test_a_sender_with_yesterdays_disk_loses_nothing_silently(sides: Sides, tmp_path: Path) -> None:
    uz, tj = sides
    tj.send("t-1")
    tj.sync(uz)
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    tj.send("t-2", "t-3")
    tj.sync(uz)
    disk.restore()
    tj.send("t-4")
    assert tj.sync(uz).is_stopped
    assert (uz.phase, tj.phase) == ("stopped", "stopped")
    assert [one["rule"] for one in tj.bodies(LINK_STOPPED)] == ["other_receipt"]
    assert [one["rule"] for one in uz.bodies(LINK_STOPPED)] == ["other_content"]
    uz.resume()
    tj.resume()
    assert [(row.number, row.status) for row in tj.rows()] == [
        (1, "taken"), (2, "replaced"), (3, "lost"), (4, "waiting"),
    ]  # fmt: skip
    with tj.store.read() as connection:
        slowest = {one.status: one.slowest for one in count_traffic(connection)}
    assert slowest["lost"] == 0, "when it was sent is not known any more"
    assert tj.sync(uz).settled == 1
    assert uz.origins() == [1, 2, 3, 4]
    movements = [body["body"]["movement"] for body in uz.bodies(LINK_RECEIVED)]
    assert movements == ["t-1", "t-2", "t-3", "t-4"]
    file = uz.exchange.make_parcel(uz.link, with_receipts=True).seal(uz.keys)
    assert not tj.exchange.take_parcel(file).is_stopped


def test_a_disk_of_yesterday_is_seen_before_anything_is_sent(sides: Sides, tmp_path: Path) -> None:
    uz, tj = sides
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    tj.send("t-1")
    tj.sync(uz)
    disk.restore()
    assert tj.sync(uz).is_stopped


@pytest.mark.parametrize("is_named", [True, False])
def test_what_waited_on_yesterdays_disk_is_taken_once(
    sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_named: bool
) -> None:
    """The other side had it before; with a seeded bug no envelope names the one it replaces."""
    if not is_named:
        monkeypatch.setattr(engine.links.outbox, "replace", lambda head, **_: head)
    uz, tj = sides
    tj.send("waits-1", "waits-2")
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    tj.sync(uz)
    tj.send("gone")
    tj.sync(uz)
    disk.restore()
    tj.exchange.answer_parcel(uz.parcel(), name=tj.link.name)  # the answer is lost
    assert tj.phase == "stopped"
    tj.resume()
    tj.send("new")
    for _ in range(2):
        tj.sync(uz)
    movements = [body["body"]["movement"] for body in uz.bodies(LINK_RECEIVED)]
    known = ["waits-1", "waits-2", "gone"]
    assert movements == [*known, "new"] if is_named else [*known, *known[:2], "new"]
    rules = [body["rule"] for body in uz.bodies(LINK_REFUSED)]
    assert rules == (["repeated"] * 2 if is_named else [])
    assert [row.status for row in tj.rows() if row.status != "replaced"] == ["lost", *["taken"] * 3]


def test_a_receiver_with_yesterdays_disk_gets_everything_again(
    sides: Sides, tmp_path: Path
) -> None:
    uz, tj = sides
    uz.send("m-1")
    uz.sync(tj)
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    uz.send("m-2", "m-3")
    before = uz.parcel()
    uz.sync(tj)
    disk.restore()
    assert uz.sync(tj).is_stopped
    assert [one["rule"] for one in uz.bodies(LINK_STOPPED)] == ["receiver_behind"]
    uz.resume()
    assert uz.sync(tj).settled == 2
    assert tj.origins() == [1, 2, 3]
    assert tj.bodies(LINK_RECEIVED)[-1]["envelope"] == read_parcel(before).envelopes[-1]
    assert (uz.phase, tj.phase) == ("in_force", "in_force")


@pytest.mark.parametrize("is_repeated", [True, False])
def test_a_receiver_whose_clock_was_ahead_is_seen_to_be_behind(
    sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_repeated: bool
) -> None:
    """Its receipts were of tomorrow, its disk is of yesterday; seeded bug: no mark is repeated."""
    uz, tj = sides
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    tj.clock = SimpleNamespace(now=lambda: SystemClock().now() + DAY)
    tj.open()
    uz.send("m-1")
    uz.sync(tj)
    tj.clock = None
    disk.restore()
    late = tj.parcel()
    assert not uz.exchange.take_parcel(late).is_stopped, "it may be a late one from before"
    if not is_repeated:
        monkeypatch.setattr(engine.links.exchange, "replace", keep_no_echo)
    assert uz.sync(tj).is_stopped == is_repeated
    if is_repeated:
        uz.resume()
        uz.sync(tj)
        assert [body["body"]["movement"] for body in tj.bodies(LINK_RECEIVED)] == ["m-1"]
        assert not uz.exchange.take_parcel(late).is_stopped


@pytest.mark.parametrize("mark", [ReceiptedMark(2**63, 0), ReceiptedMark(-1, 0)])
def test_a_mark_that_is_no_number_of_an_envelope_is_refused(
    sides: Sides, mark: ReceiptedMark
) -> None:
    uz, tj = sides
    parcel = uz.exchange.make_parcel(uz.link)
    raw = replace(parcel, receipted=mark).seal(uz.keys)
    with pytest.raises(EnvelopeRefusedError, match="malformed"):
        tj.exchange.answer_parcel(raw, name=tj.link.name)


def keep_no_echo(parcel: Any, **changes: Any) -> Any:
    return replace(parcel, **{name: one for name, one in changes.items() if name != "echo"})


@pytest.mark.parametrize("has_more", [False, True])
@pytest.mark.parametrize("is_compared", [True, False])
def test_a_receiver_that_took_an_envelope_twice_is_noticed(
    sides: Sides,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_compared: bool,
    has_more: bool,
) -> None:
    """A late parcel filled its restored disk again: nothing is missing, and its journal is another.

    Seeded bug: receipts are not compared with those that are held.
    """
    if not is_compared:
        monkeypatch.setattr(engine.links.outbox, "_find_other", lambda *_: None)
    uz, tj = sides
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    uz.send("m-1", "m-2")
    late = uz.parcel()
    uz.sync(tj)
    disk.restore()
    tj.exchange.take_parcel(late)
    if has_more:  # the newest receipt is of an envelope that was taken once
        uz.send("m-3")
    assert uz.sync(tj).is_stopped == is_compared
    if not is_compared:
        return
    (alarm,) = uz.bodies(LINK_STOPPED)
    held = {body["receipt"]["number"]: body["receipt"] for body in uz.bodies(LINK_RECEIPTED)}[2]
    assert (alarm["rule"], alarm["number"]) == ("receiver_behind", 2)
    assert (alarm["digest"], alarm["receipt"]["chain"] != held["chain"]) == (held["envelope"], True)
    uz.resume()
    for again in ("m-4", "m-5"):
        assert not uz.sync(tj).is_stopped, "what was known at the resumption"
        uz.send(again)
    uz.sync(tj)
    movements = [body["body"]["movement"] for body in tj.bodies(LINK_RECEIVED)]
    assert movements == ["m-1", "m-2", *(["m-3"] if has_more else []), "m-4", "m-5"]
    assert {row.status for row in uz.rows()} == {"taken"}


@pytest.mark.parametrize("is_repeated", [True, False])
def test_a_caller_that_took_an_envelope_twice_is_noticed(
    sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_repeated: bool
) -> None:
    """The side that calls is restored; seeded bug: it does not repeat the receipt of the mark."""
    if not is_repeated:
        monkeypatch.setattr(engine.links.exchange.LinkExchange, "repeat_receipt", lambda *_: ())
    uz, tj = sides
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    uz.send("m-1")
    late = uz.parcel()
    uz.sync(tj)
    disk.restore()
    tj.exchange.take_parcel(late)
    uz.send("m-2")
    tj.exchange.take_parcel(uz.parcel())  # its answer is lost
    exchange_all(
        tj.exchange, tj.link, lambda raw: uz.exchange.answer_parcel(raw, name=uz.link.name)
    )
    assert (uz.phase == "stopped") == is_repeated


@pytest.mark.parametrize("is_counted", [False, True])
def test_a_receipt_of_a_journal_that_was_given_up_raises_no_second_alarm(
    sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_counted: bool
) -> None:
    """Two people went on; seeded bug: what they knew then counts, and the link never comes back."""
    uz, tj = sides
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    uz.send("m-1")
    late = uz.parcel()
    uz.sync(tj)
    old = tj.parcel()
    disk.restore()
    tj.exchange.take_parcel(late)
    assert uz.sync(tj).is_stopped
    uz.resume()
    if is_counted:
        monkeypatch.setattr(engine.links.exchange, "draft_settlement", count_all)
    assert uz.sync(tj).is_stopped == is_counted
    if not is_counted:
        uz.send("m-2")
        uz.sync(tj)
        assert not uz.exchange.take_parcel(old).is_stopped
        assert uz.phase == "in_force"


def count_all(connection: Any, link: Any, statement: Any) -> Any:
    return draft_settlement(connection, replace(link, doubted=0), statement)


def test_what_was_erased_cannot_be_sent_again(sides: Sides, tmp_path: Path) -> None:
    uz, tj = sides
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    uz.send("m-1")
    uz.sync(tj)
    with uz.store.write() as connection:
        bodies = "DELETE FROM journal_bodies WHERE seq = :seq"
        connection.execute(text(bodies), {"seq": uz.rows()[0].seq})
    disk.restore()
    assert uz.sync(tj).is_stopped
    uz.exchange.propose_resumption(NAME, by="anna", why="looked into")
    with pytest.raises(ErasedError):
        uz.exchange.approve(NAME, by="boris")
    assert uz.phase == "stopped"


def test_an_old_parcel_raises_no_alarm(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1")
    old = tj.parcel()  # says that nothing arrived yet
    uz.sync(tj)
    assert not uz.exchange.take_parcel(old).is_stopped
    assert uz.phase == "in_force"


def test_what_follows_from_a_message_is_of_the_same_transaction(sides: Sides) -> None:
    def follow(_connection: object, arrived: ArrivedMessage) -> list[Draft[Any]]:
        assert isinstance(arrived.message, Manifest)
        if arrived.message.movement == "m-2":
            raise RecordError("manifest", "movement", "unknown_movement", "of no crossing")
        before = [one.subject for one in arrived.pending if one.kind == TICK]
        return [TICK.draft(arrived.message.movement, {}), TICK.draft(",".join(before), {})]

    uz, tj = sides
    tj.handlers["manifest"] = follow
    uz.send("m-1", "m-2", "m-3")
    taken = uz.sync(tj)
    assert [row.status for row in uz.rows()] == ["taken", "refused", "taken"]
    assert (taken.settled, taken.new, len(tj.bodies(TICK))) == (3, 0, 4)
    assert [row.rule for row in uz.rows()] == ["", "unknown_movement", ""]
    with tj.store.read() as connection:
        query = select(JOURNAL.c.subject, JOURNAL.c.origin, JOURNAL.c.origin_seq)
        ticks = connection.execute(query.where(JOURNAL.c.kind == TICK).order_by(JOURNAL.c.seq))
        origin = inbox.name_origin(tj.link)
        assert ticks.all() == [
            ("m-1", f"{origin}:1", 1),
            ("", f"{origin}:2", 1),
            ("m-3", f"{origin}:1", 3),
            ("m-1,", f"{origin}:2", 3),
        ]


def test_nothing_moves_before_two_people_approve_on_each_side(
    store_url: str, sqlite_template: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "tj.sqlite"
    shutil.copy(sqlite_template, copy)
    uz, tj = open_sides(store_url, f"sqlite:///{copy}", approve=False)
    agreement = parse_agreement(partner_content(uz.keys.identity, tj.keys.identity))
    uz.exchange.propose(agreement, by="anna")
    with pytest.raises(SecondPersonError):
        uz.exchange.approve(NAME, by="anna")
    with pytest.raises(ConflictError, match="proposed"):
        uz.send("m-1")
    uz.exchange.approve(NAME, by="boris")
    uz.send("m-1")
    with pytest.raises(NotFoundError):
        tj.exchange.take_parcel(uz.parcel())
    tj.exchange.propose(agreement, by="clara")
    with pytest.raises(NotFoundError):
        tj.exchange.take_parcel(uz.parcel())
    tj.exchange.approve(NAME, by="daler")
    assert uz.sync(tj).settled == 1
    for side in (uz, tj):
        side.store.dispose()


def test_an_agreement_is_proposed_once_by_a_party_to_it(sides: Sides) -> None:
    uz, tj = sides
    agreement = uz.link.agreement
    with pytest.raises(ConflictError, match="proposed before"):
        uz.exchange.propose(agreement, by="anna")
    content = agreement.content() | {"ground": "Another protocol"}
    with pytest.raises(ConflictError, match="in use"):
        uz.exchange.propose(parse_agreement(content), by="anna")
    foreign = partner_content(LinkKeys.generate().identity, tj.keys.identity)
    with pytest.raises(RecordError, match="not_a_party"):
        uz.exchange.propose(parse_agreement(foreign), by="anna")
    over = content | {"expires": "2020-01-01T00:00:00Z"}
    with pytest.raises(RecordError, match="expired"):
        uz.exchange.propose(parse_agreement(over), by="anna")
    uz.exchange.end(NAME, by="anna", why="renewed")
    uz.exchange.propose(parse_agreement(content), by="anna")
    assert uz.phase == "proposed"


def test_one_person_ends_a_link_and_receipts_still_arrive(sides: Sides) -> None:
    uz, tj = sides
    uz.send("m-1")
    answer = tj.exchange.answer_parcel(uz.parcel(), name=tj.link.name)
    uz.exchange.end(NAME, by="anna", why="the protocol was cancelled")
    assert uz.phase == "ended"
    with pytest.raises(ConflictError, match="ended"):
        uz.send("m-2")
    with pytest.raises(ConflictError, match="ended"):
        uz.exchange.end(NAME, by="anna", why="again")
    assert uz.exchange.take_parcel(answer).settled == 1
    tj.send("t-1")
    taken = uz.exchange.take_parcel(tj.parcel())
    assert [one.rule for one in taken.refusals] == ["ended"]
    assert uz.origins() == []


def test_a_link_that_has_ended_fills_no_journal(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its partner's keys still sign; with a seeded bug: a misdirected envelope is recorded."""
    uz, tj = sides
    tj.exchange.end(NAME, by="anna", why="the protocol was cancelled")
    for receiver in ("ab" * 32, "cd" * 32):
        raw = forge(uz, tj, body=manifest_body(), receiver=receiver)
        assert [one.rule for one in tj.exchange.take_parcel(raw).refusals] == ["ended"]
    assert tj.bodies(LINK_REFUSED) == []
    monkeypatch.setattr(inbox, "_LIVE", ("ended",))
    tj.exchange.take_parcel(raw)
    assert len(tj.bodies(LINK_REFUSED)) == 1


@pytest.mark.parametrize("is_caught", [True, False])
def test_an_edited_row_changes_no_receipt(
    sides: Sides, is_caught: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt is signed for what the record says; with a seeded bug: for what the row says."""
    uz, tj = sides
    uz.send("m-1")
    uz.sync(tj)
    sent = uz.rows()[0].digest
    with tj.store.write() as connection:
        connection.execute(update(ENVELOPES).values(digest="ee" * 32))
    if not is_caught:
        erased = SimpleNamespace(kind=LINK_RECEIVED, body=None)
        monkeypatch.setattr(inbox, "read_record", lambda *_: erased)
    (receipt,) = read_parcel(tj.parcel(with_receipts=True)).receipts
    assert receipt.is_signed_by(tj.keys.identity)
    assert (receipt.envelope == sent) == is_caught
    monkeypatch.undo()
    with tj.store.write() as connection:
        connection.execute(update(ENVELOPES).values(seq=1))
    with pytest.raises(ConflictError, match="rebuild"):
        tj.parcel()


def test_what_an_ended_link_left_unsent_can_be_erased(sides: Sides) -> None:
    """Before its end it cannot: no later envelope could pass it."""
    uz, _ = sides
    uz.send("m-1")
    with uz.store.read() as connection:
        assert list_unsettled(connection) == [uz.rows()[0].seq]
    uz.exchange.end(NAME, by="anna", why="the protocol was cancelled")
    with uz.store.read() as connection:
        assert list_unsettled(connection) == []


def test_an_edited_record_opens_no_link(sides: Sides) -> None:
    uz, _ = sides
    with uz.store.write() as connection:
        connection.execute(
            text(
                "UPDATE journal_bodies SET salt = :salt WHERE seq IN"
                " (SELECT seq FROM journal WHERE kind = 'link_approved')"
            ),
            {"salt": bytes(16)},
        )
    with pytest.raises(NotFoundError):
        uz.send("m-1")


def test_a_message_outside_the_agreement_is_not_recorded_as_sent(sides: Sides) -> None:
    uz, _ = sides
    good = Manifest.model_validate(manifest_body())
    bad = Manifest.model_validate(manifest_body(post="UZ-TAS"))
    with pytest.raises(RecordError, match="post_not_agreed"):
        uz.exchange.send(NAME, [OutgoingMessage(good), OutgoingMessage(bad)])
    assert uz.rows() == []
    uz.exchange.send(NAME, [OutgoingMessage(Withdraw(attention="a", reason="secret"))])
    (sent,) = [row for row in uz.rows() if row.kind == "withdraw"]
    with uz.store.read() as connection:
        body = uz.exchange.journal.body(connection, sent.seq)["body"]
    assert body == {"attention": "a"}
