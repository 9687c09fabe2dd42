"""Profiles: the language and its page, what is refused, and the profile that ships switched off."""

import math
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.criteria.profiles.checker import (
    DEAREST,
    ProfileFailed,
    Program,
    check,
    context,
    program,
)
from engine.criteria.profiles.parser import (
    Call,
    Constant,
    Field,
    Macro,
    Name,
    Operation,
    parse,
    split_conditions,
)
from engine.criteria.profiles.profile import (
    BacktestSubject,
    ProfileProposal,
    read_template,
    read_templates,
)
from engine.criteria.profiles.readable_fields import ITEMS_MOST, Reader
from engine.domain.records import Crossing, DeclarationHead, GoodsItem
from engine.errors import ProfileRefusedError
from features.catalogue.catalogue import CATALOGUE

FEATURES = ("night", "carrier_crossings_365d", "seals")
POTATOES = (
    'goods.exists(g, g.hs_code.startsWith("0701") && g.description.contains("sacks"))'
    " && features.carrier_crossings_365d == 0 && features.night == 1"
)


def crossing(**known: Any) -> Any:
    return SimpleNamespace(**(dict.fromkeys(Crossing.model_fields) | known))


def declaration(*items: dict[str, Any], **known: Any) -> Any:
    goods = [SimpleNamespace(**(dict.fromkeys(GoodsItem.model_fields) | item)) for item in items]
    return SimpleNamespace(**(dict.fromkeys(DeclarationHead.model_fields) | known), items=goods)


def fits(expression: str, what: Any, declared: Any = None, **features: float) -> bool:
    row = [features.get(name, math.nan) for name in FEATURES]
    made = program(expression, features=FEATURES)
    reader = Reader(made.needs, {name: place for place, name in enumerate(FEATURES)})
    return made.fits(context(reader.values(what, declared, row)))


def test_one_line_says_potatoes_in_sacks_from_a_first_time_carrier_at_night() -> None:
    sacks = declaration({"hs_code": "080810"}, {"hs_code": "070190", "description": "In SACKS"})
    known = {"carrier_crossings_365d": 0.0, "night": 1.0}
    assert fits(POTATOES, crossing(), sacks, **known)
    assert not fits(POTATOES, crossing(), sacks, **known | {"night": 0.0})
    assert not fits(POTATOES, crossing(), sacks, night=1.0)  # no carrier was named
    assert not fits(POTATOES, crossing(), None, **known)


OWN = '{"terminal":"T-2","axles":5,"bonded":true,"permit":"77"}'
NATIONAL = {
    'crossing.national.terminal == "T-2"': True,
    'crossing.national.terminal in ["T-1", "T-2"]': True,
    'crossing.national.terminal.startsWith("T-") && size(crossing.national.terminal) == 3': True,
    "crossing.national.axles > 4": True,
    "crossing.national.axles * 2 == 10 && crossing.national.axles in [5]": True,
    "crossing.national.bonded": True,
    "!crossing.national.bonded": False,
    "crossing.national.permit == 77": False,  # it is a text
    'crossing.national.permit != "78"': True,
    'crossing.national.other != "78"': False,
    "has(crossing.national.axles) && !has(crossing.national.other)": True,
    'goods.exists(g, g.national.excise == "A1" && has(g.national.excise))': True,
    'goods.all(g, g.national.excise == "A1")': False,
    'declaration.national.lane == "N"': False,
}


@pytest.mark.parametrize("expression", NATIONAL)
def test_a_national_field_has_the_kind_that_its_use_asks_for(expression: str) -> None:
    goods = [{"hs_code": "2402", "national": '{"excise":"A1"}'}, {"hs_code": "0701"}]
    found = fits(expression, crossing(national=OWN), declaration(*goods))
    assert found == NATIONAL[expression]
    assert not fits(f"crossing.is_empty && ({expression})", crossing())


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("crossing.national.a == crossing.national.b", "national_kinds"),
        ('crossing.national == "x"', "unknown_field"),
        ("crossing.national.A == 1", "unknown_field"),
        ("crossing.national.a.b == 1", "no_fields_of_this"),
        ("crossing.national.a.exists(x, x == 1)", "macro_target"),
    ],
)
def test_a_national_field_is_compared_with_a_value(expression: str, message: str) -> None:
    with pytest.raises(ProfileRefusedError) as refused:
        check(expression, features=FEATURES)
    assert refused.value.message == message


