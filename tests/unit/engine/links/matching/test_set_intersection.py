"""Two lists are compared without being shown; what is not shared gives no hit."""

from collections.abc import Mapping

import pytest

from engine.errors import RecordError
from engine.links.identity import LinkKeys
from engine.links.matching import set_intersection
from engine.links.matching.set_intersection import (
    MatchRequest,
    PrfKey,
    SharedIdentifier,
    answer_request,
    ask_matches,
    derive_link_key,
    derive_secrets,
    find_hits,
    list_tokens,
    read_answer,
)
from engine.links.messages import AttentionIdentifier, Match

SEED = b"\x07" * 32
DOMAINS = {"carrier_id": "EORI"}


def link_key(number: int = 1) -> PrfKey:
    """The answering side's key of a link."""
    return derive_link_key(SEED, link=f"{number:032x}")


def ask(
    exchange: str, entries: list[SharedIdentifier], domains: Mapping[str, str] = DOMAINS
) -> MatchRequest:
    """A request of the asking side."""
    return ask_matches(exchange, entries, domains=domains, blind_seed=b"\x08" * 32)


def plates(*values: str) -> list[SharedIdentifier]:
    """Entries of plates."""
    return [SharedIdentifier("plate", value) for value in values]


def hits(asked: list[SharedIdentifier], held: list[SharedIdentifier]) -> set[str]:
    """Values that a whole exchange finds."""
    request = ask("x-1", asked)
    answer = answer_request(request.to_message(), link_key())
    tokens = list_tokens("x-1", held, link_key(), domains=DOMAINS)
    return {entry.value for _, entry in find_hits(read_answer(request, answer), tokens)}


def test_the_common_entries_are_found_however_they_are_spelled() -> None:
    asked = [*plates("01 A 123 bc", "99X"), SharedIdentifier("carrier_id", "c-1")]
    held = [*plates("01А123ВС", "77Z"), SharedIdentifier("carrier_id", "c-1")]
    assert hits(asked, held) == {"01 A 123 bc", "c-1"}


def test_equal_values_of_different_identifiers_are_no_hit() -> None:
    assert hits(plates("AB1"), [SharedIdentifier("trailer_plate", "AB1")]) == set()


def test_without_a_common_domain_nothing_is_compared() -> None:
    kinds: tuple[AttentionIdentifier, ...] = ("driver_ref", "consignee_id", "consignor_id")
    for kind in kinds:
        with pytest.raises(RecordError, match="common domain"):
            ask("x-1", [SharedIdentifier(kind, "d-1")])


def test_no_identifier_and_nothing_constant_of_it_is_in_a_request() -> None:
    """Only the same exchange asks in the same way, so that its answer can be read."""
    one, other, again = (ask(name, plates("01A123BC")).to_message() for name in ("x", "y", "x"))
    assert one.elements != other.elements
    assert one == again
    assert b"01A123BC".hex() not in one.elements[0]


def test_secrets_of_an_installation_are_its_own_and_apart() -> None:
    keys = LinkKeys.generate()
    ours, again, theirs = (derive_secrets(one) for one in (keys, keys, LinkKeys.generate()))
    assert ours == again
    assert len({ours.key_seed, ours.blind_seed, theirs.key_seed, theirs.blind_seed}) == 4


def test_tokens_are_useless_on_another_link() -> None:
    lists = [list_tokens("x", plates("A", "B"), link_key(n), domains={}) for n in (1, 2)]
    assert not {*lists[0].elements} & {*lists[1].elements}


def test_the_order_of_tokens_says_nothing() -> None:
    made = [list_tokens("x", plates(*names), link_key(), domains={}) for names in ("ABC", "CBA")]
    assert made[0] == made[1]


def test_an_answer_under_two_keys_or_another_key_is_refused() -> None:
    request = ask("x", plates("A", "B"))
    message = request.to_message()
    one, other = (answer_request(message, link_key(n)) for n in (1, 2))
    mixed = one.model_copy(update={"elements": (*one.elements[:2], other.elements[2])})
    with pytest.raises(RecordError, match="one key"):
        read_answer(request, mixed)
    with pytest.raises(RecordError, match="another key"):
        read_answer(request, other, public=link_key(1).public)
    assert len(read_answer(request, one, public=link_key(1).public)) == 2


def test_an_unchecked_proof_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: the asking side takes any proof."""
    monkeypatch.setattr(set_intersection, "is_proven", lambda *_, **__: True)
    with pytest.raises(pytest.fail.Exception):
        test_an_answer_under_two_keys_or_another_key_is_refused()


@pytest.mark.parametrize("step", ["evaluated", "tokens"])
def test_steps_out_of_order_are_refused(step: str) -> None:
    message = ask("x", plates("A")).to_message()
    other = Match.model_validate(message.model_dump() | {"step": step})
    with pytest.raises(RecordError, match="step"):
        answer_request(other, link_key())
