"""Dossier of a case: read back by another library, for each reader what is theirs."""

import hashlib
import io
import re
from typing import Any

import pytest
from pypdf import PdfReader

from api.cases import dossier as dossiers
from api.cases import readers
from api.service import executors
from api.web.i18n import LANGUAGES
from engine.domain.rights import Role
from engine.errors import BusyError, TooCostlyError
from engine.files.content import (
    PDF,
    recognise_content,
    strip_photograph,
)
from engine.journal.journal import JournalReader
from engine.journal.kinds import SENSITIVE_READ
from engine.journal.receipts import Receipt
from tests.support.running_service import World
from tests.unit.engine.cases.sample_photographs import NAME as NAME_OF_MAKER
from tests.unit.engine.cases.sample_photographs import take_photograph
from tests.unit.service.auth.test_refusals import is_problem
from tests.unit.service.cases.sample_files import picture
from tests.unit.service.cases.test_cases import (
    EVENTS,
    NAME,
    file_the_find,
    open_case,
    person,
    report,
)

Headers = dict[str, str]
WORDS = {
    "en": ("Dossier of a case", "narcotic", "Found at", "Synthetic data", "heroin"),
    "ru": ("Досье дела", "Синтетические", "Для проверки", "героин"),
    "uz": ("Ish yigʻmajildi", "Tekshirish uchun", "mazmunining", "geroin"),
    "tg": ("Маҷмӯаи парванда", "Барои санҷиш", "мӯҳтавояшон", "героин"),
}
"""Words that the dossier says in each language, letters of its own among them."""


def fetch(world: World, case_id: str, by: Headers, language: str | None = None) -> Any:
    query = {} if language is None else {"language": language}
    return world.client.get(f"/v1/cases/{case_id}/dossier.pdf", params=query, headers=by)


