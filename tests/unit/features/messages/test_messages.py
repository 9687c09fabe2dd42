"""Standard messages: what samples say, that spelling does not matter, what is refused."""

import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import orjson
import pytest
from lxml import etree

from engine.domain.records import Crossing, Declaration
from engine.errors import InputError
from features.messages import documents, installed, path_tables, translation
from features.messages.documents import Node
from features.messages.path_tables import TranslationContext
from features.messages.settings import MessageSettings, read_settings
from features.messages.translation import (
    DECLARATION_ADDITIONS,
    FORMATS,
    check_format,
    read_pseudonym_key,
    translate_document,
)
from tests.support.sizes import PROOF
from tests.unit.features.messages.hostile_documents import HOSTILE
from tests.unit.features.messages.standard_messages import MESSAGES

SAMPLES = Path(__file__).parents[4] / "docs" / "samples" / "messages"
SETTINGS = read_settings(SAMPLES / "settings.toml")
XML_SAMPLES = sorted(SAMPLES.glob("*.xml"))
PERSONS = ("SAMPLE PERSON", "SAMPLE EXPORTER", "SAMPLE CONSIGNEE", "SAMPLE CARRIER")


def record_of(data: bytes, settings: MessageSettings = SETTINGS) -> dict[str, Any]:
    """Return a translation without what tells where in the text something stood."""
    found = translate_document(data, settings).to_json("sample")
    found["gaps"] = sorted(found["gaps"], key=str)
    return {name: value for name, value in found.items() if name not in ("line", "detail")}


def sample(name: str) -> dict[str, Any]:
    return record_of((SAMPLES / name).read_bytes())


def test_asycuda_boxes_become_fields() -> None:
    found = sample("asycuda.xml")
    declaration = found["declaration"]
    first, second = declaration["items"]
    assert found["status"] == "accepted"
    assert found["crossing"] == {
        "plate": "0182 AA 02",
        "trailer_plate": "4417 BB 02",
        "plate_country": "TJ",
        "seal_numbers": ["TJ0041", "TJ0042"],
    }
    assert declaration["declaration_id"] == "UZ26004-2026-C-1842"
    assert declaration["lodged_at"] == "2026-09-15T19:00:00Z"  # midnight at +05:00
    assert (declaration["procedure"], declaration["cmr_number"]) == ("import", "551902")
    assert (first["hs_code"], first["gross_mass_kg"]) == ("0809100000", 8430.5)
    assert (first["duty_rate"], first["customs_value_usd"]) == (0.1, 8480.0)
    assert second == {"item_no": 2, "hs_code": "07133300", "description": "Dried beans"}
    assert [(gap["field"], gap["rule"]) for gap in found["gaps"]] == [
        ("consignor_id", "no_identifier"),
        ("gross_mass_kg", "ambiguous_comma"),
        ("origin_country", "malformed_country"),
        ("packages", "not_whole"),
    ]


def test_fields_of_version_2_stand_apart_in_a_line_and_in_the_record_of_a_load() -> None:
    found = translate_document((SAMPLES / "wco.xml").read_bytes(), SETTINGS)
    line, record = found.to_json("wco.xml"), found.declaration
    assert record is not None
    assert line["additional"]["crossing"] == {"body_type": "container"}
    (item,), (of_record,) = line["declaration"].pop("items"), record["items"]
    assert not set(line["declaration"]) & set(DECLARATION_ADDITIONS)
    added = line["additional"]
    assert line["declaration"] | added["declaration"] == {
        name: value for name, value in record.items() if name != "items"
    }
    assert item | added["items"][0] == of_record