def test_a_weighbridge_weighs_the_vehicle_too() -> None:
    """Weighed 36 t with 20 t of papers: 15 t of it are the vehicle, as its own weighings say."""
    features = (*FEATURES, "weighed_less_gross_kg", "tare_over_usual_of_plate")

    def is_heavy(row: dict[str, float]) -> bool:
        made = program("features.undeclared_mass_kg > 2000", features=features)
        reader = Reader(made.needs, {name: place for place, name in enumerate(features)})
        values = [row.get(name, math.nan) for name in features]
        return made.fits(context(reader.values(crossing(), None, values)))

    honest = {"weighed_less_gross_kg": 16_000.0, "tare_over_usual_of_plate": 16_000 / 15_000}
    assert not is_heavy(honest), "one tonne over, not sixteen"
    assert is_heavy({"weighed_less_gross_kg": 18_000.0, "tare_over_usual_of_plate": 1.2})
    assert not is_heavy({"weighed_less_gross_kg": 18_000.0}), "never weighed before: absent"
    with pytest.raises(ProfileRefusedError):
        program("features.undeclared_mass_kg > 2000", features=FEATURES)
    assert fits("features.night == 1", crossing(), night=1.0)


REFUSED_AT = [
    ("1 == 1", 1, "reads no field"),
    ('crossing.plat == "x"', 1, "plate"),
    ("features.nite == 1", 1, "night"),
    ("!features.night", 2, "compare it"),
    ('crossing.plate == "A" && features.night', 26, "compare it"),
    ("foo.bar == 1", 1, "no such name"),
    ('crossing.vehicle_class == "lorry"', 27, "truck"),
    ("crossing.plate == 5", 16, "text and a number"),
    ("crossing.arrived_at == 1", 1, "no such field"),
    ("goods == 5", 7, "items"),
    ("goods.map(g, g.item_no)", 7, "no such function"),
    ("goods.exists(crossing, true)", 7, "taken"),
    ("goods.exists(g, g.item_no)", 7, "true or false"),
    ('crossing.plate == "abc', 19, "begins here"),
    ('"\\q" == crossing.plate', 1, "escape"),
    ("1 < crossing.weighed_mass_kg < 3", 30, "chain"),
    ("crossing.weighed_mass_kg == 1e99", 29, "number"),
    ("", 1, "value was expected"),
    ("features.night ==", 18, "value"),
    ("features.night 1", 16, "operator or the end"),
    ("crossing.", 10, "name of a field"),
    ("crossing.plate.x == 1", 16, "have fields"),
    ("goods.exists(g)", 7, "a name and a condition"),
    ("features.night in [crossing.plate]", 20, "holds texts or numbers"),
    ("features.night", 1, "true or false"),
    ("crossing.plate in []", 19, "empty"),
    ('features.night in [1, "a"]', 19, "not both"),
    ("goods.exists(g, g)", 17, "has fields"),
    ("goods.exists(g, g.nett == 1)", 17, "field of goods"),
    ("crossing.zzzzzz == 1", 1, "no such field"),
    ("features.zzzzzz == 1", 1, "no such feature"),
    ("crossing.seal_numbers.exists(s, s.x == 1)", 33, "no fields"),
    ("has(goods)", 1, "has"),
    ("size(features.night) == 1", 1, "size"),
    ("size() == 1", 1, "too few"),
    ("crossing.is_empty.contains(1)", 19, "a text with a text"),
    ("crossing.carrier_id.matches(crossing.post)", 29, "quotes"),
    ('crossing.carrier_id.matches("(")', 29, "regular"),
    ('crossing.plate.exists(c, c == "a")', 16, "goods or on a list"),
    ('["a"].exists(c, c == crossing.plate)', 7, "use in"),
    ("-crossing.plate == 1", 2, "not of a number"),
    ("(features.night == 1", 21, "was expected"),
]


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("features.night == 1", ["features.night == 1"]),
        ('crossing.plate == "a && b" && (features.night == 1 || crossing.is_empty)',
         ['crossing.plate == "a && b"', "(features.night == 1 || crossing.is_empty)"]),
        ("crossing.is_empty && features.night == 1 || features.night == 0",
         ["crossing.is_empty && features.night == 1 || features.night == 0"]),
        ("goods.exists(g, g.item_no == 1 && g.item_no > 0) && crossing.is_empty",
         ["goods.exists(g, g.item_no == 1 && g.item_no > 0)", "crossing.is_empty"]),
    ],
)  # fmt: skip
def test_an_expression_is_split_at_its_top_alone(expression: str, parts: list[str]) -> None:
    assert split_conditions(expression) == parts


