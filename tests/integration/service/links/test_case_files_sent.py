"""Files travel next to the envelopes: from a node to its centre, and of a case to a partner."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api.attentions.answers import find_request_file, list_requests_seen
from api.cases.steps import choose_passed_files, find_file, list_passable
from api.links.exchanges import FileLine, exchange_all, export_parcel, import_parcels
from api.migrations.upgrade import upgrade
from engine.audit.file_anchors import declare_network, open_network
from engine.cases import files as travelling_files
from engine.domain.records import Arrival
from engine.domain.rights import Scope
from engine.domain.time_units import DAY, moment
from engine.errors import (
    ConflictError,
    HomeError,
    NotFoundError,
    RecordError,
    StoreUnavailableError,
)
from engine.files.content import JPEG, TEXT
from engine.files.store import FAILED, PARTIAL, find_file_faults, sweep_files
from engine.journal.idempotency import claim, crossing_name
from engine.journal.kinds import CROSSING, ClaimBody, CrossingBody, dump_arrival
from engine.links import parcel as file_parts
from engine.links.agreement import parse_agreement
from engine.links.area import LINK_RECEIVED
from engine.links.messages import Answer, CaseOffer, FilePart
from engine.links.outbox import OutgoingMessage
from engine.links.parcel import LEAST_ROOM, MOST_ROOM, Parcel, open_part, read_parcel, seal_part
from engine.links.requests import open_request, take_step
from engine.storage.database import Store
from engine.storage.home import Home
from engine.vehicle_files.area import VEHICLE_FILE, VehicleFileBody
from engine.vehicle_files.ledger import VehicleFile
from features.catalogue.plan import current_plan
from features.online.online_features import OnlineFeatures
from tests.integration.service.links.post_and_centre import (
    Installation,
    agree,
    make_centre,
    open_installation,
    sync,
)
from tests.integration.service.links.test_post_reports import (
    READER,
    add_event,
    append,
    open_case,
    service_of,
)
from tests.support.running_service import NETWORK, POST, arrival
from tests.unit.engine.links.links import partner_content
from tests.unit.service.cases.sample_files import picture


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two homes, with empty stores."""
    folder = tmp_path_factory.mktemp("homes")
    for name in ("node", "centre"):
        with Store(make_centre(folder / name, NETWORK).database_url) as store:
            upgrade(store)
    return folder


@pytest.fixture
def sides(homes: Path, tmp_path: Path) -> Iterator[tuple[Installation, Installation]]:
    """Open a node and a centre where nothing happened yet, with a link."""
    shutil.copytree(homes, tmp_path, dirs_exist_ok=True)
    with ExitStack() as opened:
        node, centre = (
            opened.enter_context(contextmanager(open_installation)(Home(tmp_path / name)))
            for name in ("node", "centre")
        )
        declare_network(node.home, node.store)
        declare_network(centre.home, centre.store)
        agree(node, centre)
        yield node, centre


@pytest.fixture
def node(sides: tuple[Installation, Installation]) -> Installation:
    return sides[0]


@pytest.fixture
def centre(sides: tuple[Installation, Installation]) -> Installation:
    return sides[1]


@pytest.fixture
def case_id(node: Installation) -> str:
    return open_case(node)


def add_file(
    node: Installation, case_id: str, content: bytes, media_type: str = TEXT, *, handling: str = ""
) -> str:
    """Let a file of a case lie at the node, with its record."""
    digest = sha256(content).hexdigest()
    node.home.files.mkdir(exist_ok=True)
    (node.home.files / digest).write_bytes(content)
    event = {"kind": "file", "digest": digest, "media_type": media_type, "shows": "photograph"}
    limits = {"handling": [handling]} if handling else None
    add_event(node, case_id, event | {"size_bytes": len(content)}, about=limits)
    return digest