def changed(name: str, old: bytes, new: bytes) -> dict[str, Any]:
    data = (SAMPLES / name).read_bytes()
    assert old in data
    return record_of(data.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "gap"),
    [
        (
            "asycuda.xml",
            b"<Currency_code>USD</Currency_code>",
            b"",
            ("invoice_value", "no_currency"),
        ),
        ("asycuda.xml", b">IM<", b">TR<", ("office_of_entry", "entry_or_exit")),
        ("asycuda.xml", b">CIP<", b">cip<", ("incoterm", "malformed_incoterm")),
        ("wco.xml", b'"KZT">5100000', b'"kzt">5100000', ("invoice_currency", "malformed_currency")),
        ("wco.xml", b">5100000", b">5,1", ("invoice_value", "ambiguous_comma")),
        ("wco.xml", b">26KZ00003141<", b">" + b"9" * 64 + b"<", ("previous_documents", "too_long")),
        (
            "wco.xml",
            b"<RoutingCountryCode>KZ",
            b"<RoutingCountryCode>Kz",
            ("route_countries", "malformed_country"),
        ),
        (
            "ncts.xml",
            b"</CustomsOfficeOfTransitDeclared>",
            b"</CustomsOfficeOfTransitDeclared><CustomsOfficeOfTransitDeclared>"
            b"<arrivalDateAndTimeEstimated>2026-09-19T06:00:00</arrivalDateAndTimeEstimated>"
            b"</CustomsOfficeOfTransitDeclared>",
            ("expected_at", "several_offices"),
        ),
        ("ecmr.xml", b">SAMPLE/0091<", b">po<", ("cmr_number", "no_digit")),
        ("ecmr.xml", b">45R1<", b">reefer<", ("body_type", "malformed_size_and_type")),
        (
            "wco.xml",
            b"<TransportEquipment>",
            b"<TransportEquipment><CharacteristicCode>22T6</CharacteristicCode></TransportEquipment>"
            b"<TransportEquipment>",
            ("body_type", "several_bodies"),
        ),
        ("ncts.xml", b">3363<", b">UN3363<", ("un_number", "malformed_un_number")),
    ],
)
def test_a_field_of_version_2_that_breaks_its_rule_is_a_gap(
    name: str, old: bytes, new: bytes, gap: tuple[str, str]
) -> None:
    found = changed(name, old, new)
    assert gap in {(each["field"], each["rule"]) for each in found["gaps"]}
    assert found["status"] != "refused"


def test_the_invoice_of_items_is_their_sum_in_one_currency_alone() -> None:
    total = b'    <InvoiceAmount currencyID="KZT">5100000</InvoiceAmount>\n'
    line = b"<InvoiceLine><ItemChargeAmount currencyID='%s'>%s</ItemChargeAmount></InvoiceLine>"
    two = line % (b"EUR", b"100.25") + line % (b"EUR", b"20")
    data = (SAMPLES / "wco.xml").read_bytes().replace(total, b"")
    found = record_of(data.replace(b"<Commodity>", b"<Commodity>" + two))["additional"]
    assert found["declaration"]["invoice_value"] == 120.25
    mixed = two + line % (b"USD", b"1")
    other = record_of(data.replace(b"<Commodity>", b"<Commodity>" + mixed))
    assert "invoice_value" not in other["additional"]["declaration"]
    assert "several_currencies" in {each["rule"] for each in other["gaps"]}


def test_an_export_names_its_office_of_exit() -> None:
    found = changed("asycuda.xml", b">IM<", b">EX<")["additional"]["declaration"]
    assert (found["office_of_exit"], "office_of_entry" in found) == ("UZ26004", False)


def test_the_sample_kit_comes_with_its_expected_output() -> None:
    """``darvoza translate docs/samples/messages --settings .../settings.toml`` writes this file."""
    lines = (SAMPLES / "records.jsonl").read_text("utf-8").splitlines()
    expected = [json.loads(line) for line in lines]
    names = sorted(p.name for p in SAMPLES.iterdir() if p.suffix in (".xml", ".json"))
    assert [each["document"] for each in expected] == names
    assert {each["format"] for each in expected} == {known.name for known in FORMATS.values()}
    for each in expected:
        found = translate_document((SAMPLES / each["document"]).read_bytes(), SETTINGS)
        assert found.to_json(each["document"]) == each


