"""Agreements: a closed list of what travels; what is not agreed is left out, and refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.records import Record
from engine.errors import InputError, RecordError
from engine.links.agreement import (
    Agreement,
    check_body,
    list_paths,
    parse_agreement,
    read_agreement,
    select_fields,
)
from engine.links.identity import LinkKeys
from engine.links.messages import Manifest, dump_message, list_fields
from tests.unit.engine.links.links import (
    LinkSides,
    manifest_body,
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


SIDES = LinkSides()
NEEDED_FIELDS = frozenset({"movement", "post", "left_at"})
FREE = sorted(set(list_fields("manifest")) - NEEDED_FIELDS - {"goods.hs_code"})
CANARY = "CANARY-7"


def _agreement(fields: frozenset[str]) -> Agreement:
    rules = [{"kind": "manifest", "from": "uz", "purpose": "smuggling", "fields": sorted(fields)}]
    domains = {"driver_ref": "A", "carrier_id": "B", "consignee_id": "C", "consignor_id": "D"}
    domains["declarant_id"] = "E"
    return parse_agreement(
        partner_content(SIDES.uz.identity, SIDES.tj.identity, messages=rules, identifiers=domains)
    )


def _full_manifest() -> Manifest:
    """Return a manifest with every field, its identifiers telling their field."""
    texts = {
        name: f"{CANARY}-{name}"
        for name in ("plate", "trailer_plate", "vin", "tir_carnet", "cmr_number", "driver_ref",
                     "carrier_id", "declarant_id", "consignor_id", "consignee_id")
    }  # fmt: skip
    item = {
        "hs_code": "080610",
        "net_mass_kg": 1.0,
        "gross_mass_kg": 2.0,
        "origin_country": "TJ",
        "customs_value_usd": 3.0,
        "pen_number": f"{CANARY}-pen_number",
    }
    return Manifest.model_validate(
        manifest_body(
            **texts,
            plate_country="UZ",
            seal_numbers=[f"{CANARY}-seal_numbers"],
            container_numbers=[f"{CANARY}-container_numbers"],
            weighed_mass_kg=30_000.0,
            is_empty=False,
            body_type="tank",
            body_code=f"{CANARY}-body_code",
            dispatch_country="UZ",
            destination_country="TJ",
            goods=[item],
        )
    )


def test_a_full_manifest_has_every_field() -> None:
    assert set(list_paths(dump_message(_full_manifest()))) == set(list_fields("manifest"))


def _close(fields: frozenset[str]) -> frozenset[str]:
    """Return fields with what they cannot be without."""
    goods = {"goods.hs_code"} if any(name.startswith("goods.") for name in fields) else set()
    return fields | NEEDED_FIELDS | goods


@settings(max_examples=60, deadline=None)
@given(st.frozensets(st.sampled_from(FREE)))
def test_exactly_the_agreed_fields_travel(fields: frozenset[str]) -> None:
    agreed = _close(fields)
    agreement = _agreement(agreed)
    sender = agreement.parties[0]
    body = select_fields(agreement, sender=sender, message=_full_manifest())
    assert set(list_paths(body)) == agreed
    text = str(body)
    assert all((f"{CANARY}-{name}" in text) == (name in agreed) for name in FREE
               if name in ("plate", "vin", "seal_numbers", "driver_ref"))  # fmt: skip
    assert dump_message(check_body(agreement, kind="manifest", sender=sender, body=body)) == body


@settings(max_examples=60, deadline=None)
@given(st.frozensets(st.sampled_from(FREE)), st.sampled_from(FREE))
def test_a_field_that_was_not_agreed_is_refused_by_name(fields: frozenset[str], extra: str) -> None:
    agreed = _close(fields - {extra}) - {extra}
    wider, agreement = _agreement(_close(agreed | {extra})), _agreement(agreed)
    sender = agreement.parties[0]
    body = select_fields(wider, sender=sender, message=_full_manifest())
    with pytest.raises(RecordError) as refused:
        check_body(agreement, kind="manifest", sender=sender, body=body)
    assert refused.value.rule == "field_not_agreed"
    assert refused.value.field in _close(agreed | {extra}) - agreed


def _believe(agreement: Agreement, *, kind: str, body: dict[str, Any]) -> Record:
    return Manifest.model_validate(body)


def _check(agreement: Agreement, *, kind: str, body: dict[str, Any]) -> Record:
    return check_body(agreement, kind=kind, sender=agreement.parties[0], body=body)


@pytest.mark.parametrize(("check", "is_caught"), [(_check, True), (_believe, False)])
def test_a_sender_that_does_not_filter_is_caught(
    check: Callable[..., Record], *, is_caught: bool
) -> None:
    """Negative control: a receiver that believes the sender takes the whole manifest."""
    agreement = _agreement(NEEDED_FIELDS)
    body = dump_message(_full_manifest())
    try:
        check(agreement, kind="manifest", body=body)
    except RecordError:
        assert is_caught
    else:
        assert not is_caught


@pytest.mark.parametrize(
    ("kind", "body", "field", "rule"),
    [
        ("spying", {}, "kind", "unknown_kind"),
        ("record", {}, "kind", "kind_not_agreed"),
        ("manifest", {"colour": "red"}, "movement", "missing_key"),
        ("manifest", manifest_body(colour="red"), "colour", "unknown_field"),
        ("manifest", manifest_body(driver_ref="d-1"), "driver_ref", "field_not_agreed"),
        ("manifest", manifest_body(driver_ref=None), "driver_ref", "field_not_agreed"),
        ("manifest", manifest_body(post="UZ-TAS"), "post", "post_not_agreed"),
        ("manifest", manifest_body(goods=[{"hs_code": "x"}]), "goods.0.hs_code",
         "malformed_hs_code"),
        ("withdraw", {"attention": "a", "reason": "ended"}, "reason", "field_not_agreed"),
        (
            "attention",
            {"attention": "a", "identifier": "driver_ref", "value": "x", "action": "search",
             "until": "2024-03-08T00:00:00Z", "answer_by": "2024-03-07T12:00:00Z"},
            "identifier",
            "not_comparable",
        ),
    ],
)  # fmt: skip
def test_what_was_not_agreed_is_refused_by_field_and_rule(
    kind: str, body: dict[str, Any], field: str, rule: str
) -> None:
    with pytest.raises(RecordError) as refused:
        check_body(SIDES.agreement, kind=kind, sender=SIDES.sender, body=body)
    assert (refused.value.field, refused.value.rule) == (field, rule)


def test_a_value_that_cannot_travel_stops_its_message() -> None:
    """Nothing is sent of a message that names a post outside the agreement."""
    message = Manifest.model_validate(manifest_body(post="UZ-TAS"))
    with pytest.raises(RecordError, match="post_not_agreed"):
        select_fields(SIDES.agreement, sender=SIDES.sender, message=message)