def add_vehicle_file(node: Installation, content: bytes) -> str:
    """Record a vehicle at the node, and let a photograph of it lie there with its record."""
    passed = Arrival.model_validate(arrival(1), strict=False)
    features = OnlineFeatures(current_plan(), open_network(node.home, node.store))
    event = features.record(passed.crossing, passed.declaration)
    named: ClaimBody = {"names": [crossing_name("c-1")], "fingerprint": "00" * 32}
    found: CrossingBody = {"claim": named, "arrival": dump_arrival(passed)}
    append(node, CROSSING.draft("c-1", found, post=POST, extra=event))
    digest = sha256(content).hexdigest()
    node.home.files.mkdir(exist_ok=True)
    (node.home.files / digest).write_bytes(content)
    file = VehicleFile(digest=digest, media_type=JPEG, size_bytes=len(content), shows="photograph")
    asked = claim(VEHICLE_FILE, file, post=POST, name=f"{VEHICLE_FILE}:c-1:{digest}")
    body: VehicleFileBody = {
        "claim": asked.as_dict(),
        "by": "ann",
        "crossing_id": "c-1",
        "file": file.model_dump(mode="json", exclude_none=True),
    }
    append(node, VEHICLE_FILE.draft("c-1", body, post=POST))
    return digest


def make_text(size: int, mark: str) -> bytes:
    return (mark.encode() * (size // len(mark) + 1))[:size]


def names(side: Installation) -> set[str]:
    return {one.name for one in side.home.files.glob("*")} if side.home.files.is_dir() else set()


def find_faults(side: Installation) -> list[str]:
    """Return the rules that files break, as ``darvoza verify`` names them."""
    with side.store.read() as connection:
        return [one.rule for one in find_file_faults(side.home, connection)]


def exchange_with(
    node: Installation, centre: Installation, change: Callable[[Parcel], Parcel] = lambda one: one
) -> list[Parcel]:
    """Exchange as :func:`sync` does, each parcel of the node changed; return those parcels."""
    sent = []

    def carry(raw: bytes) -> bytes:
        parcel = change(read_parcel(raw))
        sent.append(parcel)
        return centre.exchange.answer_parcel(parcel.seal(node.exchange.keys), name=centre.link.name)

    exchange_all(node.exchange, node.link, carry)
    return sent


@pytest.mark.parametrize("of", ["case", "vehicle"])
def test_a_file_follows_its_record_and_verifies_there(
    node: Installation, centre: Installation, case_id: str, of: str
) -> None:
    content = picture("JPEG", shade=77)
    if of == "case":
        digest = add_file(node, case_id, content, JPEG)
    else:
        digest = add_vehicle_file(node, content)
    sent = exchange_with(node, centre)
    assert [bool(one.parts) for one in sent][:2] == [False, True]
    assert (centre.home.files / digest).read_bytes() == content
    assert (centre.home.files / digest).stat().st_mode & 0o777 == 0o600
    assert content not in b"".join(one.parts[0].encode() for one in sent if one.parts)
    for side in (node, centre):
        verdict = side.verify()
        assert verdict.ok, verdict.faults
    assert not any(one.parts for one in exchange_with(node, centre)), "it is sent once"
    (centre.home.files / digest).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert find_faults(centre) == ["file"]
    if of == "case":
        with pytest.raises(HomeError):
            find_file(service_of(centre), READER, case_id, digest)


def test_envelopes_leave_with_every_part_and_a_killed_transfer_goes_on(
    node: Installation, centre: Installation, case_id: str
) -> None:
    """The line breaks after two parts; the node records a case between them."""
    content = make_text(9 * LEAST_ROOM, "a large photograph ")
    digest = add_file(node, case_id, content)
    partial = centre.home.files / f"{PARTIAL}{digest}"
    seen: list[tuple[int, int]] = []

    def carry(raw: bytes) -> bytes:
        if len(seen) == 3:
            raise StoreUnavailableError("the line is cut")
        open_case(node)  # work goes on at the post: it leaves with the next parcel
        parcel = read_parcel(raw)
        seen.append((len(parcel.envelopes), len(parcel.parts)))
        return centre.exchange.answer_parcel(raw, name=centre.link.name)

    with pytest.raises(StoreUnavailableError):
        exchange_all(node.exchange, node.link, carry)
    assert seen[0][1] == 0 and all(parts for _, parts in seen[1:])
    assert all(envelopes for envelopes, _ in seen), "no part held an envelope up"
    held = partial.stat().st_size
    assert 0 < held < len(content)
    sweep_files(centre.home, centre.store)
    assert partial.stat().st_size == held, "a start keeps what has arrived"
    assert find_faults(centre) == []
    with pytest.raises(ConflictError, match="lies at the node"):
        find_file(service_of(centre), READER, case_id, digest)
    sent = [one for one in exchange_with(node, centre) if one.parts]
    size = sum(len(_open(centre, text)[1]) for one in sent for text in one.parts)
    assert size == len(content) - held
    assert (centre.home.files / digest).read_bytes() == content
    assert not partial.exists()


def _open(side: Installation, text: str) -> tuple[FilePart, bytes]:
    return open_part(side.link, text, side.exchange.keys)


def _change_content(
    node: Installation, centre: Installation, change: Callable[[bytes], bytes]
) -> Callable[[Parcel], Parcel]:
    """Return what lets the node send another content than the one that its record names."""

    def rewrite(parcel: Parcel) -> Parcel:
        parts = []
        for text in parcel.parts:
            part, content = _open(centre, text)
            parts.append(seal_part(node.link, part, change(content)))
        return replace(parcel, parts=tuple(parts))

    return rewrite


FALSE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "a flipped bit": ("other_digest", lambda one: bytes([one[0] ^ 1]) + one[1:]),
    "one byte more": ("too_large", lambda one: one + b"x"),
}


@pytest.mark.parametrize("name", FALSE)
def test_what_is_not_the_named_content_is_refused_and_not_asked_for_without_end(
    node: Installation,
    centre: Installation,
    case_id: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seeded bug: the digest is not compared."""
    expected, change = FALSE[name]
    refused = _note_refusals(monkeypatch)
    digest = add_file(node, case_id, make_text(400, f"{name} "))
    rewrite = _change_content(node, centre, change)
    for _ in range(4):
        exchange_with(node, centre, rewrite)
    rules = [rule for which, rule in refused if which == digest]
    assert rules == [expected] * travelling_files.MOST_FAILURES
    assert digest not in names(centre)
    assert f"{PARTIAL}{digest}" not in names(centre)
    assert f"{FAILED}{digest}" in names(centre)
    sweep_files(centre.home, centre.store)
    assert f"{FAILED}{digest}" not in names(centre), "the next start asks again"
    if expected == "other_digest":
        with monkeypatch.context() as patched:
            patched.setattr(travelling_files, "file_digest", lambda _: digest)
            exchange_with(node, centre, rewrite)
        assert find_faults(centre) == ["file"]
        (centre.home.files / digest).unlink()
    exchange_with(node, centre)
    assert digest in names(centre)


def _note_refusals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Note which files are refused from now on, by which rules."""
    found: list[tuple[str, str]] = []

    def keep(home: Any, part: FilePart, content: bytes, **more: Any) -> int:
        try:
            return travelling_files.keep_part(home, part, content, **more)
        except RecordError as error:
            found.append((part.digest, error.rule))
            raise

    monkeypatch.setattr("api.links.exchanges.keep_part", keep)
    return found


def test_types_and_sizes_are_checked_again_on_arrival(
    node: Installation, centre: Installation, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the node's word on the type is taken."""
    refused = _note_refusals(monkeypatch)
    script = add_file(node, case_id, b"<script>alert(1)</script>" + make_text(90, "w"))
    picture_by_name = add_file(node, case_id, make_text(300, "no picture "), JPEG)
    monkeypatch.setattr(travelling_files, "LARGEST_FILE", 1000)
    large = add_file(node, case_id, make_text(1001, "over the limit "))
    sent = exchange_with(node, centre)
    assert {(script, "markup"), (picture_by_name, "other_type")} <= {*refused}
    assert not {script, picture_by_name, large} & names(centre)
    asked = {_open(centre, text)[0].digest for one in sent for text in one.parts}
    assert {script, picture_by_name} <= asked
    assert large not in asked, "what is over the limit is not even asked for"
    sweep_files(centre.home, centre.store)
    monkeypatch.setattr(travelling_files, "recognise", lambda *_: TEXT)
    exchange_with(node, centre)
    assert script in names(centre)


def test_what_no_record_names_is_not_taken_and_what_is_not_agreed_does_not_leave(
    node: Installation, centre: Installation, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the sender looks only whether a file is there."""
    refused = _note_refusals(monkeypatch)
    content = make_text(100, "of no record ")
    digest = sha256(content).hexdigest()
    part = seal_part(node.link, FilePart(digest=digest, size_bytes=100, offset=0), content)
    exchange_with(node, centre, lambda one: replace(one, parts=(part,)))
    assert (digest, "not_awaited") in refused and digest not in names(centre)

    node.home.files.mkdir()
    (node.home.files / digest).write_bytes(content)
    line = node.exchange.files
    assert isinstance(line, FileLine)
    wanted = [file_parts.WantedFile(digest, 0)]

    def cut() -> Any:
        return node.exchange.cut_parts(node.link, wanted, room=LEAST_ROOM)

    assert cut() == ()
    (node.home.files / digest).unlink()
    known = add_file(node, case_id, make_text(100, "of a record "))
    wanted = [file_parts.WantedFile(known, 0)]
    assert len(cut()) == 1
    rule = type(node.link.agreement).rule
    monkeypatch.setattr(
        type(node.link.agreement),
        "rule",
        lambda self, kind, by: None if kind == "file" else rule(self, kind, by),
    )
    assert cut() == ()


def test_a_stick_carries_files_one_journey_later(
    node: Installation, centre: Installation, case_id: str, tmp_path: Path
) -> None:
    content = make_text(2 * MOST_ROOM + 10, "a scan ")
    digest = add_file(node, case_id, content)
    for number, (giver, taker) in enumerate([(node, centre), (centre, node), (node, centre)]):
        export_parcel(giver.exchange, giver.link, tmp_path / str(number))
        found = import_parcels(taker.exchange, tmp_path / str(number))
        assert [one.refused for one in found] == [""] * (4 if number == 2 else 1)
    assert (centre.home.files / digest).read_bytes() == content
    for number, (giver, taker) in enumerate([(centre, node), (node, centre)], 3):
        export_parcel(giver.exchange, giver.link, tmp_path / str(number))
        assert len(import_parcels(taker.exchange, tmp_path / str(number))) == 1, "nothing lacks"


def test_nothing_of_a_file_is_in_a_journal(
    node: Installation, centre: Installation, case_id: str
) -> None:
    digest = add_file(node, case_id, make_text(900, "content of a file "))
    sync(node, centre)
    kinds = {body["message"] for _, body in centre.bodies(LINK_RECEIVED)}
    assert "file" not in kinds
    assert digest in names(centre)


PARTNERS = "oybek_fotehobod"
ASKER: Any = SimpleNamespace(**vars(READER), duties=SimpleNamespace(scope=lambda *_: Scope.ALL))


def agree_as_partners(uz: Installation, tj: Installation, *, without: str = "") -> None:
    """Put an agreement of two administrations into force, without one kind of message."""
    content = partner_content(uz.exchange.keys.identity, tj.exchange.keys.identity)
    content["messages"] = [one for one in content["messages"] if one["kind"] != without]
    for side in (uz, tj):
        side.exchange.propose(parse_agreement(content), by="anna")
        side.exchange.approve(PARTNERS, by="boris")


def exchange_partners(uz: Installation, tj: Installation) -> None:
    link, there = (one.exchange.find_link(PARTNERS) for one in (uz, tj))
    carry = partial(tj.exchange.answer_parcel, name=there.name)
    exchange_all(uz.exchange, link, carry)


def offer(uz: Installation, case_id: str, *digests: str) -> str:
    """Offer a case with files to the partner; return the name of the offer."""
    files, limits = choose_passed_files(service_of(uz), READER, case_id, digests)
    now = read_now(uz)
    message = CaseOffer(case="case-offered", answer_by=moment(now + DAY), files=files)
    link = uz.exchange.find_link(PARTNERS).name
    open_request(uz.exchange, link, OutgoingMessage(message, tuple(limits), by="ann"))
    return message.case


def answer(tj: Installation, name: str, word: Any) -> None:
    message = Answer(about=name, answer=word, reason="known here")
    take_step(tj.exchange, name, OutgoingMessage(message, by="bek"))


@pytest.fixture
def partners(
    sides: tuple[Installation, Installation],
) -> tuple[Installation, Installation]:
    agree_as_partners(*sides)
    return sides


def test_files_of_an_offered_case_follow_its_acceptance(
    partners: tuple[Installation, Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: acceptance is not asked."""
    uz, tj = partners
    case_id = open_case(uz)
    content = picture("JPEG", shade=55)
    digest = add_file(uz, case_id, content, JPEG, handling="H1")
    kept = add_file(uz, case_id, b"not offered")
    name = offer(uz, case_id, digest)
    exchange_partners(uz, tj)
    assert names(tj) == set()
    (request,) = list_requests_seen(seen_by(tj), ASKER)
    assert request.handling == ["H1"]
    assert [(one.digest, one.is_here) for one in request.files] == [(digest, False)]
    with pytest.raises(ConflictError, match="once the offer is accepted"):
        find_request_file(seen_by(tj), ASKER, name, digest)
    with monkeypatch.context() as patched:
        patched.setattr(travelling_files, "_is_accepted", lambda *_, **__: True)
        exchange_partners(uz, tj)
        assert digest in names(tj)
        (tj.home.files / digest).unlink()
    answer(tj, name, "accepted")
    exchange_partners(uz, tj)
    assert (tj.home.files / digest).read_bytes() == content
    assert kept not in names(tj)
    assert sweep_files(tj.home, tj.store) == 0
    found = find_request_file(seen_by(tj), ASKER, name, digest)
    assert (found.path.read_bytes(), found.media_type) == (content, JPEG)
    with pytest.raises(NotFoundError):
        find_request_file(seen_by(tj), ASKER, name, kept)
    assert find_faults(tj) == []
    (tj.home.files / digest).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert find_faults(tj) == ["file"]


def test_what_is_not_to_be_passed_on_is_offered_to_no_partner(
    partners: tuple[Installation, Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the code is not looked at."""
    uz, _ = partners
    case_id = open_case(uz)
    restricted = add_file(uz, case_id, b"from a source", handling="H2")
    free = add_file(uz, case_id, b"two packets")
    assert list_passable(service_of(uz), READER, case_id) == [free]
    for digests, rule in (
        ([restricted], "not_passed_on"),
        ([free, restricted], "not_passed_on"),
        (["0" * 64], "unknown_file"),
    ):
        with pytest.raises(RecordError) as refused:
            offer(uz, case_id, *digests)
        assert refused.value.rule == rule
    closed_case = open_case(uz, handling=("H2",))
    within = add_file(uz, closed_case, b"a photograph of it")
    with pytest.raises(RecordError) as refused:
        offer(uz, closed_case, within)
    assert refused.value.rule == "not_passed_on"
    assert list_passable(service_of(uz), READER, closed_case) == []
    monkeypatch.setattr("api.cases.steps.NOT_PASSED_ON", "none")
    assert offer(uz, case_id, restricted)


@pytest.mark.parametrize("without", ["file"])
def test_an_agreement_without_files_refuses_them_and_lets_the_offer_go(
    sides: tuple[Installation, Installation], without: str
) -> None:
    uz, _ = sides
    agree_as_partners(*sides, without=without)
    case_id = open_case(uz)
    digest = add_file(uz, case_id, b"two packets")
    with pytest.raises(RecordError) as refused:
        offer(uz, case_id, digest)
    assert refused.value.rule == "kind_not_agreed"
    assert offer(uz, case_id)


def seen_by(side: Installation) -> Any:
    """Return as much of a service as the requests of a side need."""
    service = service_of(side)
    service.writer = SimpleNamespace(submit=lambda _: SimpleNamespace(result=lambda: None))
    return service


def read_now(side: Installation) -> int:
    """Return the time of a side's journal, UTC microseconds."""
    with side.store.read() as connection:
        return side.exchange.journal.now(connection)
