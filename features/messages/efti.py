"""eFTI consignments: what travels, without what was declared of it.

The vehicle of each leg is named, but which leg passes this post is known to the caller alone.
"""

from collections.abc import Sequence

from features.messages.path_tables import Field, MessageFormat, PathTable, drop
from features.messages.tree import Node
from features.messages.values import TranslationContext, identifiers, part_of, where

ROOTS = frozenset(
    {
        ("http://efti.eu/v1/consignment/common", "consignment"),
        ("http://efti.eu/v1/consignment/identifier", "consignment"),
    }
)
_EQUIPMENT = "usedTransportEquipment"
_LEG = "mainCarriageTransportMovement"


_TRAILER = part_of(
    where("categoryCode", "AE"), "id", says="the identity of the equipment of category AE"
)


def _leave_to_caller(name: str, nodes: Sequence[Node], context: TranslationContext) -> None:
    """Note each leg's vehicle: which one is at this post is the caller's to say."""
    for node in nodes:
        context.gap(name, node, "leg_not_known")


TABLE = PathTable(
    crossing=(
        Field("plate", (f"{_LEG}/usedTransportMeans/id",), _leave_to_caller),
        Field("trailer_plate", (_EQUIPMENT,), _TRAILER, ("id", "categoryCode")),
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
    dropped=drop(
        person=(
            "*/specifiedContactPerson",
            "*/definedTradeContact",
            "*/definedContactDetails",
            "*/personName",
        ),
        name_or_address=("*/postalTradeAddress", "*/postalAddress", "*/name"),
        position_in_a_list=("*/sequenceNumber",),
    ),
)
FORMAT = MessageFormat(name="efti", table=TABLE)