def read_pdf(content: bytes) -> str:
    """Return the text of a PDF file, each run of white space as one space."""
    pages = (page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    return " ".join(" ".join(pages).split())


def read_receipts(world: World, text: str, records: list[int]) -> list[Receipt]:
    """Return the receipts that a dossier in English prints, made again from its words."""
    journal, key = re.findall(r"of journal (\w+), signed by key (\w+)", text)[0]
    found = re.findall(
        r"Record (\d+) Record’s hash: (\w+) Chain: (\w+) "
        r"Signature: ([0-9a-f]+(?: [0-9a-f]+)?)",
        text,
    )
    receipts = [
        Receipt(journal, int(seq), leaf, chain, sign.replace(" ", "")[:128], key)
        for seq, leaf, chain, sign in found
    ]
    assert [one.sequence for one in receipts] == records
    return receipts


@pytest.fixture(scope="module")
def people(world: World) -> dict[str, Headers]:
    known = (("ann", "customs"), ("bob", "customs"), ("dia", "interior"))
    return {name: person(world, name, agency) for name, agency in known}


@pytest.fixture(scope="module")
def case_id(world: World, people: dict[str, Headers]) -> str:
    """Open a case from the seed's find, with every event, a photograph, and one event for few."""
    opened = open_case(
        world, people["ann"], post=None, seizure_id=file_the_find(world), handling=["H1"]
    )
    for event in EVENTS:
        assert report(world, opened, people["ann"], event).status_code == 201
    for shows, handling in (("photograph", None), ("scan", "H2")):
        query = {"shows": shows} | ({} if handling is None else {"handling": handling})
        path, content = f"/v1/cases/{opened}/files", picture("PNG", shade=len(shows))
        added = world.client.post(path, params=query, content=content, headers=people["ann"])
        assert added.status_code == 201
    source = {"kind": "note", "text": "from a source of its own"}
    assert report(world, opened, people["ann"], source, handling=["H2"]).status_code == 201
    return opened


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_read_back_in_every_language(
    world: World, people: dict[str, Headers], case_id: str, language: str
) -> None:
    answer = fetch(world, case_id, people["ann"], language)
    assert (answer.status_code, answer.headers["content-type"]) == (200, PDF)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert recognise_content(answer.content) == PDF, "it would be taken as a file itself"
    text = read_pdf(answer.content)
    for word in (*WORDS[language], case_id, "01A123BC", "find-0703"):
        assert word in text
    assert "?" not in text.replace("? →", "").replace("→ ?", ""), "a letter is missing"


def test_a_court_reads_the_search_and_both_texts_of_a_correction(
    world: World, people: dict[str, Headers], case_id: str
) -> None:
    before = read_pdf(fetch(world, case_id, people["ann"], "en").content)
    assert "How it was searched" in before and "Places searched" in before
    assert "Weighed again" not in before, "the control: nothing was corrected yet"
    again = {
        "substance_class": "narcotic",
        "substance": "heroin",
        "quantity_g": 2415.5,
        "place": "fuel.tank",
        "concealment": "built_in",
        "reason": "Weighed again",
    }
    assert world.post("/v1/seizures/find-0703/corrections", again).status_code == 201
    seen = world.client.get(f"/v1/cases/{case_id}", headers=people["ann"]).json()
    (correction,) = seen["corrections"]
    assert (correction["was"]["quantity_g"], correction["now"]["quantity_g"]) == (2300.0, 2415.5)
    assert [one["inspection_id"] for one in seen["acts"]] == ["act-0703"]
    text = read_pdf(fetch(world, case_id, people["ann"], "en").content)
    for words in ("Weighed again", "Before: heroin, 2,300 g", "Now: heroin, 2,415.5 g"):
        assert words in text, words


def test_the_same_records_are_the_same_bytes(
    world: World, people: dict[str, Headers], case_id: str
) -> None:
    first = fetch(world, case_id, people["ann"], "en").content
    assert fetch(world, case_id, people["ann"], "en").content == first
    assert fetch(world, case_id, people["ann"], "ru").content != first


def test_it_holds_what_each_record_is_checked_by(
    world: World, people: dict[str, Headers], case_id: str
) -> None:
    """What is printed is the receipt that ``darvoza verify`` takes."""
    seen = world.client.get(f"/v1/cases/{case_id}", headers=people["ann"]).json()
    records = [seen["sequence"], *(one["sequence"] for one in seen["events"])]
    text = read_pdf(fetch(world, case_id, people["ann"], "en").content)
    receipts = read_receipts(world, text, records)
    with world.runtime.store.read() as connection:
        entries = [world.runtime.journal.entry(connection, one) for one in records]
    assert receipts == [world.runtime.signer.sign(one) for one in entries]
    for event in seen["events"]:
        assert event["content"].get("digest", "") in text


def test_it_holds_no_name_and_no_figure_of_the_engine(
    world: World, people: dict[str, Headers], case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: a free text goes out as it was typed."""
    text = read_pdf(fetch(world, case_id, people["ann"], "en").content)
    assert NAME.split()[0] not in text and "left out" in text
    for word in ("percentile", "propensity", "random", "contribution"):
        assert word not in text
    monkeypatch.setattr(dossiers, "looks_like_name", lambda _: False)
    assert NAME in read_pdf(fetch(world, case_id, people["ann"], "en").content)


def test_each_reader_has_what_is_theirs(
    world: World, people: dict[str, Headers], case_id: str
) -> None:
    own, other = (read_pdf(fetch(world, case_id, people[name], "en").content)
                  for name in ("bob", "dia"))  # fmt: skip
    assert "from a source of its own" in own and "scanned document" in own
    assert "from a source of its own" not in other and "scanned document" not in other
    assert "Its content is for other agencies." in other and "photograph" in other
    for text in (own, other):
        assert "H1: not for use in court" in text and "H2: not to be passed on" in text
    far = {"Authorization": f"Bearer {world.other}"}
    assert is_problem(fetch(world, case_id, far), 404)
    assert is_problem(fetch(world, case_id, world.headers(Role.ANALYST)), 403)
    assert is_problem(fetch(world, "case-none", people["ann"]), 404)
    assert is_problem(fetch(world, case_id, people["ann"], "xx"), 422)


def test_who_takes_it_is_recorded_first(
    world: World, people: dict[str, Headers], case_id: str
) -> None:
    fetch(world, case_id, people["bob"])
    with world.runtime.store.read() as connection:
        reads = [body for _, body in JournalReader(connection).bodies_of(SENSITIVE_READ)]
    mine = [one for one in reads if one["by"] == "bob" and one["kind"] == "case_dossier"]
    assert mine and len(mine[-1]["found"]) == len(EVENTS) + 4


def test_photographs_are_shown_to_whom_their_event_is(
    world: World, people: dict[str, Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their pixels come back, their maker does not; seeded bug: the code is not asked for."""
    opened = open_case(world, people["ann"])
    path = f"/v1/cases/{opened}/files"
    taken = {"H1": take_photograph(), "H2": take_photograph(orientation=1, quality=30)}
    for handling, content in taken.items():
        query = {"shows": "photograph", "handling": handling}
        added = world.client.post(path, params=query, content=content, headers=people["ann"])
        assert added.status_code == 201

    def list_pictures(name: str) -> list[bytes]:
        content = fetch(world, opened, people[name], "en").content
        assert NAME_OF_MAKER.encode() not in content and recognise_content(content) == PDF
        pages = PdfReader(io.BytesIO(content)).pages
        return [one.data for page in pages for one in page.images if one.name.endswith("jpg")]

    shown = [one.content for each in taken.values() if (one := strip_photograph(each))]
    assert list_pictures("bob") == shown
    assert list_pictures("dia") == shown[:1]
    with monkeypatch.context() as patched:
        patched.setattr(dossiers, "MOST_SHOWN", len(taken["H1"]))
        assert len(list_pictures("bob")) == 1
        assert "24 MB" in read_pdf(fetch(world, opened, people["bob"], "en").content)
    (world.home.files / hashlib.sha256(taken["H1"]).hexdigest()).unlink()
    assert len(list_pictures("bob")) == 1
    assert list_pictures("dia") == []
    assert "the file is not here" in read_pdf(fetch(world, opened, people["bob"], "en").content)
    monkeypatch.setattr(readers, "is_party", lambda *_: True)
    assert len(list_pictures("dia")) == 1, "that of H2 alone is left"


def test_a_dossier_has_places_and_a_limit_of_its_own(
    world: World, people: dict[str, Headers], case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = world.runtime.executors.dossiers
    with monkeypatch.context() as patched:
        patched.setattr(executor, "_taken", executor._most)
        patched.setattr(dossiers, "compile_dossier", pytest.fail)
        refused = fetch(world, case_id, people["ann"])
    assert is_problem(refused, 503) and int(refused.headers["retry-after"]) > 0
    for error, status in ((TooCostlyError("dossier"), 422), (BusyError("too late"), 503)):

        def give_up(*_: object, why: Exception = error, **__: object) -> bytes:
            raise why

        with monkeypatch.context() as patched:
            patched.setattr(executors, "work_apart", give_up)
            assert is_problem(fetch(world, case_id, people["ann"]), status)
