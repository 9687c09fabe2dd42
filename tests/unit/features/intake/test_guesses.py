"""Mappings that ``load --guess`` proposes, on twelve made files of offices.

``python -m tests.unit.features.intake.test_guesses`` prints what was right, file by file.
"""

import csv
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook
from typer.testing import CliRunner

from api.cli.main import app
from engine.errors import InputError
from features.history.tables import MODELS
from features.intake.mapping import read_mapping
from features.intake.mapping_guess import _read_column_names, guess_mapping

ROWS = 14
_PLACES = {"UZ": "Узбекистан", "TJ": "Таджикистан", "CN": "Китай"}


@dataclass(frozen=True)
class Style:
    """How an office writes cells."""

    time: str | None = "%d.%m.%Y %H:%M"
    """None: times as a workbook or a Parquet file has them."""
    mark: str = ","
    countries: Mapping[str, str] = field(default_factory=lambda: {name: name for name in _PLACES})
    directions: Sequence[str] = ("въезд", "выезд")
    classes: Sequence[str] = ("грузовой", "легковой")
    flags: Sequence[str] = ("да", "нет")


@dataclass(frozen=True)
class Office:
    """One file: its name, its columns with what each is (a table and a field, or nothing)."""

    file: str
    columns: Mapping[str, str]
    style: Style = Style()
    encoding: str = "utf-8"
    delimiter: str = ";"
    title: Sequence[str] = ()


ENGLISH = Style("%Y-%m-%d %H:%M:%S", ".", directions=("IN", "OUT"), classes=("TRUCK", "CAR"))
TYPED = Style(None, directions=("kirish", "chiqish"), classes=("yuk", "yengil"))
OFFICES = (
    Office("01-journal.csv", {
        "№ п/п": "crossings.crossing_id", "Пост": "crossings.post",
        "Направление": "crossings.direction", "Дата и время": "crossings.arrived_at",
        "Вид ТС": "crossings.vehicle_class", "Госномер": "crossings.plate",
        "Страна ТС": "crossings.plate_country", "Вес, т": "crossings.weighed_mass_kg",
        "Порожний": "crossings.is_empty", "№ ГТД": "crossings.declaration_id", "Примечание": "",
    }, Style(countries=_PLACES), "cp1251"),
    Office("02-old-terminal.txt", {
        "КОД_ПОСТА": "crossings.post", "НОМЕР_ЗАПИСИ": "crossings.crossing_id",
        "ДАТА_ВЪЕЗДА": "crossings.arrived_at", "НАПРАВЛЕНИЕ": "crossings.direction",
        "ТИП_ТС": "crossings.vehicle_class", "НОМЕР_ТЯГАЧА": "crossings.plate",
        "НОМЕР_ПРИЦЕПА": "crossings.trailer_plate", "ПЛОМБЫ": "crossings.seal_numbers",
        "ОПЕРАТОР": "",
    }, Style("%d.%m.%y %H:%M"), "cp866", "|"),
    Office("03-gate.csv", {
        "Passage Number": "crossings.crossing_id", "Office Code": "crossings.post",
        "In/Out": "crossings.direction", "Passage Time": "crossings.arrived_at",
        "Vehicle Type": "crossings.vehicle_class", "Truck Plate": "crossings.plate",
        "Container Number": "crossings.container_numbers", "Carrier Code": "crossings.carrier_id",
        "Gross Weighed (kg)": "crossings.weighed_mass_kg", "Lane": "", "Booth": "",
    }, ENGLISH, delimiter=","),
    Office("04-book.xlsx", {
        "Qayd raqami": "crossings.crossing_id", "Post kodi": "crossings.post",
        "Yoʻnalish": "crossings.direction", "Kelgan vaqti": "crossings.arrived_at",
        "Transport turi": "crossings.vehicle_class", "Davlat raqami": "crossings.plate",
        "Tashuvchi": "crossings.carrier_id", "Konteyner raqami": "crossings.container_numbers",
        "Izoh": "",
    }, TYPED, title=("Chegara posti jurnali",)),
    Office("05-tajik.csv", {
        "Рақами қайд": "crossings.crossing_id", "Гузаргоҳ": "crossings.post",
        "Самт": "crossings.direction", "Санаи убур": "crossings.arrived_at",
        "Навъи нақлиёт": "crossings.vehicle_class", "Рақами давлатӣ": "crossings.plate",
        "Вазн, т": "crossings.weighed_mass_kg", "Эзоҳ": "",
    }, Style(directions=("воридот", "содирот"), classes=("боркаш", "сабукрав"))),
    Office("06-declarations.csv", {
        "Номер декларации": "declarations.declaration_id", "Дата подачи": "declarations.lodged_at",
        "Таможенный режим": "declarations.procedure", "Декларант": "declarations.declarant_id",
        "ИНН получателя": "declarations.consignee_id", "Отправитель": "declarations.consignor_id",
        "Страна отправления": "declarations.dispatch_country", "Статус": "", "Инспектор": "",
    }, Style("%d.%m.%Y", countries=_PLACES), "cp1251"),
    Office("07-goods.xlsx", {
        "ГТД": "goods_items.declaration_id", "№ товара": "goods_items.item_no",
        "Код ТН ВЭД": "goods_items.hs_code", "Наименование товара": "goods_items.description",
        "Страна происхождения": "goods_items.origin_country",
        "Вес нетто, кг": "goods_items.net_mass_kg", "Вес брутто, кг": "goods_items.gross_mass_kg",
        "Кол-во мест": "goods_items.packages",
        "Таможенная стоимость, долл.": "goods_items.customs_value_usd", "Единица": "",
    }, Style(None)),
    Office("08-sad-items.parquet", {
        "SAD_NUMBER": "goods_items.declaration_id", "ITEM_NUMBER": "goods_items.item_no",
        "TARIFF_CODE": "goods_items.hs_code", "GOODS_DESCRIPTION": "goods_items.description",
        "COUNTRY_ORIGIN": "goods_items.origin_country", "NET_MASS": "goods_items.net_mass_kg",
        "STATISTICAL_VALUE": "goods_items.customs_value_usd", "INSTANCE_ID": "",
    }, Style(None, ".")),
    Office("09-acts.csv", {
        "№ акта": "inspections.inspection_id", "Запись": "inspections.crossing_id",
        "Основание": "inspections.basis", "Дата акта": "inspections.recorded_at",
        "Начало досмотра": "inspections.started_at", "Результат досмотра": "inspections.outcome",
        "Длительность, мин": "inspections.minutes", "ФИО инспектора": "",
    }, Style(), "utf-16", "\t"),
    Office("10-seizures.csv", {
        "Номер протокола": "seizures.seizure_id", "Госномер": "seizures.plate",
        "Дата изъятия": "seizures.seized_at", "Дата протокола": "seizures.recorded_at",
        "Класс вещества": "seizures.substance_class", "Вещество": "seizures.substance",
        "Количество, г": "seizures.quantity_g", "Следователь": "",
    }, Style(countries=_PLACES), "cp1251"),
    Office("11-abbreviated.csv", {
        "rec": "crossings.crossing_id", "kpp": "crossings.post", "dir": "crossings.direction",
        "dt": "crossings.arrived_at", "vcl": "crossings.vehicle_class",
        "reg_no": "crossings.plate", "cntr": "crossings.container_numbers",
        "vin": "crossings.vin", "kg": "crossings.weighed_mass_kg",
    }, ENGLISH),
    Office("12-mixed.xlsx", {
        "Регистрационный номер записи": "crossings.crossing_id",
        "Наименование поста пропуска": "crossings.post",
        "Дата пересечения границы": "crossings.arrived_at", "Въезд/выезд": "crossings.direction",
        "Тип транспортного средства": "crossings.vehicle_class",
        "Номер автомашины": "crossings.plate", "Страна регистрации ТС": "crossings.plate_country",
        "Фирма-перевозчик": "crossings.carrier_id",
        "Номера контейнеров": "crossings.container_numbers", "Телефон": "", "Цель поездки": "",
    }, Style(None, countries=_PLACES), title=("Отчет", "за 2025 год")),
)  # fmt: skip
BASES, OUTCOMES = ("случайный", "профиль"), ("без нарушений", "нарушение")
CONTAINERS = ("MSKU1234565", "CSQU3054383")
VINS = ("1M8GDM9AXKP042788", "1HGCM82633A004352")


