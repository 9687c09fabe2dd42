"""Agreements: a closed list of what travels, refused by field and rule where it is not one."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError, RecordError
from engine.links.agreement import parse_agreement, read_agreement
from engine.links.identity import LinkKeys
from tests.unit.engine.links.link_agreements import (
    LinkSides,
    partner_content,
    party_content,
    post_content,
)

NEEDED = ("movement", "post", "left_at")
UZ, TJ = LinkKeys.generate(), LinkKeys.generate()


def _partner(**changes: Any) -> dict[str, Any]:
    return partner_content(UZ.identity, TJ.identity, **changes)


def _rule(**changes: Any) -> list[dict[str, Any]]:
    rule = {
        "kind": "withdraw",
        "from": "uz",
        "purpose": "smuggling",
        "fields": ["attention"],
    }
    return [rule | changes]


def test_both_sides_name_a_link_by_its_content() -> None:
    text = _partner(expires=datetime(2030, 12, 31, 5, tzinfo=UTC))
    later = _partner(expires=datetime(2030, 12, 31, 6, tzinfo=UTC))
    one, other = parse_agreement(text), parse_agreement(later)
    assert parse_agreement(one.content()) == one
    assert parse_agreement(one.content()).link == one.link != other.link


def test_every_term_is_part_of_the_links_name() -> None:
    links = {parse_agreement(_partner()).link}
    changes: list[dict[str, Any]] = [
        {"ground": "Another"},
        {"purposes": ["smuggling", "statistics"]},
        {"pairs": [{"posts": ["UZ-OYB", "TJ-OTHER"]}]},
        {"identifiers": {"carrier_id": "EORI"}},
        {"messages": _rule()},
    ]
    links |= {parse_agreement(_partner(**one)).link for one in changes}
    assert len(links) == 1 + len(changes)


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"messages": _rule(kind="spying")}, "messages.0.kind", "unknown_kind"),
        ({"messages": _rule(kind="record")}, "messages.0.kind", "kind_not_agreed"),
        ({"messages": _rule(**{"from": "kg"})}, "messages.0.from", "unknown_party"),
        ({"messages": _rule(purpose="statistics")}, "messages.0.purpose", "unknown_purpose"),
        ({"messages": _rule(fields=["attention", "x"])}, "messages.0.fields", "unknown_field"),
        ({"messages": _rule(fields=["reason"])}, "messages.0.fields", "missing_key"),
        ({"messages": [*_rule(), *_rule()]}, "messages.1", "duplicate_id"),
        (
            {"messages": _rule(kind="manifest", fields=[*NEEDED, "goods.net_mass_kg"])},
            "messages.0.fields",
            "missing_key",
        ),
        (
            {"messages": _rule(kind="manifest", fields=[*NEEDED, "driver_ref"])},
            "messages.0.fields",
            "not_comparable",
        ),
        ({"pairs": []}, "pairs", "missing_key"),
        ({"posts": ["UZ-OYB"]}, "posts", "unknown_field"),
        ({"kind": "post"}, "parties", "party_roles"),
        ({"colour": "red"}, "colour", "unknown_field"),
        ({"expires": datetime(2030, 1, 1)}, "expires", "time_without_offset"),
        ({"parties": [party_content("uz", UZ.identity)] * 2}, "parties", "duplicate_id"),
        (
            {"parties": [party_content("uz", UZ.identity), party_content("tj", UZ.identity)]},
            "parties",
            "duplicate_id",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_refused_by_field_and_rule(
    changes: dict[str, Any], field: str, rule: str
) -> None:
    with pytest.raises(RecordError) as refused:
        parse_agreement(_partner(**changes))
    assert (refused.value.field, refused.value.rule) == (field, rule)


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"receiving_key": "00" * 32}, "receiving_key", "weak_key"),
        ({"signing_key": "zz" * 32}, "signing_key", "string_pattern_mismatch"),
        ({"url": "http://example.org"}, "url", "malformed_url"),
        ({"url": "https://user:secret@example.org"}, "url", "malformed_url"),
        ({"url": "https://example.org/?q=1"}, "url", "malformed_url"),
    ],
)
def test_a_partys_keys_and_address_are_checked(
    changes: dict[str, Any], field: str, rule: str
) -> None:
    parties = [party_content("uz", UZ.identity, **changes), party_content("tj", TJ.identity)]
    with pytest.raises(RecordError) as refused:
        parse_agreement(_partner(parties=parties))
    assert (refused.value.field, refused.value.rule) == (f"parties.0.{field}", rule)


def test_a_post_and_its_centre_agree_on_whole_messages() -> None:
    agreement = parse_agreement(post_content(UZ.identity, TJ.identity))
    node = agreement.parties[0]
    assert agreement.rule("record", node) is not None
    assert agreement.rule("bundle", node) is None
    assert agreement.posts_of(node) == {"UZ-OYB"}
    rules = [{"kind": "record", "from": "oybek", "fields": ["body"]}]
    with pytest.raises(RecordError, match="whole messages"):
        parse_agreement(post_content(UZ.identity, TJ.identity, messages=rules))


def test_the_head_of_a_journal_is_part_of_every_agreement() -> None:
    agreement = LinkSides().agreement
    assert all(agreement.rule("head", party) for party in agreement.parties)
    assert agreement.rule("record", agreement.parties[0]) is None


def test_a_file_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "link.toml"
    with pytest.raises(InputError, match="no such file"):
        read_agreement(path)
    path.write_text("name = ")
    with pytest.raises(InputError, match="not a TOML file"):
        read_agreement(path)
    path.write_text('name = "a"\nkind = "partner"')
    with pytest.raises(InputError, match=r"purposes: .*\(missing_key\)"):
        read_agreement(path)