@pytest.mark.parametrize(("expression", "at", "why"), REFUSED_AT)
def test_what_does_not_fit_is_refused_with_its_place(expression: str, at: int, why: str) -> None:
    with pytest.raises(ProfileRefusedError) as found:
        program(expression, features=FEATURES)
    assert found.value.at == at and why in str(found.value)
    assert "lorry" not in str(found.value) and "nite" not in str(found.value)


BOMBS = {
    "nested macros": "goods.exists(g, goods.exists(h, goods.exists(i, i.item_no == g.item_no)))",
    "a list in a macro": "goods.all(g, crossing.container_numbers.exists(c, c == g.hs_code))",
    "a pattern for each of the goods": 'goods.exists(g, g.hs_code.matches("07.*"))',
    "a pattern that repeats": 'crossing.carrier_id.matches("(a{1000}){1000}")',
    "a wide class": 'crossing.carrier_id.matches("\\\\w+")',
    "a long pattern": f'crossing.carrier_id.matches("{"a" * 65}")',
    "a pattern made of data": "crossing.carrier_id.matches(crossing.post)",
    "patterns without end": " || ".join(['crossing.carrier_id.matches("[ab]*c")'] * 50),
    "brackets": "(" * 900 + "true" + ")" * 900,
    "lists": "[" * 900,
    "denials": "!" * 900 + "crossing.is_empty",
    "minuses": "-" * 900 + "1 < crossing.weighed_mass_kg",
    "terms": "crossing.weighed_mass_kg" + "+1" * 300 + " > 1",
    "methods": "crossing.plate" + '.contains("a")' * 100,
    "length": "features.night == 1 && " * 200 + "features.night == 1",
    "a long list": f"features.night in [{', '.join(['1'] * 450)}]",
    "a long text": f'crossing.plate == "{"a" * 201}"',
    "a body too large": f"goods.all(g, {' || '.join(['g.item_no > 1'] * 60)})",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_hostile_cost_is_refused_at_once(bomb: str) -> None:
    began = time.thread_time()
    with pytest.raises(ProfileRefusedError):
        program(BOMBS[bomb], features=FEATURES)
    assert time.thread_time() - began < 0.5


def test_the_dearest_that_is_allowed_stays_cheap() -> None:
    """The bound holds on the longest declaration a record can hold."""
    body = " || ".join(['g.description.contains("zz")'] * 8)
    expression = f"goods.exists(g, {body})"
    assert DEAREST / 2 < check(expression, features=FEATURES).steps <= DEAREST
    goods = declaration(*[{"description": "a" * 1000}] * ITEMS_MOST)
    made = program(expression, features=FEATURES)
    values = context(Reader(made.needs, {}).values(crossing(), goods, []))
    began = time.thread_time()
    assert not made.fits(values)
    assert time.thread_time() - began < 0.25


def test_a_missing_value_makes_a_comparison_false() -> None:
    for sign in ("==", "!=", "<", "<=", ">", ">="):
        assert not fits(f"crossing.weighed_mass_kg {sign} 5", crossing())
        assert not fits(f"features.night {sign} 5", crossing())
    assert not fits('crossing.plate in ["A"]', crossing())
    assert not fits('crossing.plate.startsWith("A")', crossing())
    assert not fits("crossing.is_empty", crossing())
    assert not fits("crossing.is_empty == false", crossing())
    assert fits("!(crossing.weighed_mass_kg > 5)", crossing())
    assert fits("!has(crossing.plate)", crossing())
    assert not fits("features.night / features.seals != 5", crossing(), night=1.0, seals=0.0)


def test_spelling_hides_nothing() -> None:
    assert fits('crossing.plate == "01 А-123 ВС"', crossing(plate="01a123bc"))
    assert fits('crossing.plate in ["x", "01a123bc"]', crossing(plate="01 А 123 ВС"))
    assert fits('"MSKU 1" in crossing.container_numbers', crossing(container_numbers=("msku-1",)))


VALUES = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 2.5]))
NUMBERS = st.sampled_from(
    ["crossing.weighed_mass_kg", "features.night", "features.seals", "0", "1", "2.5"]
)
ITEM_NUMBERS = st.one_of(NUMBERS, st.sampled_from(["g.net_mass_kg", "g.packages"]))


