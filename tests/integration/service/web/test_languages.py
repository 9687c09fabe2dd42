"""Every text in every language: none missing, none with other places, none left in English."""

import re
from collections.abc import Iterable
from math import nan
from pathlib import Path
from typing import get_args

import pytest

from api.web.i18n import LANGUAGES, ReaderLocale, read_catalogue, translations
from api.web.labels import TABLES
from api.web.messages import MessageReader
from engine.criteria.indicator_rules import explain_rules
from engine.criteria.match import Match, explain_matches
from engine.decision.role_views import flat
from engine.domain.records import PLACES, Arrival
from engine.domain.rights import Role
from engine.explanation.facts import data_gaps, facts
from engine.ports import Evidence
from engine.search_orders.order import Action
from engine.search_orders.rates import Precaution, Why
from models.explanation.feature_wording import profile_figure
from tests.catalogues import list_texts, places
from tests.support.people import at_desk
from tests.support.running_service import World, arrival
from tests.unit.engine.links.links import link_partner
from tests.unit.service.reports.test_acts import find

OTHERS = [code for code in LANGUAGES if code != "en"]
BY_MESSAGE = "no template has these words"
WORD = re.compile(r"[A-Za-z]{4,}")


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_is_missing_in_any_language(code: str) -> None:
    every = [one for one in read_catalogue(code) if one.id]
    current = {one.id for one in every if one.context is None}
    assert current == set(list_texts()), "python tests/catalogues.py brings them up to date"
    for one in every:
        text = one.id
        assert not one.fuzzy, text
        many = text[1] if isinstance(text, tuple) else text
        forms = one.string if isinstance(one.string, tuple) else (one.string,)
        for value in forms:
            assert value and places(str(value)) == places(str(many)), text


IN_A_TEXT = re.compile(r"""f(["'])(?:(?!\1).)*\{[^}]*\b(?:say|_|N_)\((?!\1)["']""")


def test_no_text_is_said_within_another() -> None:
    """What reads texts from the source does not see into a formatted one."""
    assert IN_A_TEXT.search("""f"{self.say('before:')} {one}\"""")
    for path in (Path(__file__).parents[4] / "api").rglob("*.py"):
        assert not IN_A_TEXT.search(path.read_text("utf-8")), path


COUNTED = re.compile(
    r"(?:%\(\w+\)s|\{\w+\}) (?:arrivals|bodies|bytes|crossings|days|decisions|discrepancies|finds"
    r"|minutes|records|rows|seconds|seizures|times|vehicles|weeks)\b"
)
NEVER_ONE = {
    # A constant, or a number below which nothing is said.
    "in {number} days",
    "%(n)s days",
    "fewer than %(n)s vehicles were dealt with.",
    "%(v)s vehicles, %(o)s officers or teams; dealt again %(p)s times; an alarm below %(a)s",
    "Bars: crossings by week in the last %(n)s weeks, each line to its own scale.",
    "Missing values by post and field, last %(n)s weeks",
    # Of all that was counted, where it says something at a hundred and more.
    "From %(pair)s to here took %(seen)s minutes (median of %(of)s vehicles)",
    # A ratio, written with its decimals.
    "finds %(times)s times as many as picking at random",
    # The word before is a verb.
    "%(a)s finds more than %(b)s:",
    # Of an exercise: a whole shift, and what a stop costs in every one.
    "Level %(level)s. %(left)s of %(all)s minutes are left;",
    "In the order of the search.",
    # Bounds of a file, of an answer and of a page.
    "A ZIP archive of the files of one bulk folder",
    "At most %(rows)s rows and %(seconds)s seconds.",
    "The page shows the first %(n)s rows;",
    # Of all those that were counted, or with a tenth.
    "%(field)s is missing in %(rows)s of %(of)s rows; usual: %(usual)s.",
}
"""Beginnings of texts in which a number is followed by its noun in the plural alone."""


def list_single_forms(texts: Iterable[str | tuple[str, str]]) -> list[str]:
    """Return texts that count something and have no form for one of it."""
    found = (text for text in texts if isinstance(text, str) and COUNTED.search(text))
    return sorted(text for text in found if not text.startswith(tuple(NEVER_ONE)))


def test_what_a_number_counts_has_plural_forms() -> None:
    assert list_single_forms(list_texts()) == []
    seeded = [*list_texts(), "%(n)s finds were made", ("%(n)s find", "%(n)s finds")]
    assert list_single_forms(seeded) == ["%(n)s finds were made"]


EVIDENCE = (
    Evidence(0, 0, nan, is_of_post=False),
    Evidence(1, 1, nan, is_of_post=False),
    Evidence(5, 16, 0.034, is_of_post=True),
    Evidence(0, 1_234, 0.5, is_of_post=False),
)


def test_every_label_exists_for_every_code() -> None:
    assert set(TABLES["place"]) - {"chassis.hidden", "trailer.hidden"} == set(PLACES)
    on_vehicle = {place for place in PLACES if not place.startswith("cargo.")}
    actions = set(get_args(Action)) - {"search"}
    assert set(TABLES["step"]) == actions
    assert set(TABLES["look"]) == {*on_vehicle, *actions, "place"}
    assert set(TABLES["step_why"]) == set(get_args(Why)) - {"usual"}
    assert set(TABLES["precaution"]) == set(get_args(Precaution))
    gaps = data_gaps(Arrival.model_validate(arrival(3, plate=None), strict=False), {})
    assert set(gaps) <= set(TABLES["gap"])