def make_cell(what: str, number: int, style: Style) -> Any:
    """Return the cell of one row; ``what`` is a table and a field, or nothing."""
    table, _, name = what.partition(".")
    if not table:
        return ("срочно", "повтор", "")[number % 3]
    moment = datetime(2025, 3, 20, 8) + timedelta(hours=7 * number)
    flip = number % 2
    words = {
        "direction": style.directions, "vehicle_class": style.classes, "is_empty": style.flags,
        "basis": BASES, "outcome": OUTCOMES, "substance_class": ("наркотик", "прекурсор"),
        "container_numbers": CONTAINERS, "vin": VINS, "procedure": ("ИМ40", "ТР80"),
        "post": ("Ойбек", "Фотехобод"), "hs_code": ("807190000", "8471300000"),
        "description": ("дыни свежие", "ноутбуки"), "substance": ("героин", "гашиш"),
    }  # fmt: skip
    if name in words:
        return words[name][flip]
    if name.endswith("_at"):
        return moment if style.time is None else moment.strftime(style.time)
    if name.endswith("_country"):
        return list(style.countries.values())[number % 3]
    if name in ("item_no", "packages"):
        return 1 + number
    if MODELS[table].model_fields[name].annotation == float | None or name.endswith("_kg"):
        mass = 12.5 + number
        return mass if style.time is None else str(mass).replace(".", style.mark)
    return f"{name[:3].upper()}-{number}"