def draw_comparison(numbers: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    terms = st.one_of(
        numbers,
        st.tuples(numbers, st.sampled_from(["+", "-", "*", "/"]), numbers).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
    )
    return st.tuples(terms, signs, terms).map(" ".join)


def draw_condition(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        parts,
        lambda inner: st.one_of(
            inner.map(lambda one: f"!({one})"),
            st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(
                lambda t: f"({t[0]}) {t[1]} ({t[2]})"
            ),
        ),
        max_leaves=3,
    )


GOODS_MACROS = st.tuples(
    st.sampled_from(["exists", "all"]), draw_condition(draw_comparison(ITEM_NUMBERS))
).map(lambda t: f"goods.{t[0]}(g, {t[1]})")
EXPRESSIONS = draw_condition(st.one_of(draw_comparison(NUMBERS), GOODS_MACROS))


class TreeInterpreter:
    """What an expression means, read from its tree: an interpreter without the library."""

    def __init__(self, of: dict[str, Any]) -> None:
        self.of = of

    def value(self, node: Any) -> Any:
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Field):
            return self.of[node.of].get(node.name)
        left, right = (self.value(operand) for operand in node.operands)
        if left is None or right is None or (node.operator == "/" and right == 0):
            return None
        return {
            "+": lambda: left + right,
            "-": lambda: left - right,
            "*": lambda: left * right,
            "/": lambda: left / right,
        }[node.operator]()

    def holds(self, node: Any) -> bool:
        if isinstance(node, Macro):
            asked = {"exists": any, "all": all}[node.name]
            items = self.of["goods"]
            return asked(TreeInterpreter(self.of | {node.each: i}).holds(node.body) for i in items)
        assert isinstance(node, Operation) and not isinstance(node, Call | Name)
        if node.operator in ("&&", "||"):
            joined = all if node.operator == "&&" else any
            return joined(self.holds(operand) for operand in node.operands)
        if node.operator == "!":
            return not self.holds(node.operands[0])
        left, right = (self.value(operand) for operand in node.operands)
        if left is None or right is None:
            return False
        return bool(
            {
                "==": left == right,
                "!=": left != right,
                "<": left < right,
                "<=": left <= right,
                ">": left > right,
                ">=": left >= right,
            }[node.operator]
        )


