"""The agreement that two administrations are taken to have where they state none.

Both send manifests and outcomes with the fields that cooperation between customs services names
today: identifiers of vehicle and load, mass, HS codes and net mass, not values, descriptions or
origins. National identifiers travel where the network file states a domain of both.
"""

from collections.abc import Sequence
from typing import Any

from engine.domain.network import Network
from engine.links.agreement import Agreement, parse_agreement
from engine.links.identity import LinkIdentity
from engine.links.messages import list_fields

MANIFEST_FIELDS = (
    "movement", "post", "left_at", "vehicle_class", "plate", "plate_country", "trailer_plate",
    "vin", "container_numbers", "seal_numbers", "weighed_mass_kg", "is_empty", "tir_carnet",
    "cmr_number", "goods.hs_code", "goods.net_mass_kg",
)  # fmt: skip
PURPOSE = "smuggling"


def make_standard_agreement(
    network: Network,
    pairs: Sequence[tuple[str, str]],
    *,
    administrations: tuple[str, str],
    identities: tuple[LinkIdentity, LinkIdentity],
) -> Agreement:
    """Return the agreement of two administrations whose posts face each other in ``pairs``."""
    names = ("one", "other")
    parties = [
        {
            "name": name,
            "administration": administration,
            "signing_key": identity.signing_key.hex(),
            "receiving_key": identity.receiving_key.hex(),
        }
        for name, administration, identity in zip(names, administrations, identities, strict=True)
    ]
    national = sorted(network.identifiers)
    fields = {
        "manifest": [*MANIFEST_FIELDS, *national],
        "outcome": list(list_fields("outcome")),
    }
    rules: list[dict[str, Any]] = [
        {"kind": kind, "from": name, "purpose": PURPOSE, "fields": agreed}
        for name in names
        for kind, agreed in fields.items()
    ]
    return parse_agreement(
        {
            "name": "standard",
            "kind": "partner",
            "purposes": [PURPOSE],
            "ground": "assumed for a backtest",
            "expires": "2200-01-01T00:00:00Z",
            "parties": parties,
            "pairs": [{"posts": list(pair)} for pair in pairs],
            "identifiers": dict(network.identifiers),
            "messages": rules,
        }
    )
