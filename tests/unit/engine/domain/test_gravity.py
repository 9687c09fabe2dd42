"""A find weighs by class and quantity, however many records tell of it."""

import pytest

from engine.domain.network import Amount, Network, SeverityBand, weigh_find
from engine.domain.records import Outcome

BAND = SeverityBand(substance_class="narcotic", from_g=1000.0, weight=30.0)
NETWORK = Network(severity={"narcotic": 10.0, "other": 2.0}, severity_bands=(BAND,))
HALF: Amount = ("narcotic", 500.0)


@pytest.mark.parametrize(
    ("outcome", "seizures", "weight"),
    [
        ("clear", [], 0.0),
        ("discrepancy", [], 1.0),
        ("seizure", [], 5.0),  # its record has not come yet
        ("seizure", [HALF], 10.0),
        ("seizure", [HALF, HALF], 30.0),  # two records of one find reach the band together
        ("seizure", [("narcotic", None), ("other", 9e9)], 10.0),
        ("seizure", [("precursor", 1.0)], 5.0),
    ],
)
def test_what_a_find_weighs(outcome: Outcome, seizures: list[Amount], weight: float) -> None:
    assert weigh_find(NETWORK, outcome, seizures) == weight


def test_several_records_of_one_find_are_no_several_finds() -> None:
    """Negative control: adding weights up would make four packages graver than one load."""
    weights = [weigh_find(NETWORK, "seizure", [("other", 1.0)] * n) for n in (1, 4)]
    assert weights[0] == weights[1] != sum([weights[0]] * 4)
