"""History on disk: when rows are known, how loads refer to each other, and the home's network."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.identifiers import fold
from engine.domain.network import read_network
from engine.domain.time_units import DAY, HOUR, MINUTE, rfc3339
from engine.errors import HomeError, InputError
from engine.storage.home import Home
from features.catalogue.event_streams import REACH
from features.history import tables as history_tables
from features.history.tables import (
    MODELS,
    ORDER,
    SCHEMAS,
    Tables,
    content_digest,
    derive_known_times,
    read_history,
)
from features.intake.load import load, read_folder
from features.intake.stored_loads import is_intact
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.features.intake.bulk_folders import NOW, START


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def _tables(tables: Tables) -> dict[str, Any]:
    return {name: tables.table(name) for name in MODELS}


def test_a_home_without_history_is_empty(home: Home) -> None:
    tables = read_history(home)
    for name, table in _tables(tables).items():
        assert table.schema.equals(SCHEMAS[name])
        assert table.num_rows == 0


def test_what_was_loaded_is_read_back_sorted_and_whole(tmp_path: Path, home: Home) -> None:
    folders.write(folders.clean(2_000), tmp_path / "in")
    offered = read_folder(tmp_path / "in", now=NOW).tables
    loaded = load(home, tmp_path / "in", now=NOW)
    found = read_history(home)
    for name, table in _tables(found).items():
        assert table.schema.equals(SCHEMAS[name])
        assert table.equals(offered.table(name))
        assert table.equals(table.sort_by([(column, "ascending") for column in ORDER[name]]))
        assert table.num_rows == loaded.rows[name]
    assert found.network == offered.network
    assert found.network.synthetic
    record = json.loads((home.history / loaded.digest / "load.json").read_text("utf-8"))
    assert record["accepted"] == loaded.accepted
    assert record["synthetic"]
    assert loaded.known_from == found.crossings["known_at"][0].as_py()
    assert loaded.known_until == found.crossings["known_at"][-1].as_py()
    assert set(loaded.as_json()) == {
        "load", "accepted", "quarantined", "held", "differing", "placeholders", "quarantine_file",
        "new_posts",
    }  # fmt: skip


def test_the_digest_says_what_the_values_are_not_how_they_lie(tmp_path: Path) -> None:
    folders.write(folders.clean(300), tmp_path / "in")
    tables = _tables(read_folder(tmp_path / "in", now=NOW).tables)
    whole = content_digest(tables)
    cut = {
        name: pa.concat_tables([table.slice(0, 7), table.slice(7)])
        for name, table in tables.items()
    }
    assert content_digest(cut) == whole
    path = tmp_path / "crossings.parquet"
    pq.write_table(tables["crossings"], path, row_group_size=10)
    again = pq.read_table(path).cast(SCHEMAS["crossings"])
    assert content_digest(tables | {"crossings": again}) == whole


@settings(deadline=None)
@given(data=st.data())
def test_any_changed_value_changes_the_digest(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["a", "b", "c", "d"]))
    kinds = {"a": pa.string(), "b": pa.float64(), "c": pa.list_(pa.string()), "d": pa.bool_()}
    text = st.none() | st.text(max_size=3)
    values = {
        "a": text,
        "b": st.none() | st.floats(allow_nan=False).map(lambda number: number + 0.0),
        "c": st.lists(text, max_size=3),
        "d": st.none() | st.booleans(),
    }
    rows = data.draw(st.lists(st.fixed_dictionaries(values), min_size=1, max_size=6))
    at = data.draw(st.integers(0, len(rows) - 1))
    other = data.draw(values[name])
    changed = [dict(row) for row in rows]
    changed[at][name] = other
    schema = pa.schema(kinds)
    one, two = ({"t": pa.Table.from_pylist(r, schema)} for r in (rows, changed))
    assert (content_digest(one) == content_digest(two)) == (rows == changed)


def test_a_later_load_may_refer_to_an_earlier_one_and_must_not_repeat_it(
    tmp_path: Path, home: Home
) -> None:
    folders.write(
        {
            "crossings": [folders.crossing(1), folders.crossing(3)],
            "declarations": [folders.declaration(1)],
            "goods_items": [folders.item(1)],
            "inspections": [folders.inspection(3)],
        },
        tmp_path / "first",
    )
    folders.write(
        {
            "crossings": [folders.crossing(3, plate="other"), folders.crossing(5)],
            "goods_items": [folders.item(1), folders.item(1, no=2)],
            "inspections": [folders.inspection(1), folders.inspection(9)],
            "seizures": [folders.seizure(3, crossing_id="", plate="x", inspection_id="i3")],
        },
        tmp_path / "second",
    )
    load(home, tmp_path / "first", now=NOW)
    one = history_tables.loads(home)
    loaded = load(home, tmp_path / "second", now=NOW)
    text = loaded.quarantine_file.read_text("utf-8").splitlines()[1:]
    assert [row.rsplit(",", 1)[0] for row in text] == [
        "crossings.csv,2,crossing_id,duplicate_id",
        "goods_items.csv,2,item_no,duplicate_id",
        "inspections.csv,3,crossing_id,orphan",
    ]
    found = read_history(home)
    assert set(one) < set(history_tables.loads(home))
    assert found.crossings["plate"].to_pylist()[1] == folders.crossing(3)["plate"]
    assert found.goods_items["item_no"].to_pylist() == [1, 2]
    assert found.seizures["linked_crossing_id"].to_pylist() == ["c3"]
    for folder in ("second", "first"):
        assert not load(home, tmp_path / folder, now=NOW).is_new
    assert read_history(home).digest == found.digest


def test_a_load_that_brings_nothing_new_leaves_the_history_alone(
    tmp_path: Path, home: Home
) -> None:
    rows = {"crossings": [folders.crossing(1), folders.crossing(3)]}
    folders.write(rows, tmp_path / "first")
    load(home, tmp_path / "first", now=NOW)
    before = read_history(home)
    folders.write({"crossings": rows["crossings"][1:]}, tmp_path / "again")
    loaded = load(home, tmp_path / "again", now=NOW)
    assert (loaded.accepted, loaded.quarantined) == ({"crossings.csv": 0}, {"crossings.csv": 1})
    assert read_history(home).digest == before.digest


def test_a_record_not_yet_known_is_taken_by_a_later_load(tmp_path: Path, home: Home) -> None:
    folders.write({"crossings": [folders.crossing(1), folders.crossing(30)]}, tmp_path / "in")
    early = load(home, tmp_path / "in", now=START + HOUR)
    assert early.quarantined == {"crossings.csv": 1}
    later = load(home, tmp_path / "in", now=START + 10 * DAY)
    assert later.accepted == {"crossings.csv": 1}
    assert read_history(home).crossings["crossing_id"].to_pylist() == ["c1", "c30"]


def test_two_loads_say_the_same_in_either_order(tmp_path: Path) -> None:
    entry = folders.crossing(1, plate="01 А 777 ВС", direction="entry")  # Cyrillic А, В, С
    inland = folders.seizure(2, crossing_id="", plate="01A777BC")
    inland["recorded_at"] = rfc3339(START + 2 * DAY)
    folders.write({"crossings": [entry]}, tmp_path / "one")
    folders.write({"crossings": [folders.crossing(5)], "seizures": [inland]}, tmp_path / "two")
    homes = [Home(tmp_path / "forth"), Home(tmp_path / "back")]
    for home, order in zip(homes, (("one", "two"), ("two", "one")), strict=True):
        for folder in order:
            load(home, tmp_path / folder, now=NOW)
    forth, back = (_tables(read_history(home)) for home in homes)
    assert forth == back
    assert forth["seizures"]["linked_crossing_id"].to_pylist() == ["c1"]


def _make_seizure(plate: str, at: int) -> folders.Row:
    when = {"seized_at": rfc3339(at), "recorded_at": rfc3339(at + HOUR)}
    return folders.seizure(0, crossing_id="", plate=plate) | when


def test_a_changed_byte_of_a_load_is_seen(tmp_path: Path, home: Home) -> None:
    folders.write(folders.clean(300), tmp_path / "in")
    digest = load(home, tmp_path / "in", now=NOW).digest
    assert is_intact(home, digest)
    path = next((home.history / digest / "inspections").iterdir())
    whole = path.read_bytes()
    table = pq.read_table(path)
    at = table.column_names.index("outcome")
    pq.write_table(table.set_column(at, "outcome", pa.array(["seizure"] * len(table))), path)
    assert not is_intact(home, digest)
    path.write_bytes(whole[:-9])
    assert not is_intact(home, digest)
    path.unlink()
    assert not is_intact(home, digest)
    path.write_bytes(whole)
    assert is_intact(home, digest)
    assert not is_intact(home, "0" * 64)


def _drop_columns(home: Home, digest: str, *, drops: Callable[[str, Any], bool]) -> None:
    """Rewrite the files of a load without the columns that ``drops`` tells, by name and values."""
    for path in (home.history / digest).glob("*/*.parquet"):
        table = pq.ParquetFile(path).read()
        gone = [name for name in table.column_names if drops(name, table[name])]
        pq.write_table(table.drop_columns(gone), path)


def _has_no_value(name: str, column: Any) -> bool:
    optional = any(
        name in model.model_fields and not model.model_fields[name].is_required()
        for model in MODELS.values()
    )
    return optional and not any(value not in (None, []) for value in column.to_pylist())


def test_a_load_from_before_optional_fields_joined_is_what_it_was(
    tmp_path: Path, home: Home
) -> None:
    folders.write(folders.clean(300), tmp_path / "in")
    digest = load(home, tmp_path / "in", now=NOW).digest
    before = read_history(home)
    _drop_columns(home, digest, drops=_has_no_value)
    path = next((home.history / digest / "declarations").iterdir())
    assert not {"route_countries", "invoice_value"} & set(pq.ParquetFile(path).schema.names)
    after = read_history(home)
    assert _tables(after) == _tables(before)
    assert is_intact(home, digest)
    again = load(home, tmp_path / "in", now=NOW)
    assert (again.digest, again.is_new) == (digest, False)


def test_a_load_that_lost_a_column_is_seen(tmp_path: Path, home: Home) -> None:
    folders.write(folders.clean(300), tmp_path / "in")
    digest = load(home, tmp_path / "in", now=NOW).digest
    _drop_columns(home, digest, drops=lambda name, _: name == "plate_country")
    assert not is_intact(home, digest), "an optional column that has values"
    _drop_columns(home, digest, drops=lambda name, _: name == "outcome")
    assert not is_intact(home, digest)
    with pytest.raises(HomeError, match=r"inspections/.*the column outcome is missing"):
        read_history(home)


def test_an_optional_column_without_a_value_is_no_content(tmp_path: Path) -> None:
    folders.write(folders.clean(300), tmp_path / "in")
    tables = _tables(read_folder(tmp_path / "in", now=NOW).tables)
    whole, crossings = content_digest(tables), tables["crossings"]
    bare = crossings.drop_columns(["cmr_number"])
    assert content_digest(tables | {"crossings": bare}) == whole
    one = pa.array(["1", *[None] * (len(bare) - 1)], pa.string())
    assert content_digest(tables | {"crossings": bare.append_column("cmr_number", one)}) != whole
    lost = crossings.drop_columns(["arrived_at"])
    assert content_digest(tables | {"crossings": lost}) != whole, "an obligatory column counts"


@settings(deadline=None)
@given(
    entries=st.lists(
        st.tuples(
            st.sampled_from(["01 A 1", "01a1", "01А1", "02B2"]),
            st.integers(0, 60),
            st.sampled_from(["entry", "exit"]),
        ),
        max_size=12,
    ),
    day=st.integers(0, 60),
)
def test_a_plate_alone_links_to_its_last_entry_within_thirty_days(
    entries: list[tuple[str, int, str]], day: int
) -> None:
    time = START + day * DAY
    crossings = pa.Table.from_pylist(
        [
            {"crossing_id": f"c{n}", "arrived_at": START + d * DAY, "recorded_at": None,
             "direction": direction, "plate": plate}
            for n, (plate, d, direction) in enumerate(entries)
        ],
        pa.schema([SCHEMAS["crossings"].field(name) for name in
                   ("crossing_id", "arrived_at", "recorded_at", "direction", "plate")]),
    )  # fmt: skip
    seizure = {"seizure_id": "s", "plate": "01 A-1", "seized_at": time, "recorded_at": time + 1}
    rows = {
        "crossings": crossings,
        "inspections": SCHEMAS["inspections"].empty_table(),
        "seizures": pa.Table.from_pylist([seizure], SCHEMAS["seizures"]),
    }
    mine = [
        (START + d * DAY, f"c{n}")
        for n, (plate, d, direction) in enumerate(entries)
        if direction == "entry" and fold(plate) == "01A1" and time - REACH <= START + d * DAY < time
    ]
    linked = derive_known_times(rows)["seizures"]["linked_crossing_id"].to_pylist()
    assert linked == [max(mine)[1] if mine else None]


def test_nothing_is_known_before_its_crossing(tmp_path: Path) -> None:
    at = START + 50 * DAY
    folders.write(
        {
            "crossings": [folders.crossing(1, recorded_at=rfc3339(at))],
            "inspections": [folders.inspection(1)],
            "seizures": [
                folders.seizure(1),
                _make_seizure(folders.crossing(1)["plate"], START + DAY) | {"seizure_id": "inland"},
                _make_seizure("unknown", START + DAY) | {"seizure_id": "free"},
            ],
        },
        tmp_path,
    )
    found = read_folder(tmp_path, now=NOW).tables
    assert found.inspections["known_at"].to_pylist() == [at]
    rows = zip(*(found.seizures[c].to_pylist() for c in ("seizure_id", "known_at")), strict=True)
    assert dict(rows) == {"s1": at, "inland": at, "free": START + DAY + HOUR}


def test_the_network_of_a_home_grows_and_never_contradicts_itself(
    tmp_path: Path, home: Home
) -> None:
    other = '[[posts]]\ncode = "DST"\nname = "Do\\"stlik"\ncountry = "KG"\n'
    more = 'agencies = ["customs"]\nlat = 40.5\nlon = 72\n[posts.equipment]\nxray = 1\n'
    top = "synthetic = true\n[severity]\nnarcotic = 8\n[identifiers]\ndriver_ref = 'KEY'\n"
    band = '[[severity_bands]]\nsubstance_class = "other"\nfrom_g = 5.0\nweight = 2\n'
    top += band
    rows = {"crossings": [folders.crossing(1, post="DST", arrived_at=rfc3339(START + MINUTE))]}
    folders.write({"crossings": [folders.crossing(3)]}, tmp_path / "one")
    folders.write(rows, tmp_path / "two", network=top + other + more)
    load(home, tmp_path / "one", now=NOW)
    load(home, tmp_path / "two", now=NOW)
    network = read_network(home.network)
    assert network.synthetic
    assert list(network.posts) == ["OYB", "FOT", "DST"]
    assert network.post("FOT").roster == {"physical": 240.0}
    assert network.post("DST").name == 'Do"stlik'
    assert network.post("DST").agencies == ("customs",)
    assert (network.post("DST").lat, network.post("DST").equipment) == (40.5, {"xray": 1})
    assert (network.severity, network.identifiers) == ({"narcotic": 8.0}, {"driver_ref": "KEY"})
    assert [network.severity_of("other", grams) for grams in (4.9, 5.0)] == [5.0, 2.0]
    held = home.network.read_bytes()
    for text, why in [
        (other, "a synthetic network and a real one"),
        (folders.NETWORK.replace("Oybek", "Aybek"), "OYB differs"),
        (folders.NETWORK.replace("true", "true\n[severity]\nnarcotic = 1", 1), "severity.narcotic"),
        (
            folders.NETWORK.replace("true", "true\n" + band.replace("2", "3"), 1),
            "severity_bands: other differs",
        ),
        (folders.NETWORK.replace('name = "Oybek"', 'name = "Oybek"\ntimezone = "UTC"'), "OYB dif"),
    ]:
        folders.write({"crossings": [folders.crossing(5)]}, tmp_path / "bad", network=text)
        with pytest.raises(InputError, match=why):
            load(home, tmp_path / "bad", now=NOW)
    folders.write({"crossings": [folders.crossing(7, post="X")]}, tmp_path / "none", network=None)
    assert load(home, tmp_path / "none", now=NOW).accepted == {"crossings.csv": 0}
    assert home.network.read_bytes() == held
    assert read_history(home).crossings.num_rows == 2
