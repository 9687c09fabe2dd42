"""People: one function tells two people apart; no new name reads as another person's."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.auth.accounts import check_name, shape
from engine.errors import ConflictError, RecordError

ROOT = Path(__file__).parents[4]
FOLDERS = ("api", "engine", "models")
PERSONS = frozenset(
    {
        "approvals", "author", "filed_by", "left_by", "lodged_by", "person", "proposed_by",
        "reported_by", "reporter", "signer", "taken_by", "trained_by",
    }
)  # fmt: skip
"""Names of variables, fields and keys that hold the name of a person."""
PERHAPS = PERSONS | {"by", "caller", "challenges", "first", "given", "second"}
"""Names that may hold one."""
NAMED = {
    ("api/auth/authority.py", "first == second"): "the rule itself",
    ("engine/criteria/dual_control.py", "person == author"): "the rule of replayed records",
    ("engine/criteria/dual_control.py", "person in approvals"): "the rule of replayed records",
    ("api/notifications/answers.py", "one.left.by != caller.person"): "what is shown to whom",
    ("api/notifications/answers.py", "one.reported_by != caller.person"): "what is shown to whom",
    ("api/notifications/answers.py", "desk.caller.person in gave"): "what is shown to whom",
    ("api/analysis/routes.py", "one.by == caller.person"): "a person's own jobs",
    ("api/audit/answers.py", "bodies.get(row.seq, {}).get('by') == person"): "what one person did",
    (
        "api/circulars/answers.py",
        "caller.person in {person for person, *_ in one.readings}",
    ): "a person's own reading",
    ("engine/circulars/ledger.py", "_S.person == person"): "a person's own reading",
    ("api/circulars/answers.py", "one.by != caller.person"): "what is shown to whom",
    ("api/complaints/answers.py", "one.filed_by != caller.person"): "what is shown to whom",
    ("api/notifications/answers.py", "body['by'] == caller.person"): "what is shown to whom",
    ("api/people/steps.py", "done.body['by'] != self.caller.person"): "whose request it was",
    ("api/exercises/desk.py", "(body := record.body)['person'] == person"): "a trainee's own work",
    ("api/exercises/desk.py", "end.body['person'] == person"): "a trainee's own work",
    ("api/exercises/desk.py", "person in (None, record.body['person'])"): "a trainee's own work",
    ("engine/queue/takings.py", "by.person == self.person"): "who holds a vehicle",
    ("engine/queue/takings.py", "holder.given_by == by.person"): "who gave a vehicle",
    ("engine/queue/takings.py", "holder.person == step.to"): "who holds a vehicle",
    ("engine/queue/reviews.py", "_V.person == about[3]"): "a person's own word",
    ("engine/queue/reviews.py", "_V.person == person"): "a person's own word",
    ("engine/queue/takings.py", "_T.person == person"): "who holds a vehicle",
    ("api/declarations.py", "version.lodged_by == self._caller.person"): "a sender's own",
    ("api/declarations.py", "known.lodged_by != caller.person"): "a sender's own",
    ("engine/declarations/lodgings.py", "known.lodged_by != by"): "a sender's own",
    ("engine/declarations/lodgings.py", "_V.lodged_by == lodged_by"): "a sender's own",
    ("models/training/candidates.py", "model.trained_by == WEEKLY_TIMER"): "no person",
    ("models/lifecycle/states.py", "person not in dismissed"): "approvals that lapsed",
    ("models/lifecycle/transitions.py", "person in inactive"): "approvals that lapsed",
}
"""Every comparison of names, and what it is for where it is not the rule of two people."""


def find_name(node: ast.expr) -> str:
    """Return the last name or key of an expression."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr="name", value=inner) | ast.Call(args=[inner], func=ast.Name()):
            return find_name(inner)
        case ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(name)), *_]):
            return name
    return ""


