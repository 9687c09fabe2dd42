"""The editor writes expressions from rows and tries them; a try leaves no record."""

import re

import pytest
from sqlalchemy import func, select

from api.profiles.answers import check_expression, fields
from api.profiles.field_words import FieldWords
from api.profiles.page import COMPARISONS, mark_operand, write_expression
from api.service.executors import Backtests
from api.web.forms import FormError
from api.web.i18n import LANGUAGES, ReaderLocale
from engine.criteria.profiles.profile import BacktestSubject
from engine.domain.rights import Role
from engine.journal.journal import JOURNAL
from tests.integration.service.profiles.test_profile_pages import make_form
from tests.support.backtest_figures import FIGURES
from tests.support.people import Desk, at_desk
from tests.support.running_service import OTHER, POST, World, arrival

TRIED = "/profiles/backtests"


@pytest.fixture(scope="module")
def ann(world: World) -> Desk:
    return at_desk(world, "ann-edits", Role.ANALYST)


def rows(*every: tuple[str, str, str], join: str = "&&") -> dict[str, list[str]]:
    form = {"join": [join], "rows": [str(len(every))]}
    for number, (field, comparison, value) in enumerate(every, 1):
        form |= {f"field_{number}": [field], f"comparison_{number}": [comparison]}
        form[f"value_{number}"] = [value]
    return form


def speak(world: World, code: str = "en") -> FieldWords:
    """Return the words of every field in a language."""
    offered, posts = fields(world.runtime.plan.names), (POST, OTHER)
    return FieldWords(offered, ReaderLocale(code, 0), posts, {"0806": "grapes, dried"})


def count_records(world: World) -> int:
    with world.runtime.store.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(JOURNAL)) or 0)


def test_rows_become_an_expression(world: World) -> None:
    form = rows(
        ("goods.hs_code", "startsWith", "0701"),
        ("crossing.weighed_mass_kg", ">", "2,300.5"),
        ("crossing.carrier_id", "in", 'a, "b'),
        ("crossing.seal_numbers", "has", ""),
        ("declaration.route_countries", "==", "AF"),
        ("features.hs_number", "<", "-4"),
        ("", "==", ""),
    )
    assert write_expression(form, speak(world)) == (
        'goods.exists(g, g.hs_code.startsWith("0701")) && crossing.weighed_mass_kg > 2300.5'
        ' && crossing.carrier_id in ["a", "\\"b"] && size(crossing.seal_numbers) > 0'
        ' && declaration.route_countries.exists(c, c == "AF") && features.hs_number < -4'
    )
    russian = speak(world, "ru")
    assert write_expression(rows(("crossing.is_empty", "==", "TRUE"), join="||"), russian)
    unfit = (("no.field", "==", "1"), ("crossing.weighed_mass_kg", ">", "2,300"))
    bad = (*unfit, ("crossing.plate", "==", ""), ("crossing.plate", "like", "x"))
    with pytest.raises(FormError) as refused:
        write_expression(rows(*bad), russian)
    assert [(one.at, one.rule) for one in refused.value.mistakes] == [
        ("field_1", "unknown_field"),
        ("value_2", "ambiguous_number"),
        ("value_3", "missing_key"),
        ("field_4", "unknown_field"),
    ]


@pytest.mark.parametrize(
    ("comparison", "value", "written"),
    [
        ("in", "0806, 0813", 'g.hs_code.startsWith("0806") || g.hs_code.startsWith("0813")'),
        ("==", "0806", 'g.hs_code.startsWith("0806")'),
        ("!=", "0806", '!(g.hs_code.startsWith("0806"))'),
        ("contains", "06", 'g.hs_code.contains("06")'),
    ],
)
def test_a_row_for_codes_fits_every_code_below(
    world: World, comparison: str, value: str, written: str
) -> None:
    asked = write_expression(rows(("goods.hs_code", comparison, value)), speak(world))
    assert asked == f"goods.exists(g, {written})"
    assert not check_expression(asked, world.runtime.plan.names).whole_codes


def test_a_check_says_that_longer_codes_do_not_fit(world: World, ann: Desk) -> None:
    names = world.runtime.plan.names
    short = 'goods.exists(g, g.hs_code in ["0806", "0813400000"] || "2207" == g.hs_code)'
    assert check_expression(short, names).whole_codes == ["0806", "2207"]
    assert not check_expression('goods.exists(g, "0806" == g.origin_country)', names).whole_codes
    form = make_form("CODES-1", expression=short)
    page = ann.send("/profiles/new", "/profiles/checks?part=1", form).text
    assert "No longer code below 0806, 2207 fits" in page


