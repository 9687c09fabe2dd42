"""Cost of translating standard messages, against parsing the same files and nothing more.

Stands on processor time, in turns with a bare parse by lxml. Without ``data`` the documents are
synthetic ASYCUDA exports of this project's own, with every box that a real export fills. Real
exports are mostly empty elements, written as ``<null/>`` in a group of their own, so that an item
takes about 17 kB. Nothing in the documents, nor in the crossings next to them, is real.
"""

import csv
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from engine.storage.home import Home
from experiments.benchmarks.runner import Bench, Row, row, take_turns
from features.intake.load import load
from features.messages.settings import MessageSettings
from features.messages.translation import translate_document

_COUNTRIES = ("TJ", "KZ", "KG", "TR", "CN", "RU", "IR", "AF")
_GOODS = (
    ("08091000", "Fresh apricots"),
    ("52010090", "Cotton, not carded"),
    ("34051000", "Polish for footwear"),
    ("07019050", "Potatoes"),
    ("84314980", "Parts of machinery"),
)
_DOCUMENTS, _TAXES = 12, 8
_MONEY = ("Amount_national_currency", "Amount_foreign_currency", "Currency_code", "Currency_rate")
_COSTS = (
    "Item_Invoice",
    "item_external_freight",
    "item_internal_freight",
    "item_insurance",
    "item_other_cost",
    "item_deduction",
)


def make_document(items: int, *, seed: int) -> bytes:
    """Return one export with that many goods items; equal seeds give equal bytes."""
    dice = random.Random(seed)
    lines = ['<?xml version="1.0" encoding="UTF-8" standalone="no"?>', "<ASYCUDA>"]
    lines += _head(items, seed, dice)
    for _ in range(items):
        lines += _item(dice)
    lines.append("</ASYCUDA>")
    return "\n".join(lines).encode()


def _leaf(name: str, value: object = None) -> str:
    return f"<{name}>\n<null/>\n</{name}>" if value is None else f"<{name}>{value}</{name}>"


def _head(items: int, seed: int, dice: random.Random) -> Iterator[str]:
    origin = dice.choice(_COUNTRIES)
    plate = f"{dice.randrange(1000, 9999)} AA 0{dice.randrange(1, 9)}"
    yield "<Property><Nbers>" + _leaf("Total_number_of_items", items) + "</Nbers></Property>"
    yield "<Identification><Office_segment>"
    yield _leaf("Customs_clearance_office_code", "UZ26004") + "</Office_segment><Type>"
    yield _leaf("Type_of_declaration", "IM") + _leaf("Declaration_gen_procedure_code", 4)
    yield _leaf("Type_of_transit_document") + "</Type><Registration>"
    yield _leaf("Serial_number", "C") + _leaf("Number", seed) + _leaf("Date", "16/09/2026")
    yield "</Registration></Identification><Traders><Exporter>" + _leaf("Exporter_code")
    yield _leaf("Exporter_name", "SAMPLE EXPORTER") + "</Exporter><Consignee>"
    yield _leaf("Consignee_code", dice.randrange(10**8, 10**9)) + "</Consignee></Traders>"
    yield "<Declarant>" + _leaf("Declarant_code", f"BR-{dice.randrange(300)}") + "</Declarant>"
    yield "<General_information><Country><Export>" + _leaf("Export_country_code", origin)
    yield "</Export><Destination>" + _leaf("Destination_country_code", "UZ")
    yield "</Destination></Country></General_information><Transport><Means_of_transport>"
    yield "<Border_information>" + _leaf("Identity", f"{plate} / {plate[::-1]}")
    yield _leaf("Nationality", origin) + _leaf("Mode", 30)
    yield "</Border_information></Means_of_transport></Transport><Valuation><Gs_Invoice>"
    yield _leaf("Currency_code", "USD") + _leaf("Currency_rate", 12500)
    yield "</Gs_Invoice></Valuation>"