@given(
    EXPRESSIONS, VALUES, VALUES, VALUES, st.none() | st.lists(st.tuples(VALUES, VALUES), max_size=3)
)
def test_an_expression_means_what_its_tree_says(
    expression: str,
    mass: float | None,
    night: float | None,
    seals: float | None,
    goods: list[tuple[float | None, float | None]] | None,
) -> None:
    try:
        made = program(expression, features=FEATURES)
    except ProfileRefusedError:
        assume(False)  # it asks nothing, or costs too much
    items = [{"net_mass_kg": net, "packages": n} for net, n in goods or ()]
    row = [math.nan if value is None else value for value in (night, math.nan, seals)]
    reader = Reader(made.needs, {name: place for place, name in enumerate(FEATURES)})
    declared = None if goods is None else declaration(*items)
    values = context(reader.values(crossing(weighed_mass_kg=mass), declared, row))
    means = TreeInterpreter(
        {
            "crossing": {"weighed_mass_kg": mass},
            "features": {"night": night, "seals": seals},
            "goods": items,
        }
    )
    assert made.fits(values) is means.holds(parse(expression))


WORDS = [*"().!&|=<>+-*/,[]\"' \\1ag", "goods", "crossing.plate", "&&", "==", ".exists("]


@given(st.lists(st.sampled_from(WORDS)).map("".join))
def test_any_text_is_refused_or_runs(text: str) -> None:
    try:
        made = program(text, features=FEATURES)
    except ProfileRefusedError:
        return
    made.fits(context(Reader(made.needs, {}).values(crossing(), None, [])))


def test_a_fault_of_the_library_is_reported_without_values() -> None:
    class Panics:
        def execute(self, _: object) -> bool:
            raise BaseException("01A123BC")

    with pytest.raises(ProfileFailed, match=r"^BaseException$"):
        Program(frozenset(), 1, Panics()).fits({})


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


def fits_template(expression: str, **known: float) -> bool:
    made = program(expression, features=NAMES)
    reader = Reader(made.needs, {name: place for place, name in enumerate(NAMES)})
    row = [known.get(name, math.nan) for name in NAMES]
    return made.fits(context(reader.values(crossing(), None, row)))


@pytest.mark.parametrize(("sign", "value"), SIGNS)
def test_each_sign_of_a_precursor_is_enough_and_none_is_not(sign: str, value: float) -> None:
    """Negative control: an expression on the declaration alone fits the regular importer too."""
    expression = read_templates()["precursors"]["expression"]
    assert fits_template(expression, **REGULAR | {sign: value})
    assert not fits_template(expression, **REGULAR)
    assert not fits_template(expression, **REGULAR | {sign: value, "declares_precursor": 0.0})
    assert fits_template("features.declares_precursor == 1", **REGULAR)


def test_every_template_is_a_proposal_that_lacks_what_its_office_adds() -> None:
    until = "2027-01-31T00:00:00Z"
    added = {"valid_until": until, "owner": "Risk unit", "review_by": until}
    for template in read_templates().values():
        made = ProfileProposal.model_validate({**template, **added}, strict=False)
        assert made.trial.compile(NAMES)[""].needs


def test_a_hard_fact_has_an_owner_and_a_review_and_tolerances_have_a_rest() -> None:
    shipped = dict(read_template("mass")) | {"valid_until": "2027-01-31T00:00:00Z"}
    with pytest.raises(ValidationError, match="owner and review_by"):
        ProfileProposal.model_validate(shipped, strict=False)
    other = shipped | {"fact": None, "tolerance": None, "tolerances": {"A": 1.0}}
    with pytest.raises(ValidationError, match="need a tolerance"):
        ProfileProposal.model_validate(other, strict=False)


def test_a_tolerance_is_that_of_the_post() -> None:
    subject = BacktestSubject(
        "features.hour > tolerance", tolerance=3.0, tolerances={"A": 9.0, "B": 3.0}
    )
    values = context({"features_hour": 5.0})
    made = subject.compile(NAMES)
    assert {post: one.fits(values) for post, one in made.items()} == {
        "": True,
        "A": False,
        "B": True,
    }
    with pytest.raises(ProfileRefusedError):
        BacktestSubject("features.hour > tolerance").compile(NAMES)
