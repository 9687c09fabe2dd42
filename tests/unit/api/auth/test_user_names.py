"""New names of people have one spelling, and none reads as another person's."""

import pytest

from api.auth.accounts import check_name, shape
from engine.errors import ConflictError, RecordError

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