def write_office(office: Office, folder: Path) -> Path:
    """Write the file of an office."""
    path = folder / office.file
    rows = [
        [make_cell(what, number, office.style) for what in office.columns.values()]
        for number in range(ROWS)
    ]
    names = list(office.columns)
    if path.suffix == ".xlsx":
        book = Workbook()
        for row in [*([line] for line in office.title), names, *rows]:
            book.active.append(row)
        book.save(path)
    elif path.suffix == ".parquet":
        columns = zip(*rows, strict=True)
        pq.write_table(pa.table(dict(zip(names, map(list, columns), strict=True))), path)
    else:
        with path.open("w", encoding=office.encoding, newline="") as file:
            csv.writer(file, delimiter=office.delimiter).writerows([names, *rows])
    return path


def judge(office: Office, folder: Path) -> Counter[str]:
    """Count the columns of an office that a proposal takes rightly, wrongly, or leaves out."""
    found = guess_mapping(write_office(office, folder))
    taken = {one.column: one for one in found.columns}
    counts: Counter[str] = Counter(dict.fromkeys(("right", "wrong", "left", "sure and wrong"), 0))
    for name, what in office.columns.items():
        one = taken[" ".join(name.split())]
        said = f"{one.table}.{one.field}" if one.sure else ""
        verdict = "right" if said == what else "left" if not said else "wrong"
        counts[verdict] += 1
        counts["sure and wrong"] += verdict == "wrong" and one.sure == "sure"
    return counts


def test_of_twelve_made_files_no_sure_proposal_is_wrong(tmp_path: Path) -> None:
    total = sum((judge(office, tmp_path) for office in OFFICES), Counter())
    columns = sum(len(office.columns) for office in OFFICES)
    assert total["right"] + total["wrong"] + total["left"] == columns
    assert total["sure and wrong"] == 0
    assert total["right"] >= 0.85 * columns and total["wrong"] <= 0.03 * columns


@pytest.mark.parametrize("office", OFFICES, ids=lambda office: office.file)
def test_a_proposal_is_a_mapping_once_what_it_names_is_filled_in(
    office: Office, tmp_path: Path
) -> None:
    found = guess_mapping(write_office(office, tmp_path))
    stated = tomllib.loads(found.text)
    assert stated.get("encoding", "utf-8") == office.encoding
    lines = found.text.splitlines()
    missing = [line for line in lines if line.startswith("# ") and " = ..." in line]
    mended = 'timezone = "Asia/Tashkent"\n' + "\n".join(
        line.removeprefix("# ").replace("...", '{ constant = "x" }') if line in missing else line
        for line in lines
    )
    if "[crossings]" not in lines:
        mended += '\n[crossings]\nfile = "x"\n[crossings.columns]\n' + "\n".join(
            f'{name} = "x"'
            for name, info in MODELS["crossings"].model_fields.items()
            if info.is_required()
        )
    (tmp_path / "mapping.toml").write_text(mended, "utf-8")
    read_mapping(tmp_path / "mapping.toml")


def test_a_day_of_two_meanings_is_said(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("запись,дата и время\n1,03/04/2025 10:00\n2,05/06/2025 11:00\n", "utf-8")
    assert "or %m/%d/%Y %H:%M: every day is 12 or less" in guess_mapping(path).text
    path.write_text("запись,дата и время\n1,13/04/2025 10:00\n2,05/06/2025 11:00\n", "utf-8")
    assert "every day" not in guess_mapping(path).text


def test_a_name_whose_cells_are_something_else_is_not_sure(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("запись,вес,дата въезда\n1,тяжёлый,скоро\n2,лёгкий,потом\n", "utf-8")
    sure = {one.field: one.sure for one in guess_mapping(path).columns}
    assert sure == {"crossing_id": "sure", "weighed_mass_kg": "likely", "arrived_at": "likely"}


def test_the_command_prints_a_proposal_and_touches_nothing(tmp_path: Path) -> None:
    path = write_office(OFFICES[0], tmp_path)
    result = CliRunner().invoke(app, ["load", "--guess", str(path)])
    assert result.exit_code == 0
    assert tomllib.loads(result.stdout)["crossings"]["columns"]["plate"] == "Госномер"
    assert "11 columns: 10 sure" in " ".join(result.stderr.split())
    asked = CliRunner().invoke(app, ["load", "--guess", str(path), "--json"])
    assert json.loads(asked.stdout)["mapping"] == result.stdout
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    with pytest.raises(InputError, match="no such file"):
        guess_mapping(tmp_path / "none.csv")


def test_every_known_name_is_that_of_a_field() -> None:
    for table, names in _read_column_names().items():
        if table != "codes":
            assert names.keys() <= MODELS[table].model_fields.keys(), table


if __name__ == "__main__":
    with TemporaryDirectory() as made:
        judged = {office.file: judge(office, Path(made)) for office in OFFICES}
    for file, counts in [*judged.items(), ("all", sum(judged.values(), Counter()))]:
        shown = ", ".join(f"{counts[name]} {name}" for name in ("right", "wrong", "left"))
        sys.stdout.write(f"{file}: {shown}\n")