def test_wco_values_are_converted_by_a_named_rate_alone() -> None:
    data = (SAMPLES / "wco.xml").read_bytes()
    item = record_of(data)["declaration"]["items"][0]
    assert (item["customs_value_usd"], item["gross_mass_kg"]) == (10920.0, 20400.0)
    without = record_of(data, MessageSettings())
    assert "customs_value_usd" not in without["declaration"]["items"][0]
    assert "no_rate" in {gap["rule"] for gap in without["gaps"]}


def test_ncts_reads_a_carnet_from_its_document_and_renumbers_doubled_items() -> None:
    found = sample("ncts.xml")
    declaration = found["declaration"]
    assert (declaration["procedure"], declaration["tir_carnet"]) == ("tir", "XQ81300417")
    assert [item["item_no"] for item in declaration["items"]] == [1, 2]
    assert {gap["rule"] for gap in found["gaps"]} == {"outside", "renumbered"}
    assert found["crossing"]["trailer_plate"] == "WX 9TR04"


def test_a_carnet_makes_the_procedure_tir_in_every_format() -> None:
    document = (
        b"<AdditionalDocument><ID>XQ81300417</ID><TypeCode>N952</TypeCode></AdditionalDocument>"
    )
    data = (SAMPLES / "wco.xml").read_bytes()
    assert record_of(data)["declaration"]["procedure"] == "export"
    found = record_of(data.replace(b"<Origin>", document + b"<Origin>"))["declaration"]
    assert (found["procedure"], found["tir_carnet"]) == ("tir", "XQ81300417")


def test_a_consignment_note_yields_the_crossing_alone() -> None:
    found = sample("ecmr.xml")
    assert (found["status"], found["declaration"]) == ("no_declaration", None)
    assert found["crossing"] == {
        "plate": "MSP 592",
        "trailer_plate": "KR 771",
        "container_numbers": ["MSKU6856625"],
        "seal_numbers": ["LT-4"],
        "carrier_id": "LT300012",
    }
    assert sample("ecmr-open-logistics.json")["crossing"] == {"plate": "B-AB 1234"}
    assert "plate" not in sample("efti.xml")["crossing"]  # which leg is here is not said


def test_eaeu_takes_numbers_of_organizations_and_not_of_persons() -> None:
    data = (SAMPLES / "eaeu.xml").read_text("utf-8")
    found = record_of(data.encode())
    assert found["declaration"]["consignee_id"] == "990140000123"
    assert found["crossing"]["vin"] == "XTA210990Y2765499"
    person = record_of(data.replace("990140000123", "850117300123").encode())
    assert "consignee_id" not in person["declaration"]
    assert "number_of_a_person" in {gap["rule"] for gap in person["gaps"]}


@pytest.mark.parametrize("mode", ["<Mode>30</Mode>", "<Mode>40</Mode>", "<Mode>1</Mode>", ""])
@pytest.mark.parametrize("border", ["", "<Identity/>", "<Identity>-</Identity>"])
def test_asycuda_names_the_vehicle_in_the_field_of_departure_alone(border: str, mode: str) -> None:
    def read(departure: str) -> dict[str, Any]:
        data = (SAMPLES / "asycuda.xml").read_text("utf-8")
        data = data.replace("<Identity>0182 AA 02 / 4417 BB 02</Identity>", border)
        data = data.replace("<Nationality>TJ</Nationality><Mode>30</Mode>", mode)
        found: dict[str, Any] = record_of(data.replace(">0182 AA 02<", departure).encode())
        return {name: found["crossing"].get(name) for name in ("plate", "plate_country")}

    assert read(">0182 AA 02<") == {"plate": "0182 AA 02", "plate_country": "TJ"}
    assert read(">SAMPLE VESSEL<") == {"plate": None, "plate_country": None}