MATCHED = Match(
    source="profile",
    code="HEAVY-1",
    sequence=1,
    channel="red",
    share=0.5,
    title="Too heavy",
    words="weighbridge mass: 30,000 kg",
    parameters={
        "figures": [
            profile_figure("crossing.weighed_mass_kg", 30_000.0, None).as_dict(),
            profile_figure("features.consignee_hit_rate", 0.3, EVIDENCE[2]).as_dict(),
            profile_figure("crossing.vehicle_class", "truck", None).as_dict(),
        ]
    },
)
LISTED = Match(
    source="watchlist",
    code="w-1",
    sequence=2,
    channel="red",
    share=1.0,
    words="consignee 033292557; reason: finds; by aziza; until 2027-01-31 00:00 UTC",
    parameters={
        "identifiers": {"consignee": "033292557"},
        "reason": "finds",
        "author": "aziza",
        "until": "2027-01-31T00:00:00Z",
    },
)


@pytest.mark.parametrize("code", OTHERS)
def test_matches_and_facts_are_rendered_from_their_messages(code: str) -> None:
    reader = MessageReader(ReaderLocale(code, 300))
    one = Arrival.model_validate(arrival(3), strict=False)
    fired = [MATCHED.purpose, LISTED.purpose]
    for reason in explain_matches([MATCHED, LISTED], fired):
        assert not reader.reason(flat(reason) | {"text": BY_MESSAGE}).is_english
    for times in (0.0, 1.0, 21.0):
        seen = {"plate_crossings_365d": times}
        for fact in facts(one, seen, amendment=int(times)):
            assert not reader.fact(flat(fact) | {"text": BY_MESSAGE}).is_english, fact
    for rule in explain_rules({"bad_container": 1.0}):
        assert not reader.reason(flat(rule) | {"text": BY_MESSAGE}).is_english


def test_a_time_in_a_reason_is_of_the_reader_s_clock_in_english_too() -> None:
    """Negative control: the record itself says UTC."""
    (reason,) = explain_matches([LISTED], [LISTED.purpose])
    recorded = flat(reason)
    assert "2027-01-31 00:00 UTC" in recorded["text"]
    shown = MessageReader(ReaderLocale("en", 300)).reason(recorded).text
    assert "05:00" in shown and "UTC" not in shown


@pytest.mark.parametrize("missing", ["message", "parameters"])
def test_a_record_without_its_message_is_shown_as_english(missing: str) -> None:
    """Negative control: words come from the message alone."""
    reader = MessageReader(ReaderLocale("ru", 300))
    (reason,) = explain_matches([LISTED], [LISTED.purpose])
    bare = flat(reason) | {missing: "" if missing == "message" else {"entry": "w-1"}}
    shown = reader.reason(bare | {"text": BY_MESSAGE})
    assert shown.is_english and shown.text == BY_MESSAGE


@pytest.mark.parametrize("code", OTHERS)
def test_pages_speak_one_language(world: World, code: str) -> None:
    boss = at_desk(world, f"speaks-{code}")
    boss.get(f"/language/{code}?back=/")
    red = find(world, "red", 130_000 + 600 * OTHERS.index(code))
    single = [text for text in list_texts() if isinstance(text, str)]
    english = {text for text in single if len(WORD.findall(text)) > 2}
    decision = f"/decisions/{red['decision_id']}"
    desks = (
        *("/profiles", "/profiles/new", "/watchlist", "/watchlist/lists", "/register"),
        *("/models", "/drift", "/quality"),
    )
    for path in ("/", "/posts/OYB/queue", decision, "/posts/OYB/shift", *desks):
        text = boss.get(path).text
        assert f'<html lang="{code}">' in text
        assert "UTC+05:00" in text, "every page names its clocks"
        assert not [one for one in english if one in text]
    keeper = at_desk(world, f"keeps-{code}", Role.ADMINISTRATOR)
    keeper.get(f"/language/{code}?back=/")
    subscriptions = keeper.get("/webhooks").text
    assert not [one for one in english if one in subscriptions]
    officer = at_desk(world, f"checks-{code}", Role.INTEGRITY)
    officer.get(f"/language/{code}?back=/")
    link = link_partner(world.home, world.runtime.store)
    for path in ("/links", f"/links/{link}"):
        text = officer.get(path).text
        assert not [one for one in english if one in text]


GLOSSARY = Path(__file__).parents[4] / "docs" / "glossary.md"
STEMS = {
    "shift": {"ru": "смен", "uz": "smena", "tg": "баст"},
    "queue": {"ru": "очеред", "uz": "navbat", "tg": "навбат"},
    "carrier": {"ru": "перевозчик", "uz": "tashuvchi", "tg": "интиқолдиҳанд"},
}
"""Terms that once shared a word with another in some language."""


def test_the_table_of_terms_is_what_pages_say() -> None:
    """One word for one thing: no two terms of a language share a word."""
    table = GLOSSARY.read_text("utf-8").partition("## Words of the pages")[2]
    rows = [
        [cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines() if "|" in row
    ]
    terms = [row for row in rows[2:] if row]
    assert len(terms) > 30
    for at, code in enumerate(("ru", "uz", "tg"), 1):
        say = translations(code).gettext
        for row in terms:
            spelt = {say(row[0]), say(row[0][:1].upper() + row[0][1:])}
            assert row[at].casefold() in {one.casefold() for one in spelt}, (code, row[0])
        assert len({row[at] for row in terms}) == len(terms), code


@pytest.mark.parametrize("term", STEMS)
@pytest.mark.parametrize("code", OTHERS)
def test_a_term_has_one_word_in_every_text(term: str, code: str) -> None:
    word = re.compile(rf"(?<!car )\b{term}s?\b(?! of scores)", re.IGNORECASE)
    wrong = [
        (message.id, message.string)
        for message in read_catalogue(code)
        if isinstance(message.id, str)
        and word.search(message.id)
        and STEMS[term][code] not in str(message.string).casefold()
    ]
    assert wrong == []
