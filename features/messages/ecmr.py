"""Electronic consignment notes: eCMR of UN/CEFACT (XML or JSON) and of Open Logistics (JSON).

A consignment note names no commodity codes, so it yields what belongs to the crossing alone; its
goods lines are reported as gaps.
"""

from collections.abc import Callable, Sequence
from typing import Any

from features.messages.path_tables import Field, MessageFormat, PathTable
from features.messages.tree import Node
from features.messages.values import (
    TranslationContext,
    checked_identifier,
    country,
    identifier,
    identifiers,
    looks_like_plate,
)

ROOTS = frozenset({("urn:un:unece:uncefact:data:standard:eCMR:1", "eCMR"), ("json", "eCMR")})
OPEN_LOGISTICS_ROOTS = frozenset({("json", "ecmrConsignment")})
_CONSIGNMENT = "SpecifiedSupplyChainConsignment"
_EQUIPMENT = f"{_CONSIGNMENT}/UtilizedLogisticsTransportEquipment"
_GOODS = f"{_CONSIGNMENT}/IncludedSupplyChainConsignmentItem"
_TRAILER, _CONTAINERS = "TE", ("CN", "BPN")


def _equipment(*categories: str | None) -> Callable[[Sequence[Node]], list[Node]]:
    def select(nodes: Sequence[Node]) -> list[Node]:
        found = [node for node in nodes if node.text_at("CategoryCode") in categories]
        return [each for node in found for each in node.find_all("ID")]

    return select


def _plate(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the identity of the equipment without a category, where it looks like a plate."""
    return plate_of(name, _equipment(None)(nodes), context)


def plate_of(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the first text that looks like a plate, or note that it does not."""
    for node in nodes:
        if looks_like_plate(node.text):
            return checked_identifier(name, node, node.text, context)
        if node.text:
            context.gap(name, node, "not_a_plate")
            return None
    return None


def _trailer(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the identity of the equipment of category TE."""
    return identifier(name, _equipment(_TRAILER)(nodes), context)


def _containers(name: str, nodes: Sequence[Node], context: TranslationContext) -> list[str]:
    """Return the identities of the equipment of category CN or BPN."""
    return identifiers(name, _equipment(*_CONTAINERS)(nodes), context)


def _registration(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the country in which the equipment without a category is registered."""
    own = [node for node in nodes if node.text_at("CategoryCode") is None]
    return country(
        name, [n for each in own for n in each.find_all("RegistrationTradeCountry/ID")], context
    )


TABLE = PathTable(
    crossing=(
        Field("plate", (_EQUIPMENT,), _plate, ("ID", "CategoryCode")),
        Field("trailer_plate", (_EQUIPMENT,), _trailer, ("ID", "CategoryCode")),
        Field("plate_country", (_EQUIPMENT,), _registration, ("RegistrationTradeCountry/ID",)),
        Field("container_numbers", (_EQUIPMENT,), _containers, ("ID", "CategoryCode")),
        Field(
            "seal_numbers",
            (f"{_EQUIPMENT}/AffixedLogisticsSeal/ID", f"{_CONSIGNMENT}/AffixedLogisticsSeal/ID"),
            identifiers,
        ),
        Field("carrier_id", (f"{_CONSIGNMENT}/CarrierTradeParty/ID",), identifier),
    ),
    declaration=(),
    item=(),
    items=(),
    dropped={
        "ExchangedDocument/ID": "reference_without_declaration",
        "*/DefinedTradeContact": "person",
        "*/PostalTradeAddress": "name_or_address",
        "*/Name": "name_or_address",
        "*/PersonName": "person",
        _GOODS: "item_without_code",
    },
)


def _no_id(root: Node, context: TranslationContext) -> None:
    return None


def read_items(root: Node, context: TranslationContext) -> list[dict[str, Any]]:
    """Return nothing: each goods line is noted as one without a commodity code."""
    for node in root.find_all(_GOODS):
        context.gap("hs_code", node, "item_without_code")
    return []


FORMAT = MessageFormat(name="ecmr", table=TABLE, propose_id=_no_id, read_items=read_items)

_CARRIER = "carrierInformation"
OPEN_LOGISTICS_TABLE = PathTable(
    crossing=(
        Field("plate", (f"{_CARRIER}/carrierLicensePlate",), plate_of),
        Field("carrier_id", (f"{_CARRIER}/carrierId",), identifier),
    ),
    declaration=(),
    item=(),
    items=(),
    dropped={
        "*/email": "person",
        "*/phone": "person",
        "*/carrierPhone": "person",
        "*/driverPhone": "person",
        "*/senderPersonName": "person",
        "*/consigneePersonName": "person",
        "*/carrierDriverName": "person",
        "*/successiveCarrierDriverName": "person",
        "senderInformation": "name_or_address",
        "consigneeInformation": "name_or_address",
        "successiveCarrierInformation": "name_or_address",
        "referenceIdentificationNumber": "reference_without_declaration",
        "itemList": "item_without_code",
    },
)


def _read_lines(root: Node, context: TranslationContext) -> list[dict[str, Any]]:
    for node in root.find_all("itemList"):
        context.gap("hs_code", node, "item_without_code")
    return []


OPEN_LOGISTICS = MessageFormat(
    name="ecmr", table=OPEN_LOGISTICS_TABLE, propose_id=_no_id, read_items=_read_lines
)