def release_to_transit(*codes: str) -> dict[str, Any]:
    """Return what a released movement says, with an item for each inner text of a code."""
    head, rest = (SAMPLES / "ncts.xml").read_text("utf-8").split("<ConsignmentItem>", 1)
    tail = rest.rpartition("</ConsignmentItem>")[2]
    items = [
        f"<ConsignmentItem><declarationGoodsItemNumber>{number}</declarationGoodsItemNumber>"
        f"<Commodity><CommodityCode>{code}</CommodityCode></Commodity></ConsignmentItem>"
        for number, code in enumerate(codes, start=12_340)
    ]
    data = (head + "".join(items) + tail).replace("CC015C", "CC029C")
    return record_of(data.replace("<LRN>", "<MRN>26PL000042</MRN><LRN>").encode())


def test_a_release_to_transit_keeps_every_item_with_a_code() -> None:
    six = "<harmonizedSystemSubHeadingCode>{}</harmonizedSystemSubHeadingCode>"
    two = "<combinedNomenclatureCode>{}</combinedNomenclatureCode>"
    codes = [six.format("843149"), six.format("8431.49") + two.format("80"), two.format("84314980")]
    codes += [six.format("843149") + two.format(own) for own in ("A1", "8X", "--", "CN", "B", "0A")]
    found = release_to_transit(*codes, two.format("80"), six.format("SUBHEA"))
    items = found["declaration"]["items"]
    assert [item["item_no"] for item in items] == list(range(12_340, 12_349))
    assert [item["hs_code"] for item in items] == ["843149", *["84314980"] * 2, *["843149"] * 6]
    rules = [gap["rule"] for gap in found["gaps"]]
    assert (rules.count("malformed_hs_code"), rules.count("item_without_code")) == (7, 2)
    assert found["declaration"]["declaration_id"] == "26PL000042"


def test_a_number_of_an_item_above_five_digits_is_renumbered() -> None:
    found = changed("ncts.xml", b"GoodsItemNumber>1<", b"GoodsItemNumber>100000<")
    assert [item["item_no"] for item in found["declaration"]["items"]] == [1, 2]


META = b'<MetaData xmlns="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2">'
ENVELOPE = "urn:customs.ru:Information:ExchangeDocuments:ED_Container:5.22.0"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"<ASYCUDA/>", "no_declaration"),
        (f'<ED_Container xmlns="{ENVELOPE}"/>'.encode(), "no_declaration"),
        (
            f'<ED_Container xmlns="{ENVELOPE}"><ContainerDoc><DocBody><Note><Number>7</Number>'
            "</Note></DocBody></ContainerDoc></ED_Container>".encode(),
            "no_declaration",
        ),
        (META + b"<WCOTypeName>DEC</WCOTypeName></MetaData>", "no_declaration"),
        (META + b"<Response><FunctionCode>9</FunctionCode></Response></MetaData>", "refused"),
    ],
    ids=["no boxes", "an empty envelope", "an envelope of a note", "metadata alone", "an answer"],
)
def test_a_document_without_a_declaration_is_said_to_hold_none(data: bytes, status: str) -> None:
    found = record_of(data)
    assert (found["status"], found["declaration"], found["crossing"]) == (status, None, {})


