"""eFTI consignments: what travels, without what was declared of it.

The vehicle of each leg is named, but which leg passes this post is known to the caller alone.
"""

from collections.abc import Sequence

from features.messages.ecmr import read_items
from features.messages.path_tables import Field, MessageFormat, PathTable
from features.messages.tree import Node
from features.messages.values import TranslationContext, identifier, identifiers

ROOTS = frozenset(
    {
        ("http://efti.eu/v1/consignment/common", "consignment"),
        ("http://efti.eu/v1/consignment/identifier", "consignment"),
    }
)
_EQUIPMENT = "usedTransportEquipment"
_LEG = "mainCarriageTransportMovement"
_TRAILER = "AE"


def _trailer(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the identity of the equipment of category AE."""
    found = [node for node in nodes if node.text_at("categoryCode") == _TRAILER]
    return identifier(name, [each for node in found for each in node.find_all("id")], context)


def _leave_to_caller(name: str, nodes: Sequence[Node], context: TranslationContext) -> None:
    """Note each leg's vehicle: which one is at this post is the caller's to say."""
    for node in nodes:
        context.gap(name, node, "leg_not_known")


def _no_id(root: Node, context: TranslationContext) -> None:
    return None


TABLE = PathTable(
    crossing=(
        Field("plate", (f"{_LEG}/usedTransportMeans/id",), _leave_to_caller),
        Field("trailer_plate", (_EQUIPMENT,), _trailer, ("id", "categoryCode")),
        Field("container_numbers", (f"{_EQUIPMENT}/carriedTransportEquipment/id",), identifiers),
        Field(
            "seal_numbers",
            (
                f"{_EQUIPMENT}/affixedLogisticsSeal/id",
                f"{_EQUIPMENT}/carriedTransportEquipment/affixedLogisticsSeal/id",
            ),
            identifiers,
        ),
    ),
    declaration=(),
    item=(),
    items=(),
    dropped={
        "*/specifiedContactPerson": "person",
        "*/definedTradeContact": "person",
        "*/definedContactDetails": "person",
        "*/postalTradeAddress": "name_or_address",
        "*/postalAddress": "name_or_address",
        "*/personName": "person",
        "*/name": "name_or_address",
        "*/sequenceNumber": "position_in_a_list",
    },
)
FORMAT = MessageFormat(name="efti", table=TABLE, propose_id=_no_id, read_items=read_items)
