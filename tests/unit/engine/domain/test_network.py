"""The network file: posts, pairs, equipment, what is refused in it; and the clocks of posts."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.network import (
    Network,
    country_time_zone,
    instant_of,
    local_time,
    read_network,
    utc_offsets,
    wall_time,
)
from engine.domain.time_units import HOUR, MINUTE, SECOND, micros
from engine.errors import InputError

POST = '[[posts]]\ncode = "A"\nname = "Post A"\ncountry = "KG"\n'


def _network(folder: Path, **pairs: str) -> Network:
    posts = [
        f'[[posts]]\ncode = "{code}"\nname = "Post {code}"\ncountry = "UZ"\n'
        + (f'pair = "{pair}"\n' if pair else "")
        for code, pair in pairs.items()
    ]
    return _read(folder, "\n".join(posts))


def _read(folder: Path, text: str) -> Network:
    (folder / "network.toml").write_text(text)
    return read_network(folder / "network.toml")


def test_a_pair_that_reports_nothing_here_is_no_pair_to_wait_for(tmp_path: Path) -> None:
    network = _network(tmp_path, A="B", B="", C="ABROAD")
    assert [network.pair(code) for code in ("A", "B", "C", "NONE")] == ["B", None, None, None]
    assert network.post("C").pair == "ABROAD"


def test_pairs_that_disagree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="disagree"):
        _network(tmp_path, A="B", B="C", C="B")


def test_a_file_of_the_first_version_gets_the_defaults(tmp_path: Path) -> None:
    network = _read(tmp_path, POST)
    post = network.post("A")
    assert (post.timezone, post.administration, post.kind) == ("Asia/Bishkek", "KG", "road")
    assert (post.agencies, post.equipment, post.lat, post.lon) == ((), {}, None, None)
    assert network.severity_of("narcotic") == network.severity_of("other") == 5.0
    assert network.domain_of("driver_ref", "A") == "KG"
    assert network.domain_of("driver_ref", "ABROAD") == ""
    assert (network.timezone("A"), network.timezone("ABROAD")) == ("Asia/Bishkek", "Asia/Tashkent")


def test_a_file_states_all_a_post_has(tmp_path: Path) -> None:
    network = _read(
        tmp_path,
        "[severity]\nnarcotic = 8\nprecursor = 2.5\n[identifiers]\nconsignee_id = 'EORI'\n"
        + POST
        + "timezone = 'Asia/Qyzylorda'\nadministration = 'KG-1'"
        + "\nagencies = ['customs', 'drug_control']"
        + "\nkind = 'rail'\nlat = 40.6\nlon = 73\n[posts.equipment]\nxray = 1\nweighbridge = 0\n",
    )
    post = network.post("A")
    assert (post.timezone, post.administration, post.kind) == ("Asia/Qyzylorda", "KG-1", "rail")
    assert post.agencies == ("customs", "drug_control")
    assert (post.lat, post.lon, dict(post.equipment)) == (40.6, 73.0, {"xray": 1, "weighbridge": 0})
    assert (network.severity_of("narcotic"), network.severity_of("precursor")) == (8.0, 2.5)
    assert network.severity_of("other") == 5.0
    assert network.domain_of("consignee_id", "A") == "EORI"
    assert network.domain_of("carrier_id", "A") == "KG-1"


BAND = "[[severity_bands]]\nsubstance_class = 'narcotic'\nfrom_g = 1000\nweight = 20\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (POST + "timezone = '../../etc/passwd'", r"posts\.0\.timezone: .*unknown_time_zone"),
        (POST + "timezone = ''", r"posts\.0\.timezone: .*unknown_time_zone"),
        (POST + "agencies = ['Customs']", r"posts\.0\.agencies\.0: .*malformed_code"),
        (POST + "agencies = ['customs', 'customs']", r"posts\.0\.agencies: .*duplicate_id"),
        (POST + "kind = 'sea'", r"posts\.0\.kind: .*unknown_enumeration"),
        (
            POST + "lat = 90.5\nlon = 1",
            r"posts\.0\.lat: degrees from -90 to 90.*coordinate_outside",
        ),
        (POST + "lat = nan\nlon = 1", r"posts\.0\.lat: .*coordinate_outside"),
        (POST + "lat = 41", r"posts\.0\.lon: .*missing_key"),
        (POST + "agencies = ['none']", r"posts\.0\.agencies: .*malformed_code"),
        (POST + "[posts.roster]\nxray = -1", r"posts\.0\.roster\.xray: .*negative"),
        (POST + "[posts.roster]\nxray = nan", r"posts\.0\.roster\.xray: .*negative"),
        (POST + "[posts.equipment]\nxray = -1", r"posts\.0\.equipment\.xray: .*negative"),
        (POST + "[posts.equipment]\nxray = 1.5", r"equipment\.xray: .*not_a_whole_number"),
        (POST + "[posts.equipment]\nX-ray = 1", r"equipment\.X-ray.*malformed_code"),
        ("[severity]\nnarcotic = -1\n" + POST, r"severity\.narcotic: .*negative"),
        ("[severity]\nweapons = 1\n" + POST, r"severity\.weapons.*unknown_enumeration"),
        (
            "[[severity_bands]]\nsubstance_class = 'narcotic'\nfrom_g = -1\nweight = 1\n" + POST,
            r"severity_bands\.0\.from_g: .*negative",
        ),
        (
            "[[severity_bands]]\nsubstance_class = 'narcotic'\nweight = 1\n" + POST,
            r"severity_bands\.0\.from_g: .*missing_key",
        ),
        (2 * BAND + POST, r"severity_bands: two bands .*duplicate_id"),
        ("[identifiers]\nplate = 'all'\n" + POST, r"identifiers\.plate.*unknown_enumeration"),
        ("[identifiers]\ndriver_ref = ''\n" + POST, r"identifiers\.driver_ref: .*missing_key"),
    ],
)
def test_what_a_file_cannot_say_is_refused_by_field_and_rule(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        _read(tmp_path, text)


def test_a_country_has_the_clock_of_its_capital() -> None:
    zones = {
        "UZ": "Asia/Tashkent",
        "TJ": "Asia/Dushanbe",
        "TM": "Asia/Ashgabat",
        "KG": "Asia/Bishkek",
        "KZ": "Asia/Almaty",
        "AF": "Asia/Kabul",
        "CN": "Asia/Shanghai",
        "RU": "Europe/Moscow",
        "IR": "Asia/Tehran",
        "BY": "Europe/Minsk",
        "ZZ": "Asia/Tashkent",
    }
    assert {country: country_time_zone(country) for country in zones} == zones


ZONES = ("Asia/Tashkent", "Asia/Kabul", "Asia/Almaty", "Europe/Berlin", "Australia/Lord_Howe")
FIRST, LAST = (micros(datetime(year, 1, 1, tzinfo=UTC)) for year in (1995, 2035))


@pytest.mark.parametrize(
    ("zone", "utc", "shown"),
    [
        ("Asia/Bishkek", "2026-03-01T16:30Z", "22:30"),
        ("Asia/Tashkent", "2026-03-01T16:30Z", "21:30"),
        ("Asia/Dushanbe", "2026-03-01T16:30Z", "21:30"),
        ("Asia/Ashgabat", "2026-03-01T16:30Z", "21:30"),
        ("Asia/Kabul", "2026-03-01T16:30Z", "21:00"),
        ("Asia/Almaty", "2024-02-29T17:59Z", "23:59"),  # +6 in the east, until the end of February
        ("Asia/Almaty", "2024-02-29T18:00Z", "23:00"),  # +5 from then on
        ("Asia/Aqtau", "2024-02-01T16:30Z", "21:30"),  # the west had +5 before
        ("Europe/Berlin", "2026-03-29T00:59Z", "01:59"),
        ("Europe/Berlin", "2026-03-29T01:00Z", "03:00"),
    ],
)
def test_what_the_clocks_of_a_zone_show(zone: str, utc: str, shown: str) -> None:
    assert local_time(datetime.fromisoformat(utc), zone).strftime("%H:%M") == shown


@given(st.integers(FIRST, LAST), st.sampled_from(ZONES))
def test_an_instant_is_found_by_what_the_clocks_show(instant: int, zone: str) -> None:
    """But for the hour that they show twice, whose first instant is meant."""
    found = instant_of(wall_time(instant, zone), zone)
    assert found == instant or instant - found in (HOUR, 30 * MINUTE)
    assert wall_time(found, zone) == wall_time(instant, zone)


def check_offsets() -> bool:
    """Compare many offsets at once with one after the other, also around each change."""
    draw = np.random.default_rng(1).integers(FIRST, LAST, 400)
    change = micros(datetime(2026, 3, 29, 1, tzinfo=UTC))
    instants = np.concatenate((draw, [change - 1, change, change + SECOND]))
    one_by_one = {zone: [wall_time(at, zone) - at for at in instants.tolist()] for zone in ZONES}
    return all(utc_offsets(instants, zone).tolist() == one_by_one[zone] for zone in ZONES)


def test_offsets_of_many_instants_are_those_of_each() -> None:
    assert check_offsets()
    assert utc_offsets(np.zeros(0, np.int64), "Asia/Kabul").tolist() == []
