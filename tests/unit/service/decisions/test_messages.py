"""Standard messages over HTTP: records as of the command line, named refusals, answers in kind."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lxml import etree

from api import messages
from api.messages import CODES, NAMESPACE, TIME_NAMESPACE, write_response
from api.service import executors
from api.service.executors import MESSAGES as SHORT
from api.service.executors import Bounds
from engine.journal.journal import Journal
from engine.storage.home import Home
from features.history.tables import read_history
from features.intake.load import load
from features.messages.settings import read_settings
from tests.support.running_service import POST, World, make_home
from tests.unit.features.messages.hostile_documents import DECOYS, HOSTILE, Canaries, point_at
from tests.unit.features.messages.standard_messages import MESSAGES

SAMPLES = Path(__file__).parents[4] / "docs" / "samples" / "messages"
_KIT = (SAMPLES / "records.jsonl").read_text("utf-8").splitlines()
FORMATS = {line["document"]: line["format"] for line in map(json.loads, _KIT)}
ARRIVED = "2026-10-14T06:55:00Z"
XML, TEXT = "application/xml", "text/xml; charset=utf-8"
Q = {"m": NAMESPACE, "t": TIME_NAMESPACE}


@pytest.fixture(autouse=True, scope="module")
def _settings(world: World) -> None:
    shutil.copy(SAMPLES / "settings.toml", world.home.messages)


def send(
    world: World,
    data: bytes | str | Iterator[bytes],
    crossing_id: str | None = None,
    *,
    path: str = "/v1/decisions",
    kind: str = XML,
    accept: str = "",
    **query: Any,
) -> Any:
    known = {"post": POST, "direction": "entry", "arrived_at": ARRIVED, "vehicle_class": "truck"}
    named = {} if crossing_id is None else {"crossing_id": crossing_id}
    return world.client.post(
        path,
        content=data,
        params=known | named | query,
        headers=world.headers() | {"Content-Type": kind} | ({"Accept": accept} if accept else {}),
    )


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def read_arrival(world: World, answer: Any) -> dict[str, Any]:
    """Return the arrival as the journal holds it."""
    with world.runtime.store.read() as connection:
        sequence = answer.json()["receipt"]["sequence"]
        body = Journal(world.runtime.store).body(connection, sequence)
    found: dict[str, Any] = body["arrival"]
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_http_and_the_command_line_give_the_same_records(
    world: World, name: str, tmp_path: Path
) -> None:
    folder, home = tmp_path / "in", make_home(tmp_path / "home")
    folder.mkdir()
    shutil.copy(SAMPLES / name, folder)
    (folder / "crossings.csv").write_text(
        "document,crossing_id,post,direction,arrived_at,vehicle_class,weighed_mass_kg\n"
        f"{name},x-{name},{POST},entry,{ARRIVED},truck,9000\n",
        "utf-8",
    )
    format: Any = FORMATS[name]  # noqa: A001
    load(home, folder, format=format, settings=read_settings(SAMPLES / "settings.toml"))
    kind = "application/json" if name.endswith(".json") else TEXT
    answer = send(world, sample(name), f"x-{name}", kind=kind, weighed_mass_kg="9000")
    assert answer.status_code == 201, answer.text
    arrival = read_arrival(world, answer)
    history = read_history(home)
    assert plain(history.crossings)[0] == flat(arrival["crossing"])
    declaration = arrival.get("declaration")
    if declaration is None:
        assert history.declarations.num_rows == 0
    else:
        items = declaration.pop("items")
        own = {"declaration_id": declaration["declaration_id"]}
        assert plain(history.declarations)[0] == flat(declaration)
        assert plain(history.goods_items) == [flat(item | own) for item in items]


def plain(table: Any) -> list[dict[str, Any]]:
    """Return a table's rows without what is absent and what only a history knows."""
    rows = table.drop_columns([n for n in ("known_at",) if n in table.column_names]).to_pylist()
    return [flat(row) for row in rows]


def flat(record: dict[str, Any]) -> dict[str, Any]:
    times = ("arrived_at", "lodged_at", "recorded_at", "expected_at")
    return {
        name: value
        for name, value in record.items()
        if name not in times and value not in (None, [], ())
    }


def test_a_message_gets_the_answer_of_its_json_and_the_same_one_again(world: World) -> None:
    first = send(world, sample("wco.xml"), "m-1")
    again = send(world, sample("wco.xml").replace(b"  <", b"\n\t<"), "m-1")
    assert (first.status_code, again.content) == (201, first.content)
    assert world.decide(read_arrival(world, first)).content == first.content
    other = send(world, sample("wco.xml").replace(b"20000<", b"20001<"), "m-1")
    assert other.status_code == 409


