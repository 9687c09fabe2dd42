"""Threat: plate look-alikes. Spelt in letters of the same shape, it is still the same plate."""

import random
from collections.abc import Callable, Iterator
from itertools import combinations

import pytest

from engine.domain.identifiers import fold, skeleton
from tests.support.sizes import PROOF

PLATES = 10_000 if PROOF else 300
LATIN, CYRILLIC = "ABEKMHOPCTYX", "АВЕКМНОРСТУХ"
LOOK_ALIKE = dict(zip(LATIN, CYRILLIC, strict=True))
SHAPE = {"0": "OQD", "1": "I", "2": "Z", "5": "S", "8": "B", "6": "G"}


def plates() -> Iterator[str]:
    dice = random.Random(20_240_311)
    for _ in range(PLATES):
        letters = "".join(dice.choices(LATIN, k=3))
        yield f"{dice.randrange(100):02d}{letters[0]}{dice.randrange(1000):03d}{letters[1:]}"


def spelt(plate: str, look_alikes: dict[str, str]) -> Iterator[str]:
    """Yield every spelling: each subset of the places that have a look-alike."""
    places = [n for n, sign in enumerate(plate) if sign in look_alikes]
    for size in range(len(places) + 1):
        for chosen in combinations(places, size):
            yield "".join(look_alikes[s] if n in chosen else s for n, s in enumerate(plate))


def count_escaped(folded: Callable[[str], str], look_alikes: dict[str, str]) -> int:
    """Count the spellings that would be taken for another vehicle."""
    return sum(
        folded(one) != folded(plate)
        for plate in plates()
        for spelling in spelt(plate, look_alikes)
        for one in (spelling, spelling.lower(), f" {spelling[:2]}-{spelling[2:]} ")
    )


def test_no_subset_of_cyrillic_letters_hides_a_plate() -> None:
    assert count_escaped(fold, LOOK_ALIKE) == 0


@pytest.mark.parametrize("nth", range(3))
def test_no_subset_of_signs_of_one_shape_hides_a_plate_from_the_watch_list(nth: int) -> None:
    look_alikes = {sign: others[min(nth, len(others) - 1)] for sign, others in SHAPE.items()}
    assert count_escaped(lambda raw: skeleton(fold(raw)), look_alikes) == 0


def test_spellings_that_are_not_folded_would_hide_it() -> None:
    """Negative control: upper case alone, and the folding of entities where shapes are meant."""
    assert count_escaped(str.upper, LOOK_ALIKE) > PLATES
    assert count_escaped(fold, {"0": "O"}) > 0
