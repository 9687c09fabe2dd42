"""Old reports on a page: proposals with their passages, and nothing without a confirmation."""

import re
from typing import Any

import pytest
from sqlalchemy import func, select

from api.cases import seizure_reports
from engine.errors import TooCostlyError
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import SEIZURE
from tests.support.people import Desk, at_desk
from tests.support.running_service import World, arrival

PAGE = "/cases/reports"
NAME = "Zzcanarzoda"
REPORT = (
    f"On 13 October 2026 officers stopped a truck, registration 01 A 555 BC, driver {NAME}. "
    "2.3 kg of heroin were found in the fuel tank. The expert's opinion is of 14 October 2026."
)
FIELD = re.compile(r'name="((?:event-\w+|once|number|text))"[^>]*? value="([^"]*)"')


def count_records(world: World) -> int:
    with world.runtime.store.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(JOURNAL)) or 0)


def read_text(desk: Desk, text: str) -> Any:
    return desk.send(PAGE, PAGE, {"text": text, "step": "read"})


def fill(shown: Any) -> dict[str, str]:
    """Return the fields of the first find as its form proposes them."""
    form = shown.text.partition('class="confirm"')[2].partition("</form>")[0]
    selected = re.findall(r'name="(event-\w+)".*?<option value="([^"]+)" selected', form)
    return dict(FIELD.findall(form)) | dict(selected)


@pytest.fixture(scope="module")
def desk(world: World) -> Desk:
    return at_desk(world, "report-supervisor")


def test_values_are_proposed_with_their_passages_and_nothing_is_recorded(
    world: World, desk: Desk
) -> None:
    desk.get(PAGE)
    before = count_records(world)
    shown = read_text(desk, REPORT)
    assert shown.status_code == 200 and count_records(world) == before
    fields = fill(shown)
    expected = {"plate": "01 A 555 BC", "seized_on": "2026-10-13", "amount": "2300"}
    expected |= {"substance": "heroin", "goods_class": "narcotics", "place": "fuel.tank"}
    assert {name: fields[f"event-{name}"] for name in expected} == expected
    marked = re.findall(r"<mark[^>]*>([^<]+)</mark>", shown.text)
    assert {"01 A 555 BC", "13 October 2026", "heroin", "fuel tank"} <= set(marked)
    assert "from: “2.3 kg" in shown.text
    assert NAME not in "".join(marked)


def test_a_person_corrects_and_confirms(world: World, desk: Desk) -> None:
    early, late = ("2026-10-09T04:00:00Z", "2026-10-13T04:00:00Z")
    for number, at in ((71, early), (72, late)):
        sent = arrival(number, plate="01A555BC", arrived_at=at, crossing_id=f"c-old-{number}")
        assert world.decide(sent).status_code == 201
    fields = fill(read_text(desk, REPORT)) | {"event-amount": "2310", "step": "seizure"}
    before = count_records(world)
    answers = [desk.send(PAGE, PAGE, fields) for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    assert count_records(world) == before + 1, "sent twice, it counts once"
    with world.runtime.store.read() as connection:
        *_, record = JournalReader(connection).records(SEIZURE)
    body = record.body
    assert (body["by"], body["linked_crossing_id"]) == ("report-supervisor", "c-old-72")
    assert body["seizure"]["quantity_g"] == 2310.0
    assert body["seizure"]["goods_class"] == "narcotics"
    assert NAME not in str(body)
    cash = fields | {"once": "c" * 24, "event-goods_class": "currency", "event-substance": ""}
    assert desk.send(PAGE, PAGE, cash).status_code == 422, "of which currency"
    cash |= {"event-unit": "USD", "event-amount": "12000"}
    assert desk.send(PAGE, PAGE, cash).status_code == 303
    with world.runtime.store.read() as connection:
        *_, record = JournalReader(connection).records(SEIZURE)
    taken = record.body["seizure"]
    assert (taken["goods_class"], taken["amount"], taken["unit"]) == ("currency", 12000.0, "USD")
    assert "recorded in your name" in desk.get(answers[0].headers["location"]).text


def test_a_text_has_places_and_a_limit_of_its_own(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = world.runtime.executors.texts
    with monkeypatch.context() as patched:
        patched.setattr(executor, "_taken", executor._most)
        patched.setattr(seizure_reports, "run_apart", pytest.fail)
        refused = read_text(desk, REPORT)
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
    digest = "\n".join(f"{day:02d}.02.2021 heroin 5 kg" for day in range(1, 29)) * 2
    many = read_text(desk, digest)
    assert many.status_code == 422 and "send it in parts" in many.text

    def give_up(*_: object) -> bytes:
        raise TooCostlyError("text")

    monkeypatch.setattr(seizure_reports, "run_apart", give_up)
    slow = read_text(desk, REPORT)
    assert slow.status_code == 422 and "send it in parts" in slow.text