def test_what_the_post_read_counts_and_a_difference_is_a_data_gap(world: World) -> None:
    answer = send(world, sample("wco.xml"), "m-2", plate="999 ZZ 99", is_empty="false")
    assert "plate_differs" in answer.json()["data_gaps"]
    found = read_arrival(world, answer)
    assert found["document_differences"] == ["plate"]
    assert found["crossing"]["plate"] == "999 ZZ 99"
    assert found["crossing"]["seal_numbers"] == ["KZ7781"]
    assert found["crossing"]["is_empty"] is False
    page = world.get(f"/v1/decisions/{answer.json()['decision_id']}").json()
    assert "plate_differs" in page["data_gaps"]
    same = send(world, sample("wco.xml"), "m-3", plate="417kba02", seal_numbers=["KZ7781"])
    assert not [gap for gap in same.json()["data_gaps"] if gap.endswith("_differs")]
    assert read_arrival(world, same)["document_differences"] == []


@pytest.mark.parametrize(
    ("data", "status", "rule"),
    [
        (b"<ASYCUDA>\n<Item></ASYCUDA>", 400, "not_well_formed"),
        (b"", 400, "not_well_formed"),
        (b"<html/>", 415, "unsupported_message"),
        (b'<ASYCUDA xmlns="urn:other"/>', 415, "unsupported_message"),
        (
            sample("ncts.xml").replace(b'PhaseID="NCTS5', b'PhaseID="NCTS4'),
            415,
            "unsupported_version",
        ),
        (sample("wco.xml").replace(b"Code>9<", b"Code>13<"), 422, "not_an_original"),
        (
            sample("wco.xml").replace(b"<FunctionCode>9<", b"<FunctionCode>1<"),
            422,
            "not_an_original",
        ),
    ],
)
def test_a_message_is_refused_by_status_and_name(
    world: World, data: bytes, status: int, rule: str
) -> None:
    answer = send(world, data, "m-5")
    assert (answer.status_code, answer.json()["fields"][0]["rule"]) == (status, rule), answer.text
    if rule == "not_an_original":
        assert "amendments" in answer.json()["fields"][0]["why"]
    if data.startswith(b"<ASYCUDA>"):
        assert answer.json()["fields"][0]["why"] == "line 2"


@pytest.mark.parametrize(
    ("query", "at", "rule"),
    [
        ({"arrived_at": "2026-10-14"}, "crossing.arrived_at", "bad_time"),
        ({"post": ""}, "crossing.post", "missing_key"),
        ({"colour": "CANARY"}, "crossing.colour", "unknown_field"),
        ({"CANARY": "1"}, "crossing.?", "unknown_field"),
        ({"plate": ["A 1", "A 2"]}, "crossing.plate", "doubled"),
        ({"is_empty": "yes"}, "crossing.is_empty", ""),
        ({"weighed_mass_kg": "nan"}, "crossing.weighed_mass_kg", ""),
        ({"weighed_mass_kg": "18_220"}, "crossing.weighed_mass_kg", "not_a_number"),
        ({"arrived_at": "1900-01-01T00:00:00Z"}, "crossing.arrived_at", "implausible_time"),
        ({"declaration_id": "another"}, "declaration.declaration_id", "contradiction"),
    ],
)
def test_a_field_of_the_query_is_refused_by_name(
    world: World, query: dict[str, Any], at: str, rule: str
) -> None:
    answer = send(world, sample("wco.xml"), "m-6", **query)
    found = answer.json()["fields"][0]
    assert (answer.status_code, found["at"]) == (422, at)
    assert rule in ("", found["rule"])
    assert "CANARY" not in answer.text