def find_comparisons(source: str) -> Iterator[str]:
    """Yield every comparison for equality or membership of what names persons.

    One side must name a person, or all of them may. A comparison with a constant compares no names.
    """
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        names = {find_name(one) for one in sides}
        is_equality = any(
            isinstance(one, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for one in node.ops
        )
        is_of_names = bool(names & PERSONS) or names <= PERHAPS
        if is_equality and is_of_names and not any(isinstance(one, ast.Constant) for one in sides):
            yield ast.unparse(node)


def test_no_place_but_one_decides_whether_two_names_are_two_people() -> None:
    found = {
        (str(path.relative_to(ROOT)), comparison)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for comparison in find_comparisons(path.read_text("utf-8"))
    }
    assert found - NAMED.keys() == set(), "call Authority.must_second or must_be_two"
    assert NAMED.keys() - found == set(), "no longer there"


@pytest.mark.parametrize(
    "fault",
    [
        "if proposed.body['by'] == caller.person:\n    raise ValueError",
        "if by.person == known.body.get('by'):\n    raise ValueError",
        "others = [person for person in second if person != by]",
        "if person == handover.left.by:\n    raise ValueError",
        "is_same = last['person'] != by.name",
        "is_theirs = str(find.body['by']) == person",
        "given = first != self.by and is_two",
        "may = caller.person not in given",
    ],
)
def test_a_comparison_of_names_is_found(fault: str) -> None:
    """Negative control: each is a form in which names were compared before."""
    assert list(find_comparisons(fault))


TAKEN = ("dilnoza", "sup", "Рустам", "bob", "Anna K")


def rule(name: str) -> str:
    with pytest.raises(RecordError) as refused:
        check_name(name, taken=TAKEN)
    assert refused.value.field == "name"
    return refused.value.rule


@pytest.mark.parametrize("name", ["", " ", "\u3000", "a" * 65])
def test_a_name_has_1_to_64_characters(name: str) -> None:
    assert rule(name) == "length"


@pytest.mark.parametrize(
    "sign",
    ["\n", "\x1b", "\0", "\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\u2028", "\u0301"],
)
def test_a_name_is_printable(sign: str) -> None:
    assert rule(f"q{sign}z") == "printable"


@pytest.mark.parametrize(
    "name",
    [
        "Dilnoza",
        "dilnoza.",
        "dilnoza_",
        "diInoza",
        "di1n0za",
        "dilnóza",
        "Ｓｕｐ",
        "5up",
        "рустам",
        "вов",
        "anna  k",
        "AnnaK",
    ],
)
def test_a_name_that_looks_like_another_is_refused(name: str) -> None:
    assert rule(name) == "look_alike"


def test_other_names_are_taken_as_they_are_written() -> None:
    for name in ("gulnora", "Ўткир", "O'tkir", "dilnoza2", "rustam", "ann@post", "<b>x</b>"):
        assert check_name(name, taken=TAKEN) == name
    assert check_name("  Zafar ", taken=TAKEN) == "Zafar"
    assert check_name("Zafa\u0301r", taken=TAKEN) == "Zafár"
    with pytest.raises(ConflictError, match="taken"):
        check_name(" sup ", taken=TAKEN)


@pytest.mark.parametrize(
    "name",
    [
        "...",
        "-",
        "\u3164",
        "\u2800",
        "q\u2800z",
        "\U0001f600",
        "rust\u0251m",
        "\u1d00nna",
        "\u051dolf",
    ],
)
def test_a_name_is_legible(name: str) -> None:
    """Neither blank, nor of signs that imitate the letters of everyday writing."""
    assert rule(name) == "letters"


def test_names_of_the_region_are_taken() -> None:
    for name in ("O\u02bbktam", "G\u02bbolib", "Ҷамшед", "Ғайрат", "Şöhrat", "Ağa", "محمد", "Əli"):
        assert check_name(name, taken=TAKEN) == name
    assert shape("O\u02bbktam") == shape("O\u02bcktam") == shape("O'ktam") == shape("oktam")


def test_a_name_is_of_one_script_and_stands_for_no_key_nor_account() -> None:
    assert rule("Dilшod") == "one_script"
    assert rule("key-000000000000") == "reserved"
    assert rule("Account:root") == "reserved"


def test_negative_control_case_alone_lets_look_alikes_through() -> None:
    """Folding the case, as is usual, tells these apart; a reader does not."""
    alike = ("dilnoza", "diInoza", "dilnoza\u200b", "dilnоza")  # a capital I, a Cyrillic o
    assert len({name.casefold() for name in alike}) == len(alike)
    assert len({shape(name) for name in alike}) == 1
