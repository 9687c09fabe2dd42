"""Old reports of seizures become proposals, each value with the passage that states it."""

import json
from datetime import date
from pathlib import Path

import pytest
from fpdf import FPDF
from typer.testing import CliRunner

from api.cli.main import app
from engine.errors import RecordError
from features.seizure_reports import dates, extraction
from features.seizure_reports.extraction import ProposedSeizure, describe, read_seizure_report
from features.seizure_reports.folded_text import FoldedText, Language
from features.seizure_reports.quantities import Number, find_numbers

ROOT = Path(__file__).parents[4]
POSTS = {"UZ-OYB": ["Oybek"], "TJ-FOT": ["Fotehobod"], "UZ-YAL": ["Yallama"]}
ENGLISH = (
    "Report No. 12 of 9 March 2024.\n\nOn 7 March 2024 at the Oybek crossing, officers stopped a "
    "cargo van, registration 01 A 123 BC, arriving from Tajikistan. A sniffer dog reacted to the "
    "trailer. During the physical inspection two kilograms of hashish were found under the "
    "trailer, held by magnets."
)
RUSSIAN = (
    "РАПОРТ от 12.05.2019 г. № 45\n10 мая 2019 года в 14:30 на посту «Яллама» остановлен грузовой "
    "автомобиль, гос. номер 40 H 123 HB, с грузом лука весом 20 000 кг. В ходе досмотра в "
    "топливном баке обнаружено 12 свертков по 500 г каждый. Согласно заключению эксперта от "
    "20.05.2019 вещество является опием. Общий вес 5 кг 870 г."
)
UZBEK = (
    '2021-yil 3-iyun kuni "Oybek" chegara bojxona postida yengil avtomobil (davlat raqami '
    "1234 AB 01) koʻzdan kechirildi. Xizmat iti yordamida zaxira gʻildirak ichidan 3 ta paketda "
    "jami 1,25 kg geroin topildi."
)
TAJIK = (
    "Санаи 15 августи соли 2022 дар гузаргоҳи Фотеҳобод мошини боркаш бо рақами давлатии "
    "5678 BB 02 боздошт шуд. Ҳангоми муоина дар баки иловагӣ 3 килограму 400 грамм героин ва "
    "250 грамм гашиш дарёфт гардид."
)


def read(text: str) -> list[ProposedSeizure]:
    return list(read_seizure_report(text, POSTS).seizures)


def values(seizure: ProposedSeizure) -> dict[str, object]:
    names = ("substance", "quantity_g", "seized_on", "post", "vehicle_class", "plate", "place")
    return {name: found.value for name in names if (found := getattr(seizure, name))}


def test_the_find_of_7_march_is_read_whole() -> None:
    (seizure,) = read(ENGLISH)
    assert values(seizure) == {
        "substance": "hashish",
        "quantity_g": 2000.0,
        "seized_on": date(2024, 3, 7),
        "post": "UZ-OYB",
        "vehicle_class": "van",
        "plate": "01 A 123 BC",
        "place": "chassis.underbody",
    }
    assert seizure.concealment is not None
    assert seizure.concealment.value == "magnet"
    assert [method.value for method in seizure.methods] == ["canine", "physical"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RUSSIAN, [("opium", 5870.0, date(2019, 5, 10), "fuel.tank", "truck", "UZ-YAL")]),
        (UZBEK, [("heroin", 1250.0, date(2021, 6, 3), "chassis.spare_wheel", "car", "UZ-OYB")]),
        (
            TAJIK,
            [
                ("heroin", 3400.0, date(2022, 8, 15), "fuel.false_tank", "truck", "TJ-FOT"),
                ("hashish", 250.0, date(2022, 8, 15), "fuel.false_tank", "truck", "TJ-FOT"),
            ],
        ),
    ],
)
def test_reports_of_four_languages(text: str, expected: list[tuple[object, ...]]) -> None:
    order = ("substance", "quantity_g", "seized_on", "place", "vehicle_class", "post")
    assert [tuple(values(one).get(name) for name in order) for one in read(text)] == expected


@pytest.mark.parametrize("text", [ENGLISH, RUSSIAN, UZBEK, TAJIK])
def test_every_value_names_its_passage(text: str) -> None:
    for seizure in read(text):
        for name in ("substance", "quantity_g", "seized_on", "place", "plate"):
            found = getattr(seizure, name)
            if found:
                passage = found.passage
                assert text[passage.start : passage.end] == passage.text != ""


def test_what_is_not_stated_stays_absent() -> None:
    (seizure,) = read("A quantity of heroin was seized.")
    assert values(seizure) == {"substance": "heroin"}
    assert read("The truck carried onions. Nothing was found.") == []


