"""Plates, VINs, containers and their dirt: imperfect readings that still fold to one plate."""

import numpy as np
import pyarrow as pa

from engine.domain.identifiers import container_is_valid, fold, vin_is_valid
from experiments.synthetic import fleet, records
from experiments.synthetic.posts import COUNTRIES


def test_every_style_of_a_plate_folds_to_one_spelling_and_plates_differ() -> None:
    country = np.arange(3000) % 6
    found = fleet.make_plates(np.random.default_rng(1), country, np.arange(3000) % 7 > 2)
    styled = fleet.style_plates(found)

    assert len({fold(plate) for plate in found}) == 3000
    assert {COUNTRIES[c] for c in set(country.tolist())} == {"UZ", "KZ", "KG", "TJ", "TM", "AF"}
    for style in range(len(fleet.STYLES)):
        part = styled[style * 3000 : (style + 1) * 3000]
        assert [fold(plate) for plate in part] == [fold(plate) for plate in found]
    assert styled[-3000:] != styled[:3000], "Cyrillic look-alikes are other characters"


def test_check_digits_hold_in_most_containers_and_vins() -> None:
    rng = np.random.default_rng(2)
    boxes = [container_is_valid(box) for box in fleet.make_container_numbers(rng, 2000).tolist()]
    vins = fleet.make_vins(rng, 2000).tolist()

    assert 0.96 < np.mean(boxes) < 0.995
    assert 0.75 < np.mean([vin_is_valid(vin) for vin in vins]) < 0.88
    assert {len(vin) for vin in vins} == {17}


def test_misreadings_change_one_character_of_a_few_plates() -> None:
    clean = pa.array(["01A123BC", None, "1234AB01", "KBL12345"] * 500)
    read = records.misread(np.random.default_rng(3), clean, share=0.2)
    changed = [
        (old, new)
        for old, new in zip(clean.to_pylist(), read.to_pylist(), strict=True)
        if old != new
    ]

    assert 100 < len(changed) < 400
    assert all(sum(a != b for a, b in zip(o, n, strict=True)) == 1 for o, n in changed)


def test_trailers_have_plates_of_their_own() -> None:
    found = fleet.make_trailer_plates(np.random.default_rng(4), 5000)

    assert len({fold(plate) for plate in found}) == 5000
