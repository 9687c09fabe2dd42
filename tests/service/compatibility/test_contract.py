"""What deployments rely on is as version 0c412e7 had it, but for what later decisions took away."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from features.catalogue.earlier_definitions import UNIFORM
from tests.service.compatibility import deployment_contract

FILE = Path(__file__).parents[2] / "data" / "home-0c412e7" / "contract.json"
BEFORE: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
GONE = {
    # A checkpoint is answered no figure of what it did: docs/decisions/0018-blinding.md.
    "POST /v1/inspections 201 .basis",
    "POST /v1/inspections 201 .propensity",
    # Attempts to sign in are counted in memory: docs/decisions/0019-strangers.md.
    "sign_in_attempts.",
}
"""Starts of lines that later decisions took away, each with its decision."""
OWED: tuple[str, ...] = (
    # The reason of a review is one of a list: docs/decisions/0084-review-codes.md.
    "POST /v1/decisions/{decision_id}/reviews asks .reason_code",
)
"""Starts of lines that requests owe since, each with its decision."""
ADDED = (
    # Precursors: docs/decisions/0030-gravity.md.
    "declares_precursor",
    "declares_table_1_precursor",
    "near_precursor",
    "consignee_precursor_new",
    "consignor_precursor_new",
    "precursor_route_new",
    "consignee_near_precursor_new",
    "precursor_post_share",
    "precursor_kg_over_usual",
    "precursor_kg_over_usual_of_consignee",
    # Optional fields of version 2: docs/decisions/0037-optional-fields.md.
    "invoice_over_value",
    "invoice_over_usual",
    "invoice_over_usual_of_consignee",
    "route_countries",
    "undeclared_countries",
    "path_share",
    "office_share",
    "post_share_of_office",
    "package_kind_share",
    "previous_type_share",
    "package_kind_hit_rate",
    "previous_documents",
    # Finds spread along links: docs/decisions/0058-spread.md.
    *(
        f"{kind}_spread_{step}_{part}"
        for kind in ("found", "seized")
        for step in range(3)
        for part in ("largest", "second", "sum")
    ),
    # Rates in which late inspections count more: docs/decisions/0061-recent-rates.md.
    "plate_recent_hit_rate",
    "plate_recent_seizure_rate",
    "trailer_recent_hit_rate",
    "trailer_recent_seizure_rate",
    "driver_recent_hit_rate",
    "driver_recent_seizure_rate",
    "carrier_recent_hit_rate",
    "carrier_recent_seizure_rate",
    "consignee_recent_hit_rate",
    "consignee_recent_seizure_rate",
    "consignor_recent_hit_rate",
    "consignor_recent_seizure_rate",
    "declarant_recent_hit_rate",
    "declarant_recent_seizure_rate",
)
"""Features since, in their order, each with its decision."""
OWNER = re.compile(r" (?:option|argument|query|path|header|cookie) \S+ required$")
LISTS: dict[str, Callable[[], list[str]]] = {
    "routes": deployment_contract.routes,
    "commands": deployment_contract.commands,
    "variables": deployment_contract.variables,
    "kinds": deployment_contract.kinds,
    "tables": deployment_contract.tables,
}


def lost(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Return what is no longer there and was not taken away by a decision.

    A field that a request owed and may leave out now is there.
    """
    found = set(now)
    left = set(before) - found - {one.replace("?:", ":") for one in found if " asks " in one}
    return sorted(one for one in left if not one.startswith(tuple(GONE)))


def newly_owed(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Return what a request owes now and did not before: a field, a parameter or an option.

    What is owed within something that is itself new does not count: old requests leave it out.
    """
    known = sorted(set(before))
    found = []
    for one in sorted(set(now) - set(known)):
        owner, _, field = one.rpartition(" .")
        if " asks" in owner:
            is_owed = "?" not in field.partition(":")[0]
        else:
            owner, is_owed = OWNER.sub("", one), one.endswith(" required")
        if is_owed and any(line.startswith(owner) for line in known):
            found.append(one)
    return [one for one in found if not one.startswith(OWED)]


@pytest.mark.parametrize("name", LISTS)
def test_nothing_that_deployments_rely_on_is_lost(name: str) -> None:
    now = LISTS[name]()
    assert lost(BEFORE[name], now) == []


def test_features_keep_their_names_and_their_order() -> None:
    assert deployment_contract.features() == [*BEFORE["features"], *ADDED]
    assert list(UNIFORM) == BEFORE["features"], "models of before read what they read"


def test_hashed_and_signed_bytes_are_the_same() -> None:
    assert deployment_contract.digests() == BEFORE["digests"]


def test_a_field_that_is_lost_or_newly_owed_is_found() -> None:
    """Negative control."""
    before = ["PUT /a asks .b?: string", "PUT /a 200 .c: number", "PUT /a asks .d: string"]
    assert lost(before, before[1:]) == before[:1]
    assert lost(before, [*before[:2], "PUT /a asks .d?: string"]) == []
    assert newly_owed(before, [*before, "PUT /a asks .e: string"]) == ["PUT /a asks .e: string"]
    assert newly_owed(before, [*before, "PUT /a asks .e?: string"]) == []
    options = ["darvoza keys", "darvoza keys option --role required"]
    owner = "darvoza keys option --owner required"
    assert newly_owed(options, [*options, owner]) == [owner]
    assert (
        newly_owed(options, [*options, "darvoza clock", "darvoza clock option --as required"]) == []
    )


def test_no_request_owes_more_than_before() -> None:
    for name in ("routes", "commands"):
        assert newly_owed(BEFORE[name], LISTS[name]()) == []


def test_every_reference_of_the_document_is_held_by_it() -> None:
    """Version 0c412e7 referred to a body that its document did not hold: of the end of a trial."""
    document = create_app().openapi()
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert named - set(document["components"]["schemas"]) == set()