@pytest.mark.parametrize("path", XML_SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_a_record_and_leaves_no_name(path: Path) -> None:
    found = record_of(path.read_bytes())
    assert found["status"] != "refused"
    caller = {
        "crossing_id": "c-1",
        "post": "UZ-OYB",
        "direction": "entry",
        "arrived_at": "2026-09-16T11:00:00Z",
        "vehicle_class": "truck",
    }
    Crossing.model_validate_json(json.dumps(caller | found["crossing"]))
    if found["declaration"] is not None:
        Declaration.model_validate_json(json.dumps(found["declaration"]))
    assert not any(name in json.dumps(found, ensure_ascii=False) for name in PERSONS)


def pad(root: Any) -> None:
    for element in root.iter(etree.Element):
        if element.text and element.text.strip():
            element.text = f"\n\t {element.text.replace(' ', chr(0xA0) + ' ', 1)}  \n"
        element.tail = "\n   "


def split_by_comments(root: Any) -> None:
    for element in list(root.iter(etree.Element)):
        if len(element) == 0 and element.text and len(element.text) > 2:
            comment = etree.Comment("note")
            element.text, comment.tail = element.text[:1], element.text[1:]
            element.append(comment)


def add_nulls(root: Any) -> None:
    for element in list(root.iter(etree.Element)):
        if len(element) == 0 and not (element.text or "").strip() and element.tag != "null":
            etree.SubElement(element, "null")
    for element in list(root.iter("null"))[::2]:
        element.getparent().remove(element)


def reorder_siblings(root: Any) -> None:
    dice = random.Random(7)
    for element in list(root.iter(etree.Element)):
        groups: dict[Any, list[Any]] = {}
        for child in [each for each in element if isinstance(each.tag, str)]:
            groups.setdefault(child.tag, []).append(child)
            element.remove(child)
        names = list(groups)
        dice.shuffle(names)
        element.extend([child for name in names for child in groups[name]])


def spellings(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the same document spelt otherwise."""
    changes: tuple[Callable[[Any], None], ...] = (
        pad,
        split_by_comments,
        add_nulls,
        reorder_siblings,
    )
    for change in changes:
        root = etree.fromstring(data)
        change(root)
        yield change.__name__, etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    root = etree.fromstring(data)
    for encoding in ("UTF-16", "windows-1251", "ISO-8859-1"):
        yield encoding, etree.tostring(root, encoding=encoding, xml_declaration=True)
    yield "byte order mark", b"\xef\xbb\xbf\n" + etree.tostring(root)
    yield "prefixes", write_names(root, prefix="n:").encode()
    yield "default namespaces", write_names(root, prefix="").encode()


def write_names(element: Any, *, prefix: str) -> str:
    """Return a document in which each element declares its namespace again."""
    name = etree.QName(element)
    own = f"{prefix}{name.localname}" if name.namespace else name.localname
    declared = f" xmlns{prefix and ':n'}={quoteattr(name.namespace or '')}"
    declared = declared if name.namespace or not prefix else ""
    found = [(etree.QName(key), quoteattr(value)) for key, value in element.attrib.items()]
    attributes = "".join(
        f" a{at}:{key.localname}={value} xmlns:a{at}={quoteattr(key.namespace)}"
        if key.namespace
        else f" {key.localname}={value}"
        for at, (key, value) in enumerate(found)
    )
    inner = [escape(element.text or "")]
    for child in element:
        is_element = isinstance(child.tag, str)
        inner += [write_names(child, prefix=prefix) if is_element else "", escape(child.tail or "")]
    return f"<{own}{declared}{attributes}>{''.join(inner)}</{own}>"


OPEN_DOCUMENTS = sorted(MESSAGES.rglob("*.xml")) if PROOF else []
"""Documents of other authors, where their folder is there."""


@pytest.mark.parametrize("path", [*XML_SAMPLES, *OPEN_DOCUMENTS], ids=lambda path: path.stem)
def test_the_spelling_of_a_document_does_not_matter(path: Path) -> None:
    data = path.read_bytes()
    expected = record_of(data)
    if path in OPEN_DOCUMENTS and expected["rule"] == "not_well_formed":
        return
    for name, spelling in spellings(data):
        assert record_of(spelling) == expected, name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_by_name(name: str) -> None:
    data, rule = HOSTILE[name]
    found = translate_document(data, MessageSettings())
    assert (found.status, found.rule) == ("refused", rule)
    assert not found.crossing
    assert found.declaration is None


def test_not_well_formed_names_the_line() -> None:
    found = translate_document(b"\n<ASYCUDA>\n\n<Item></Itm></ASYCUDA>", MessageSettings())
    assert (found.rule, found.line) == ("not_well_formed", 4)


def test_negative_control_a_reader_that_trusts_a_dtd_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, rule = HOSTILE["entities that multiply"]
    monkeypatch.setattr(documents, "_has_doctype", lambda data: False)
    refused = translate_document(data, MessageSettings())
    assert refused.rule == rule  # the second guard, behind the parser
    monkeypatch.setattr(documents, "_doctype_of", lambda root: "")
    assert translate_document(data, MessageSettings()).rule != rule


@pytest.mark.parametrize(
    ("raw", "order", "expected"),
    [
        ("3/31/15", None, "2015-03-31T00:00:00Z"),
        ("16/09/2013", None, "2013-09-16T00:00:00Z"),
        ("5/3/12", None, "ambiguous_date"),
        ("5/3/12", "dmy", "2012-03-05T00:00:00Z"),
        ("5/3/12", "mdy", "2012-05-03T00:00:00Z"),
        ("31/31/15", None, "bad_time"),
        ("2026-09-16", None, "2026-09-16T00:00:00Z"),
        ("20260916", None, "bad_time"),
    ],
)
def test_dates_are_read_or_are_gaps(raw: str, order: Any, expected: str) -> None:
    context = TranslationContext(MessageSettings(date_order=order))
    node = Node("Date", raw)
    found = path_tables.moment("lodged_at", [node], context)
    assert (found or context.gaps[0].rule) == expected


@pytest.mark.parametrize(
    ("code", "raw", "expected"),
    [
        ("102", "20260916", "2026-09-16T00:00:00Z"),
        ("102", "20260916+01", "bad_time"),
        ("205", "202609161530+05", "2026-09-16T10:30:00Z"),
        ("304", "20260916153000Z", "2026-09-16T15:30:00Z"),
        ("304", "20260916153000+01", "2026-09-16T14:30:00Z"),
        ("304", "20260916153000-0330", "2026-09-16T19:00:00Z"),
        ("304", "20260916153000", "bad_time"),
    ],
)
def test_times_are_read_by_the_code_of_their_format(code: str, raw: str, expected: str) -> None:
    context = TranslationContext(MessageSettings())
    node = Node("AcceptanceDateTime/DateTimeString", raw, {"formatCode": code})
    found = path_tables.moment("lodged_at", [node], context)
    assert (found or context.gaps[0].rule) == expected


def test_pseudonyms_are_keyed_and_never_the_name(tmp_path: Path) -> None:
    data = (SAMPLES / "asycuda.xml").read_bytes()
    key_file = tmp_path / "key"
    key_file.write_bytes(b"k" * 32)
    key_file.chmod(0o600)
    settings = MessageSettings(pseudonym_key_file=key_file)
    key = read_pseudonym_key(settings)
    one = translate_document(data, settings, pseudonym_key=key).declaration
    spelt = data.replace(b"SAMPLE EXPORTER", b"Sample  exporter.")
    same = translate_document(spelt, settings, pseudonym_key=key).declaration
    other = translate_document(data, settings, pseudonym_key=b"o" * 32).declaration
    assert one is not None
    assert same is not None
    assert other is not None
    assert one["consignor_id"] == same["consignor_id"] != other["consignor_id"]
    assert "SAMPLE" not in json.dumps([one, same, other])
    key_file.chmod(0o644)
    with pytest.raises(InputError, match="0600"):
        read_pseudonym_key(settings)


def test_every_dropped_path_names_its_rule() -> None:
    for known in {id(each): each for each in FORMATS.values()}.values():
        assert all(known.table.dropped.values())
        assert not set(known.table.dropped) & known.table.list_mapped()
    page = (SAMPLES.parents[1] / "messages.md").read_text("utf-8")
    reasons = page.split("\n## What is dropped, and why\n")[1].split("\n## ")[0]
    rules = {rule for known in FORMATS.values() for rule in known.table.dropped.values()}
    assert set(re.findall(r"^\| `(\w+)`", reasons, re.MULTILINE)) == rules


def read_example() -> tuple[bytes, str]:
    """Return the document and the module of the page's example of a format."""
    page = (SAMPLES.parents[1] / "messages.md").read_text("utf-8").split("\n## Add a format\n")[1]
    (document,) = re.findall(r"^```xml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (module,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return document.encode(), module


def install(folder: Path, module: str, name: str = "waybill") -> None:
    """Install a module as a package of its own that adds a format of a name."""
    (folder / "waybill.py").write_text(module)
    described = folder / "waybill-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Name: waybill\nVersion: 1\n")
    entry = f"[darvoza.formats]\n{name} = waybill:FORMAT\n"
    (described / "entry_points.txt").write_text(entry)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder whose packages are installed as long as the test runs."""
    monkeypatch.syspath_prepend(tmp_path)
    installed.list_formats.cache_clear()
    yield tmp_path
    sys.modules.pop("waybill", None)
    installed.list_formats.cache_clear()


def test_an_installed_package_reads_json_too(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(packages, read_example()[1].replace("urn:example:waybill", "json"))
    line = {"Code": "1101 00", "Mass": 20400}
    waybill = {"Number": "W-1", "Vehicle": {"Plate": "417 KBA 02"}, "Regime": "IM4", "Line": [line]}
    document = orjson.dumps({"Waybill": waybill})
    assert translate_document(document, SETTINGS).rule == "unsupported_message"
    monkeypatch.setattr(translation, "FORMATS", installed.find_by_root())
    found = translate_document(document, SETTINGS)
    assert (found.format, found.crossing) == ("waybill", {"plate": "417 KBA 02"})


@pytest.mark.parametrize(
    ("old", "new", "name", "rule", "detail"),
    [
        ("", "", "waybill", "", ""),
        ("FORMAT = ", "WAYBILL = ", "waybill", "not_loaded", "AttributeError: "),
        ("import Field", "import Feild", "waybill", "not_loaded", "ImportError: cannot import"),
        ("TABLE = ", "raise SystemExit('gone')\nTABLE = ", "waybill", "not_loaded", "SystemExit"),
        ("FORMAT = MessageFormat", "FORMAT = dict", "waybill", "not_a_format", ""),
        ("", "", "Waybill", "malformed_name", ""),
        ("", "", "road_waybill", "other_name", ""),
        ('name="waybill"', 'name="ncts"', "ncts", "name_taken", ""),
        ('name="waybill"', 'name="kcs"', "kcs", "name_taken", ""),
        ('("urn:example:waybill", "Waybill")', '("", "ASYCUDA")', "waybill", "root_taken", ""),
    ],
    ids=[
        "read", "no such name", "no import", "an exit", "something else", "a capital",
        "two names", "a name of this tree", "a name of files", "a root of this tree",
    ],
)  # fmt: skip
def test_a_format_of_a_package_is_read_or_says_why_not(
    packages: Path, old: str, new: str, name: str, rule: str, detail: str
) -> None:
    module = read_example()[1]
    assert old in module
    install(packages, module.replace(old, new, 1), name)
    *own, added = installed.list_formats()
    assert [one.name for one in own if one.formats] == sorted(
        {known.name for known in FORMATS.values()}
    )
    assert (added.name, added.package, added.rule) == (name, "waybill 1", rule)
    assert added.detail.startswith(detail) and bool(added.formats) is not bool(rule)
    is_there = any(one.formats for one in own if one.name == name)
    if rule and not is_there and name != "kcs":
        with pytest.raises(InputError, match=f"of waybill 1 is not read: {rule}"):
            check_format(name)
    elif not rule:
        check_format(name)
