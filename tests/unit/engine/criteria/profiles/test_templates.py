"""The profile on precursors, which ships switched off, fits what is unusual of them alone."""

import math

import pytest

from engine.criteria.profiles.checker import Reader, context, program
from engine.criteria.profiles.profile import ProfileProposal, read_templates
from features.catalogue.catalogue import CATALOGUE
from tests.unit.engine.criteria.profiles.test_language import crossing

NAMES = tuple(CATALOGUE)
SIGNS = (
    ("consignee_precursor_new", 1.0),
    ("consignor_precursor_new", 1.0),
    ("precursor_route_new", 1.0),
    ("precursor_kg_over_usual", 3.0),
    ("precursor_kg_over_usual_of_consignee", 20.0),
)
REGULAR = {
    "declares_precursor": 1.0,
    "consignee_precursor_new": 0.0,
    "consignor_precursor_new": 0.0,
    "precursor_route_new": 0.0,
    "precursor_kg_over_usual": 1.1,
}


def fits(expression: str, **known: float) -> bool:
    made = program(expression, features=NAMES)
    reader = Reader(made.needs, {name: place for place, name in enumerate(NAMES)})
    row = [known.get(name, math.nan) for name in NAMES]
    return made.fits(context(reader.values(crossing(), None, row)))


@pytest.mark.parametrize(("sign", "value"), SIGNS)
def test_each_sign_of_a_precursor_is_enough_and_none_is_not(sign: str, value: float) -> None:
    """Negative control: an expression on the declaration alone fits the regular importer too."""
    expression = read_templates()["precursors"]["expression"]
    assert fits(expression, **REGULAR | {sign: value})
    assert not fits(expression, **REGULAR)
    assert not fits(expression, **REGULAR | {sign: value, "declares_precursor": 0.0})
    assert fits("features.declares_precursor == 1", **REGULAR)


def test_every_template_is_a_proposal_that_lacks_its_validity_alone() -> None:
    for template in read_templates().values():
        until = {"valid_until": "2027-01-31T00:00:00Z"}
        made = ProfileProposal.model_validate({**template, **until}, strict=False)
        needs = program(made.expression, features=NAMES).needs
        assert all(name.startswith("features.") for name in needs)