def test_a_large_message_is_read_elsewhere_in_places_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what a short one says; one more than there are places is not even held."""
    calls: list[str] = []

    def count(home: Home, bounds: Bounds, work: str, given: bytes) -> bytes:
        calls.append(bounds.what)
        return executors.run_apart(home, bounds, work, given)

    monkeypatch.setattr(messages, "run_apart", count)
    short = sample("wco.xml")
    long = short + b"<!--" + b" " * SHORT.most_bytes + b"-->"
    first = send(world, short, "x-large")
    assert first.status_code == 201 and not calls
    assert send(world, long, "x-large").content == first.content
    assert calls == ["large message"]
    unsaid = send(world, iter([short]), "x-large")  # its length is not known before it is read
    assert unsaid.content == first.content and len(calls) == 2
    executor = world.runtime.executors.large_messages
    monkeypatch.setattr(executor, "_taken", executor._most)
    with monkeypatch.context() as patched:
        patched.setattr(messages, "read_bounded", pytest.fail)
        refused = send(world, long, "x-large")
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
    assert send(world, short, "x-large").content == first.content, "short ones go on"


def test_hostile_documents_are_refused_and_none_is_a_fault(world: World, tmp_path: Path) -> None:
    """None of them touches the file or the address that it points to."""
    with Canaries(tmp_path) as canaries:

        def point(data: bytes) -> bytes:
            return point_at(data, address=canaries.address, file=canaries.file)

        for name, (data, rule) in HOSTILE.items():
            kind = "application/json" if name.startswith("JSON") else XML
            answer = send(world, point(data), "m-7", kind=kind)
            assert answer.status_code in (400, 413, 415, 422), (name, answer.text)
            fields = answer.json().get("fields")
            assert rule == "too_large" if fields is None else fields[0]["rule"] == rule, name
        for number, data in enumerate(DECOYS.values()):
            assert send(world, point(data), f"m-7{number}").status_code == 201
        assert canaries.touched == []
    assert world.get("/readyz").status_code == 200


def test_damaged_documents_are_no_faults(world: World) -> None:
    """Bytes cut out, doubled or changed at random, and queries with anything in them."""
    dice = Random(17)
    statuses = set()
    for number in range(120):
        data = bytearray(sample(dice.choice(list(FORMATS))))
        for _ in range(dice.randrange(1, 4)):
            at, size = dice.randrange(len(data)), dice.randrange(1, 40)
            piece = dice.choice([b"", data[at : at + size] * 2, dice.randbytes(2), b"9" * 300])
            data[at : at + size] = piece
        field = dice.choice(["plate", "vin", "weighed_mass_kg", "seal_numbers", "recorded_at"])
        value = dice.choice(["", "x" * 65, "1e400", "\x00", "-1", "ё", "2026-10-14T06:00:00Z"])
        answer = send(world, bytes(data), f"f-{number}", **{field: value})
        statuses.add(answer.status_code)
        assert answer.status_code in (201, 400, 413, 415, 422), answer.text
    assert {201, 400, 422} <= statuses


def test_settings_that_cannot_be_used_are_the_services_fault(world: World) -> None:
    kept = world.home.messages.read_text("utf-8")
    world.home.messages.write_text("date_order = 7", "utf-8")
    try:
        answer = send(world, sample("wco.xml"), "m-8")
    finally:
        world.home.messages.write_text(kept, "utf-8")
    assert (answer.status_code, answer.json()["title"]) == (503, "Home")


def response(answer: Any) -> Any:
    assert answer.headers["content-type"].startswith(XML)
    root = etree.fromstring(answer.content)
    assert root.tag == f"{{{NAMESPACE}}}Response"
    times = root.findall(".//t:DateTimeString", Q)
    assert times
    assert all(time.get("formatCode") == "304" for time in times)
    assert all(time.text and len(time.text) == 15 and time.text[-1] == "Z" for time in times)
    return root


def text(root: Any, path: str) -> str | None:
    found: str | None = root.findtext("/".join(f"m:{part}" for part in path.split("/")), None, Q)
    return found


NAMED = sample("wco.xml").replace(
    b"<FunctionCode>9</FunctionCode>", b"<FunctionCode>9</FunctionCode><ID>26KZ0000417A</ID>"
)


def test_accept_xml_is_answered_in_kind_and_repeats_both_identifiers(world: World) -> None:
    answer = send(world, NAMED, "r-1", accept=XML)
    assert answer.status_code == 201
    root = response(answer)
    asked = send(world, NAMED, "r-1", accept="application/json, application/xml").json()
    assert [child.tag.partition("}")[2] for child in root] == [
        "FunctionCode",
        "FunctionalReferenceID",
        "IssueDateTime",
        "Declaration",
    ]
    assert text(root, "FunctionCode") == CODES[asked["channel"]]
    assert text(root, "FunctionalReferenceID") == asked["decision_id"]
    assert text(root, "Declaration/FunctionalReferenceID") == "KZ-2026-0091"
    assert text(root, "Declaration/ID") == "26KZ0000417A"
    assert answer.headers["location"] == f"/v1/decisions/{asked['decision_id']}"
    assert send(world, NAMED, "r-1", accept=XML).content == answer.content


def test_every_channel_has_its_code_and_release_looks_alike() -> None:
    assert CODES == {"green": "09", "blue": "09", "yellow": "06", "red": "05"}


def test_an_answer_in_kind_says_nothing_that_the_json_hides(world: World) -> None:
    """All that differs between the answers of two picks is the code and what names them."""
    kept = set()
    for number in range(12):
        answer = send(world, NAMED.replace(b"20000<", b"%d<" % number), f"r-4{number}", accept=XML)
        root = response(answer)
        kept.add(tuple(element.tag for element in root.iter()))
        asked = world.get(f"{answer.headers['location']}").json()
        assert str(asked["risk"]["p_seizure"]) not in answer.text
    assert len(kept) == 1


def test_negative_control_an_answer_that_tells_the_risk_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the response says how likely a find is."""
    own = send(world, NAMED, "r-4x").json()["decision_id"]
    asked = world.get(f"/v1/decisions/{own}").json()
    risk, write = str(asked["risk"]["p_seizure"]), messages.write_response

    def tell(code: str, **given: Any) -> bytes:
        end = b"</Response>"
        return write(code, **given).replace(end, f"<Risk>{risk}</Risk>".encode() + end)

    monkeypatch.setattr(messages, "write_response", tell)
    assert risk in send(world, NAMED, "r-4x", accept=XML).text