def _item(dice: random.Random) -> Iterator[str]:
    code, name = dice.choice(_GOODS)
    net = round(dice.uniform(1, 20_000), 3)
    value = round(net * dice.uniform(5_000, 90_000), 1)
    yield "<Item>"
    for place in range(_DOCUMENTS):
        yield "<Attached_documents>" + _leaf("Attached_document_code", 380 + place)
        yield _leaf("Attached_document_name", "CMR" if place == 3 else "Invoice")
        yield _leaf("Attached_document_reference", f"NR {dice.randrange(10**6)}")
        yield _leaf("Attached_document_date") + _leaf("Attached_document_from_rule")
        yield "</Attached_documents>"
    yield "<Packages>" + _leaf("Number_of_packages", dice.randrange(1, 900))
    yield _leaf("Marks1_of_packages") + _leaf("Marks2_of_packages") + _leaf("Kind_of_packages_code")
    yield "</Packages><Tarification><HScode>" + _leaf("Commodity_code", code)
    yield "".join(_leaf(f"Precision_{n}", "00" if n == 1 else None) for n in range(1, 5))
    yield "</HScode>" + _leaf("Preference_code") + _leaf("Extended_customs_procedure", 4000)
    for _ in range(3):
        yield "<Supplementary_unit>" + _leaf("Suppplementary_unit_code")
        yield _leaf("Suppplementary_unit_name") + _leaf("Suppplementary_unit_quantity")
        yield "</Supplementary_unit>"
    yield "</Tarification><Goods_description>"
    yield _leaf("Country_of_origin_code", dice.choice(_COUNTRIES))
    yield _leaf("Commercial_Description", name) + "</Goods_description><Valuation_item>"
    yield "<Weight_itm>" + _leaf("Gross_weight_itm", round(net * 1.04, 3))
    yield _leaf("Net_weight_itm", net) + "</Weight_itm>" + _leaf("Statistical_value", value)
    for cost in _COSTS:
        yield f"<{cost}>" + "".join(_leaf(part) for part in _MONEY) + f"</{cost}>"
    yield "</Valuation_item><Taxation>"
    for place in range(_TAXES):
        duty = place == 0
        yield "<Taxation_line>" + _leaf("Duty_tax_code", "ID" if duty else None)
        yield _leaf("Duty_tax_Base", value if duty else None) + _leaf("Duty_tax_rate")
        yield _leaf("Duty_tax_amount", round(value * 0.1, 1) if duty else None)
        yield _leaf("Duty_tax_MP") + _leaf("Duty_tax_Type_of_calculation") + "</Taxation_line>"
    yield "</Taxation></Item>"


_ITEM_SIZES = (1, 1, 1, 2, 3)
"""Items of a document, in turn."""
_BEGIN = datetime(2026, 9, 16, 6, tzinfo=UTC)
_COLUMNS = ("document", "crossing_id", "post", "direction", "arrived_at", "vehicle_class")


def write_documents(folder: Path, *, documents: int, seed: int) -> None:
    """Write documents and the ``crossings.csv`` that names each; equal seeds give equal bytes."""
    folder.mkdir(parents=True)
    with (folder / "crossings.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for number in range(documents):
            name = f"{number:06d}.xml"
            items = _ITEM_SIZES[number % len(_ITEM_SIZES)]
            # The seed of a document is also its number at the office, which names it.
            (folder / name).write_bytes(make_document(items, seed=seed * documents + number))
            arrived = (_BEGIN + timedelta(minutes=number)).isoformat()
            rows.writerow([name, f"m-{seed}-{number}", "OYB", "entry", arrived, "truck"])


ROUNDS = 7
_SIZES = (1, 1, 2, 3, 8, 40, 86)
"""Items of the synthetic documents."""
LOADED = 20_000
LARGE = 190
"""Items of the document that the command as a whole is timed with, about 3.3 MB."""


def measure(data: Path | None = None) -> list[Row]:
    """Return the rows of ``bench messages``; ``data`` is a folder of XML documents."""
    if data is None:
        documents = [make_document(items, seed=n) for n, items in enumerate(_SIZES)]
    else:
        documents = [path.read_bytes() for path in sorted(data.rglob("*.xml"))]
    with TemporaryDirectory(prefix="bench-messages-") as name:
        return [
            _compare_with_parse(documents),
            _time_command(Path(name)),
            _time_load(Path(name)),
        ]


def _compare_with_parse(documents: Sequence[bytes]) -> Row:
    settings = MessageSettings()

    def parse() -> None:
        for document in documents:
            with suppress(etree.XMLSyntaxError):  # it costs both sides alike
                etree.fromstring(document)

    def translate() -> None:
        for document in documents:
            translate_document(document, settings)

    turns = take_turns({"ours": translate, "parse": parse}, ROUNDS, clock=time.process_time)
    what = f"translating {len(documents)} documents, against a bare parse of them"
    return row(what, "times the processor time", turns.ratio("ours", "parse"), "<= 6")


def _time_command(scratch: Path) -> Row:
    document = scratch / "large.xml"
    document.write_bytes(make_document(LARGE, seed=1))
    command = [sys.executable, "-m", "api", "translate", str(document)]
    command += ["--out", str(scratch / "out")]
    turns = take_turns(
        {"command": lambda: subprocess.run(command, check=True, capture_output=True)}, 3
    )
    what = f"`darvoza translate` of one document of {LARGE} items, from the command's start"
    return row(what, "seconds", turns.median("command"), "<= 2.5")


def _time_load(scratch: Path) -> Row:
    """Return documents per second of processor time, from the folder to the home's history."""
    folder = scratch / "documents"
    write_documents(folder, documents=LOADED, seed=1)
    started = time.process_time()
    loaded = load(Home(scratch / "home").prepare(), folder, format="asycuda")
    seconds = time.process_time() - started
    if loaded.accepted != {"crossings.csv": LOADED, "documents": LOADED}:
        raise ValueError(f"not every document was loaded: {loaded.accepted}")
    what = f"`load --format asycuda` of {LOADED:,} documents, on one core"
    return row(what, "documents a second", LOADED / seconds, ">= 500")


BENCH = Bench("messages", measure, frozenset({"data"}))
