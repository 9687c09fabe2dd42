"""Thirteen reports of finds in four languages, written for these tests, and what is entered.

The first is the find of 7 March 2024 at the paired posts; the others are invented, with their
names, plates and firms. Each names persons, as reports do: none of them may reach a record.
"""

from dataclasses import dataclass, field
from typing import Any

CANARY = "Zzkanar"
"""Stands in every name of a person."""


@dataclass(frozen=True, slots=True)
class FindReport:
    """A report, what was found by it, and what its reader knows of the vehicle's papers."""

    name: str
    text: str
    found: dict[str, Any]
    """Of the seizure and its act: as a person confirms them."""
    vehicle: dict[str, Any]
    papers: dict[str, Any] = field(default_factory=dict)
    events: tuple[dict[str, Any], ...] = ()


def find(
    substance_class: str, substance: str, grams: float, place: str, concealment: str, *methods: str
) -> dict[str, Any]:
    return {
        "substance_class": substance_class,
        "substance": substance,
        "quantity_g": grams,
        "place": place,
        "concealment": concealment,
        "methods": list(methods),
    }


def vehicle(vehicle_class: str, plate: str, country: str, day: str) -> dict[str, Any]:
    return {
        "vehicle_class": vehicle_class,
        "plate": plate,
        "plate_country": country,
        "arrived_at": f"{day}T03:00:00Z",
        "direction": "entry",
    }


def papers(hs_code: str, *route: str) -> dict[str, Any]:
    """Return a declaration of one item; the route is from the first country to the last."""
    known: dict[str, Any] = {"dispatch_country": route[0], "destination_country": route[-1]}
    known |= {"route_countries": list(route[1:-1]), "procedure": "transit"}
    return known | {"items": [{"item_no": 1, "hs_code": hs_code, "origin_country": route[0]}]}