def answers_in_kind() -> dict[str, bytes]:
    """Return a response of every kind that the service writes."""
    errors = [("DZ422", "declaration.items", "too_many_items"), ("DZ400", "", "not_well_formed")]
    given: dict[str, Any] = {"issued": ARRIVED, "own": "01J" + "0" * 23}
    named = {"FunctionalReferenceID": "KZ-2026-0091", "ID": "26KZ0000417A"}
    found = {code: write_response(code, **given, references=named) for code in CODES.values()}
    rejected = write_response("03", issued=ARRIVED, own=None, references={}, errors=errors)
    return found | {"02": write_response("02", **given, references={"ID": "x"}), "03": rejected}


def test_answers_are_valid_by_the_schema_that_a_publisher_ships() -> None:
    """The schema is read where the folder of open documents is there; nothing of it is kept here.

    Where it is not, the shape that it asks for is held by the tests of the answers above.
    """
    path = MESSAGES / "schemas" / "wco" / "WCO_RES_2_DMS.xsd"
    answers = answers_in_kind()
    assert set(answers) == {"09", "06", "05", "02", "03"}
    for code, body in answers.items():
        root = etree.fromstring(body)
        assert text(root, "FunctionCode") == code
        if path.is_file():
            etree.XMLSchema(etree.parse(path)).assertValid(root)
            root.append(etree.SubElement(root, "Risk"))
            with pytest.raises(etree.DocumentInvalid):  # negative control
                etree.XMLSchema(etree.parse(path)).assertValid(root)


def test_an_amended_message_is_a_new_decision(world: World) -> None:
    first = send(world, NAMED, "r-6").json()
    path = f"/v1/decisions/{first['decision_id']}/amendments"
    changed = NAMED.replace(b">300<", b">30<")
    answer = send(world, changed, "r-6", path=path, accept=XML)
    assert answer.status_code == 201
    assert answer.headers["location"] != f"/v1/decisions/{first['decision_id']}"


@pytest.mark.parametrize(
    ("data", "query", "status", "tags"),
    [
        (NAMED.replace(b"Code>9<", b"Code>13<"), {}, 422, ["017"]),
        (NAMED, {"arrived_at": "x"}, 422, []),
        (NAMED, {"declaration_id": "x"}, 422, ["D014"]),
        (b"<ASYCUDA>", {}, 400, []),
        (b"<html/>", {}, 415, []),
    ],
)
def test_a_refusal_is_answered_in_kind(
    world: World, data: bytes, query: dict[str, str], status: int, tags: list[str]
) -> None:
    answer = send(world, data, "r-7", accept=XML, **query)
    root = response(answer)
    assert (answer.status_code, text(root, "FunctionCode")) == (status, "03")
    assert text(root, "Error/ValidationCode") == f"DZ{status}"
    assert text(root, "Error/Pointer/DocumentSectionCode") == "42A"
    assert [tag.text for tag in root.findall(".//m:TagID", Q)] == tags
    assert text(root, "Declaration/ID") == ("26KZ0000417A" if status == 422 else None)


def test_no_person_of_a_document_is_kept_or_answered(world: World) -> None:
    """Canaries stand where documents name people; none leaves the document."""
    for number, name in enumerate(FORMATS):
        data = sample(name)
        for person in (b"SAMPLE PERSON", b"SAMPLE EXPORTER", b"SAMPLE CONSIGNEE", b"SAMPLE SENDER"):
            data = data.replace(person, b"PERSON-CANARY-9")
        kind = "application/json" if name.endswith(".json") else XML
        for accept in (XML, "application/json"):
            answer = send(world, data, f"p-{number}", kind=kind, accept=accept)
            assert answer.status_code == 201
            assert "CANARY" not in answer.text
    files = [path for path in world.home.root.rglob("*") if path.is_file()]
    assert not any(b"PERSON-CANARY" in path.read_bytes() for path in files)