def test_whatever_fits_a_field_runs(world: World) -> None:
    """Every field with every comparison is written so that it is read; types are the check's."""
    names = world.runtime.plan.names
    offered = [one for one in fields(names) if not one.name.startswith("features.")]
    offered += [one for one in fields(names) if one.name.startswith("features.")][:2]
    words = FieldWords(offered, ReaderLocale("en", 0), ("x",))
    suited = {
        "number": ("==", "!=", "<", "<=", ">", ">=", "in", "has"),
        "bool": ("==", "!=", "has"),
    }
    for one in offered:
        value = {"number": "7", "bool": "true"}.get(one.kind, (one.choices or ["x"])[0])
        value = "UZ" if words.list_name(one.name) == "countries" else value
        for comparison in suited.get(one.kind, ("==", "!=", "startsWith", "contains", "in", "has")):
            written = write_expression(rows((one.name, comparison, value)), words)
            checked = check_expression(written, names)
            is_plain = checked.message in (None, "has_argument")  # what is never missing
            assert is_plain, (written, checked.why)
    assert set(COMPARISONS) >= {one for every in suited.values() for one in every}


def test_a_tolerance_by_post_is_written_tried_and_kept_by_the_successor(
    world: World, ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[BacktestSubject] = []

    def run(_: Backtests, subject: BacktestSubject, **__: object) -> dict[str, object]:
        tried.append(subject)
        return FIGURES

    monkeypatch.setattr(Backtests, "run", run)
    asked = "crossing.weighed_mass_kg > tolerance"
    form = make_form("BY-POST-1") | {"expression": asked, "tolerance": "2500"}
    form |= {f"tolerance_{POST}": "1,800.5", f"tolerance_{OTHER}": ""}
    assert ann.send("/profiles/new", TRIED, form).status_code == 200
    assert ann.send("/profiles/new", "/profiles", form).status_code == 303
    assert [one.tolerances for one in tried] == [{POST: 1800.5}, {POST: 1800.5}]
    stored = world.get("/v1/profiles/BY-POST-1").json()
    assert (stored["tolerance"], stored["tolerances"]) == (2500.0, {POST: 1800.5})
    again = ann.get("/profiles/new?from=BY-POST-1").text
    assert re.search(rf'name="tolerance_{POST}"[^>]*value="1,?800.5"', again)

    wrong = form | {"code": "BY-POST-2", f"tolerance_{OTHER}": "much"}
    refused = ann.send("/profiles/new", "/profiles", wrong)
    assert refused.status_code == 422 and f'href="#tolerance_{OTHER}"' in refused.text
    lacking = form | {"code": "BY-POST-3", "tolerance": ""}
    assert ann.send("/profiles/new", "/profiles", lacking).status_code == 422


def test_the_editor_writes_what_its_rows_ask(ann: Desk) -> None:
    form = make_form("ROWS-1", field_1="crossing.is_empty", comparison_1="==", value_1="true")
    form |= {"field_2": "crossing.plate", "comparison_2": "==", "value_2": "A<1", "join": "||"}
    more = ann.send("/profiles/new", "/profiles/checks", form | {"build": "row", "rows": "2"}).text
    assert 'name="field_3"' in more and 'value="A&lt;1"' in more
    made = ann.send("/profiles/new", "/profiles/checks", form | {"build": "write", "rows": "2"})
    shown = re.sub(r"&#34;|&quot;", '"', made.text)
    assert 'crossing.is_empty == true || crossing.plate == "A&lt;1"</textarea>' in shown
    assert "It may run." in made.text and len(made.content) < 150_000
    bad = form | {"build": "write", "rows": "2", "field_1": "crossing.no"}
    refused = ann.send("/profiles/new", "/profiles/checks", bad)
    assert refused.status_code == 422 and 'id="field_1-wrong"' in refused.text
    assert '<a href="#field_1">Field 1</a>: ' in refused.text, "the summary names the row's field"


def try_and_count(world: World, desk: Desk) -> int:
    """Try an expression on the page; return how many records that left."""
    made = world.decide(arrival(31_900, carrier_id="k-TRY-1")).json()
    desk.get("/profiles/new")
    before = count_records(world)
    answer = desk.send("/profiles/new", TRIED, make_form("TRY-1"))
    assert answer.status_code == 200 and "1 match among all" in answer.text
    assert f'<a href="/decisions/{made["decision_id"]}">' in answer.text, "matches lead on"
    assert 'value="TRY-1"' in answer.text and len(answer.content) < 150_000
    return count_records(world) - before


def test_a_try_proposes_nothing(world: World, ann: Desk) -> None:
    assert try_and_count(world, ann) == 0
    assert ann.get("/v1/profiles/TRY-1").status_code == 404
    refused = ann.send("/profiles/new", TRIED, make_form("TRY-2", expression="crossing.no == 1"))
    assert refused.status_code == 422


def test_the_operand_that_does_not_fit_is_marked() -> None:
    written = 'crossing.plate == "A" && features.night'
    assert mark_operand(written, 26) == (written[:25], "features.night", "")
    assert mark_operand("features.night ==", 18) == ("features.night ==", "", "")


def test_a_field_may_be_typed_without_its_family_or_by_its_label(world: World) -> None:
    english, russian = speak(world), speak(world, "ru")
    for typed in ("plate_country", "plate country", "Plate country", " PLATE COUNTRY "):
        assert english.find_field(typed) == "crossing.plate_country"
        assert russian.find_field(typed) == "crossing.plate_country"
    assert russian.find_field(russian.labels["goods.hs_code"].upper()) == "goods.hs_code"
    assert english.find_field("arrived between 22:00 and 06:00 local") == "features.night"
    assert english.find_field("weighed_mass_kg") == "weighed_mass_kg", "two families have it"


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_label_names_one_field(world: World, code: str) -> None:
    words = speak(world, code)
    for name, label in words.labels.items():
        assert words.find_field(label) == name, label
    missing = {one.name for one in words.offered if one.meaning} - words.labels.keys()
    assert missing <= {"features.weighed_mass_kg"}, "two fields are called alike"


def test_a_value_may_be_typed_by_its_name(world: World) -> None:
    asked = (
        ("Plate country", "in", "Iran, uz"),
        ("Vehicle class", "==", "Truck"),
        ("Empty", "==", "yes"),
        ("night", "==", "no"),
        ("HS code", "startsWith", "Grapes, dried"),
    )
    assert write_expression(rows(*asked), speak(world)) == (
        'crossing.plate_country in ["IR", "UZ"] && crossing.vehicle_class == "truck"'
        " && crossing.is_empty == true && features.night == 0"
        ' && goods.exists(g, g.hs_code.startsWith("0806"))'
    )
    wrong = (("Plate country", "==", "Irann"), ("Vehicle class", "==", "lorry"))
    with pytest.raises(FormError) as refused:
        write_expression(rows(*wrong), speak(world))
    assert [(one.at, one.rule) for one in refused.value.mistakes] == [
        ("value_1", "not_offered"),
        ("value_2", "not_offered"),
    ]


NOTHING = FIGURES | {
    "matches": 0,
    "examples": [],
    "conditions": [
        {"condition": 'crossing.vehicle_class == "truck"', "alone": 12, "together": 12},
        {"condition": 'crossing.plate_country == "IR"', "alone": 0, "together": 0},
    ],
}


def test_what_matches_nothing_names_its_condition_and_is_proposed_on_a_second_word(
    world: World, ann: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[BacktestSubject] = []

    def run(_: Backtests, subject: BacktestSubject, **__: object) -> dict[str, object]:
        runs.append(subject)
        return NOTHING

    monkeypatch.setattr(Backtests, "run", run)
    form = make_form("NOTHING-1")
    before = count_records(world)
    asked = ann.send("/profiles/new", "/profiles", form)
    assert asked.status_code == 200 and "NOTHING-1" in asked.text
    text = re.sub(r"&#34;|&quot;", '"', asked.text)
    assert 'No vehicle fulfils this condition: <code>crossing.plate_country == "IR"</code>' in text
    assert 'type="checkbox" name="seen"' in text
    assert count_records(world) == before, "nothing is recorded before the second word"
    changed = ann.send("/profiles/new", "/profiles", form | {"seen": "another"})
    assert changed.status_code == 200 and count_records(world) == before
    sent = ann.send("/profiles/new", "/profiles", form | {"seen": form["expression"]})
    assert sent.status_code == 303
    assert len(runs) == 2, "the proposal takes the figures of its trial"
    assert world.get("/v1/profiles/NOTHING-1").json()["backtest"]["matches"] == 0