LABORATORY = {"kind": "laboratory_result", "sample": "s-1", "laboratory": "central"}
REPORTS = (
    FindReport(
        "en-the-find",
        f"On 7 March 2024 officers of the border liaison office, {CANARY}ov A. and "
        f"{CANARY}zoda B., working with their counterparts across the line, searched a truck, "
        "plate 01A777BC, with a sniffer dog. Fixed with magnets under the trailer, on its "
        "underbody, they found hashish, 2 kg net. The driver was handed over on 8 March 2024.",
        find("narcotic", "hashish", 2000.0, "chassis.underbody", "magnet", "canine"),
        vehicle("truck", "01A777BC", "UZ", "2024-03-07"),
        papers("080620", "AF", "TJ", "UZ", "RU"),
        (
            {"kind": "stop", "place": "lane 2"},
            {"kind": "sample", "sample": "s-1", "quantity_g": 2.0},
            LABORATORY | {"substance_class": "narcotic", "substance": "hashish"},
            {"kind": "report_sent", "to": "caricc", "reference": "R-1"},
            {"kind": "hand_over", "to_agency": "interior", "reference": "K-1"},
        ),
    ),
    FindReport(
        "en-tyre",
        f"Seizure report. On 12 May 2025 a van, plate 30B414AA, driven by {CANARY}ov Rustam, was "
        "x-rayed at the post. In the spare wheel 9 packages of heroin, 4.6 kg in total.",
        find("narcotic", "heroin", 4600.0, "chassis.spare_wheel", "hidden_compartment", "xray"),
        vehicle("van", "30B414AA", "UZ", "2025-05-12"),
        events=({"kind": "second_search", "methods": ["physical"], "outcome": "clear"},),
    ),
    FindReport(
        "en-precursor",
        f"On 3 June 2025 a rail wagon declared as vinegar by {CANARY}ova Ltd was inspected; "
        "acetic anhydride, 18,400 kg, disguised as vinegar, was seized in its tank.",
        find("precursor", "acetic_anhydride", 18_400_000.0, "cargo.disguised", "disguised",
             "documents", "physical"),
        vehicle("rail_wagon", "54112233", "KZ", "2025-06-03"),
        papers("220900", "CN", "KZ", "AF"),
        ({"kind": "report_sent", "to": "pics", "reference": "P-77"},),
    ),
    FindReport(
        "ru-tank",
        f"14.04.2025 инспектором {CANARY}овым Р. при досмотре грузового автомобиля, г/н 01B555AA, "
        "с применением рентгена в ложном топливном баке обнаружен героин, 11 кг 250 г нетто. "
        f"Водитель {CANARY}ов Анвар Саидович задержан.",
        find("narcotic", "heroin", 11_250.0, "fuel.false_tank", "false_tank", "xray", "physical"),
        vehicle("truck", "01B555AA", "TJ", "2025-04-14"),
        papers("070310", "TJ", "UZ", "RU"),
        (
            {"kind": "custody", "to_agency": "drug_control", "item": "11 пакетов, пломба 0041"},
            {"kind": "note", "text": "пробы взяты из каждого третьего пакета"},
        ),
    ),
    FindReport(
        "ru-tablets",
        f"22.07.2025 в салоне автобуса, г/н 7788AB01, под сиденьем пассажира {CANARY}евой "
        "обнаружен прегабалин, 640 г. Служебная собака сигнала не дала.",
        find("psychotropic", "pregabalin", 640.0, "cab.seat", "under_seat", "canine", "physical"),
        vehicle("bus", "7788AB01", "TJ", "2025-07-22"),
        events=({"kind": "note", "text": "3 200 капсул по 0,2 г, в блистерах"},),
    ),
    FindReport(
        "ru-goods",
        "05.09.2025 при досмотре фуры, г/н 40777DBA, среди мешков с луком обнаружена марихуана, "
        f"37,5 кг. Отправитель — ИП {CANARY}ов.",
        find("narcotic", "marijuana", 37_500.0, "cargo.among", "among_goods", "physical"),
        vehicle("truck", "40777DBA", "UZ", "2025-09-05"),
        papers("070310", "UZ", "KZ", "RU"),
        ({"kind": "controlled_delivery", "route_countries": ["KZ", "RU"],
          "until": "2027-01-01T00:00:00Z"},),
    ),
    FindReport(
        "uz-dashboard",
        "2025-yil 3-fevral kuni 01 D 321 KA raqamli yengil avtomobil koʻzdan kechirilganda "
        f"asboblar paneli ostidan 1 kg 150 gramm opiy topildi. "
        f"Haydovchi {CANARY}ov Botir Aliyevich.",
        find("narcotic", "opium", 1150.0, "cab.dash", "built_in", "physical"),
        vehicle("car", "01D321KA", "UZ", "2025-02-03"),
        events=({"kind": "sample", "sample": "s-1"},),
    ),
    FindReport(
        "uz-floor",
        "2025-yil 19-avgust kuni 60 V 900 BA raqamli yuk avtomobili yarim tirkamasining ikki "
        f"qavatli polidan 22 kg gashish topildi. Xolis: {CANARY}ova Nilufar.",
        find("narcotic", "hashish", 22_000.0, "trailer.floor", "double_floor", "xray"),
        vehicle("truck", "60V900BA", "UZ", "2025-08-19"),
        papers("520100", "UZ", "TR"),
    ),
    FindReport(
        "uz-roof",
        f"2025-йил 8 октябрь куни фургон (10 A 654 CA) томидан 2 кг 400 грамм метамфетамин "
        f"топилди. Ҳайдовчи {CANARY}ов Жасур ушланди.",
        find("psychotropic", "methamphetamine", 2400.0, "cab.roof", "welded", "canine"),
        vehicle("van", "10A654CA", "UZ", "2025-10-08"),
        events=({"kind": "report_sent", "to": "cen", "reference": "2025-118"},),
    ),
    FindReport(
        "tg-engine",
        f"11.01.2025 нозир {CANARY}зода Фирдавс ҳангоми муоинаи мошини боркаш, рақами 3344 TT 02, "
        "дар қисми муҳаррик 6 кг 300 грамм тарёк дарёфт кард.",
        find("narcotic", "opium", 6300.0, "engine.bay", "taped", "physical"),
        vehicle("truck", "3344TT02", "TJ", "2025-01-11"),
        papers("080810", "TJ", "RU"),
        ({"kind": "link", "of": "vehicle", "id": "3344TT02"},),
    ),
    FindReport(
        "tg-person",
        f"27.03.2025 дар тафтиши мусофир {CANARY}ева М. дар бадан 480 грамм хероин ёфт шуд.",
        find("narcotic", "heroin", 480.0, "person", "body", "physical"),
        vehicle("car", "1020MM01", "TJ", "2025-03-27"),
        events=({"kind": "hand_over", "to_agency": "drug_control", "reference": "T-9"},),
    ),
    FindReport(
        "tg-fridge",
        f"30.06.2025 бо саги хизматӣ аз яхдони нимядаки мошини боркаш (5566 PP 03) 15 кг чарс "
        f"мусодира шуд. Ронанда {CANARY}ов Умед.",
        find("narcotic", "hashish", 15_000.0, "trailer.refrigeration", "false_wall", "canine"),
        vehicle("truck", "5566PP03", "TJ", "2025-06-30"),
        papers("080440", "AF", "TJ", "KZ"),
        ({"kind": "closed", "outcome": "reported", "reason": "all is sent"},),
    ),
    FindReport(
        "ru-cigarettes",
        "18.11.2025 в грузовике, г/н 80111AAA, за ложной стенкой прицепа найдены сигареты, 950 кг, "
        f"без марок. Перевозчик {CANARY}ов и сыновья.",
        find("other", "cigarettes", 950_000.0, "trailer.front_wall", "false_wall", "xray",
             "physical"),
        vehicle("truck", "80111AAA", "UZ", "2025-11-18"),
        papers("240220", "KG", "UZ"),
    ),
)  # fmt: skip