def test_the_command_reads_text_and_pdf_and_refuses_the_rest(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_bytes(RUSSIAN.encode("cp1251"))
    (tmp_path / "empty.pdf").write_bytes(b"%PDF-1.7 not one")
    page = FPDF()
    page.add_page()
    page.set_font("helvetica")
    page.multi_cell(0, text=ENGLISH)
    page.output(str(tmp_path / "report.pdf"))
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["extract", str(tmp_path), "--out", str(out), "--json"])
    assert result.exit_code == 0
    read_back = {one["document"]: one for one in json.loads(result.stdout)["documents"]}
    assert read_back["empty.pdf"]["status"] == "refused"
    assert "not a PDF" in read_back["empty.pdf"]["rule"]
    assert read_back["old.txt"]["seizures"][0]["quantity_g"]["value"] == 5870.0
    assert read_back["report.pdf"]["seizures"][0]["quantity_g"]["value"] == 2000.0
    lines = [json.loads(line) for line in (out / "reports.jsonl").read_text().splitlines()]
    assert lines == json.loads(result.stdout)["documents"]


def measure_agreement(*, every: int = 1) -> dict[str, float]:
    """Return F1 by field over invented reports; a quantity agrees within one percent."""
    counts = {name: [0, 0, 0] for name in ("substance", "quantity_g", "seized_on", "place")}
    lines = (ROOT / "tests/data/seizure_reports.jsonl").read_text("utf-8").splitlines()
    for report in map(json.loads, lines[::every]):
        proposals = describe(read_seizure_report(report["text"]))["seizures"]
        left = [
            {name: found["value"] for name, found in one.items() if "value" in found}
            for one in proposals
        ]
        for wanted in report["expected"]:
            same = [one for one in left if one.get("substance") == wanted["substance"]]
            got = left.pop(left.index((same or left)[0])) if left else {}
            count_field(counts, wanted, got)
        for extra in left:
            count_field(counts, {}, extra)
    return {name: 2 * a / (2 * a + b + c) for name, (a, b, c) in counts.items()}


def count_field(
    counts: dict[str, list[int]], wanted: dict[str, object], got: dict[str, object]
) -> None:
    """Count agreements, values that are not stated, and stated values that were missed."""
    for name, count in counts.items():
        value, proposed = wanted.get(name), got.get(name)
        if value is not None and proposed is not None:
            close = name == "quantity_g" and proposed == pytest.approx(value, rel=0.01)
            if close or proposed == value:
                count[0] += 1
                continue
        count[1] += proposed is not None
        count[2] += value is not None


def test_invented_reports_are_read_as_their_authors_meant() -> None:
    seen = measure_agreement()
    assert seen["substance"] >= 0.96
    assert seen["quantity_g"] >= 0.94
    assert seen["seized_on"] >= 0.92
    assert seen["place"] >= 0.86


DIGEST = "\n".join(f"{1 + n % 27:02d}.02.2021 heroin {1 + n % 9} kg" for n in range(60))


def count_read(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the characters of all texts that are read of a report."""
    lengths: list[int] = []
    find = find_numbers

    def count(text: FoldedText, language: Language) -> list[Number]:
        lengths.append(len(text.text))
        return find(text, language)

    with monkeypatch.context() as patched:
        patched.setattr(extraction, "find_numbers", count)
        extraction.read_seizure_report(text)
    return sum(lengths)


def test_items_of_a_digest_are_read_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a seeded bug: each is read as a report of the whole length, as they were."""
    lines = DIGEST.splitlines()
    read_once = [count_read("\n".join(lines[:n]), monkeypatch) for n in (15, 30, 60)]
    room = dates.HEADING_ENDS + 2
    for number, characters in zip((15, 30, 60), read_once, strict=True):
        assert characters <= 2 * len("\n".join(lines[:number])) + number * room
    seizures = read(DIGEST)
    assert len(seizures) == 60
    for line, seizure in zip(lines, seizures, strict=True):
        assert seizure.quantity_g is not None and seizure.substance is not None
        assert seizure.quantity_g.value == 1000.0 * int(line.split()[2])
        passage = seizure.substance.passage
        assert DIGEST[passage.start : passage.end] == passage.text == "heroin"

    def keep(text: str, _: object, item: tuple[int, int]) -> extraction._DigestItem:
        blank = " " * item[0] + text[slice(*item)] + " " * (len(text) - item[1])
        return extraction._DigestItem(blank, [(0, len(text), 0)])

    monkeypatch.setattr(extraction, "_cut_out", keep)
    assert count_read(DIGEST, monkeypatch) > 50 * len(DIGEST)


def test_a_digest_of_too_many_items_is_refused_where_a_bound_is_given() -> None:
    assert len(read_seizure_report(DIGEST, most_items=60).seizures) == 60
    with pytest.raises(RecordError, match="too_many_items"):
        read_seizure_report(DIGEST, most_items=59)
    asked = json.dumps({"text": ENGLISH, "posts": POSTS, "most_items": 1}).encode()
    assert json.loads(extraction.read_bounded(ROOT, asked)) == json.loads(
        json.dumps(describe(read_seizure_report(ENGLISH, POSTS)))
    )
