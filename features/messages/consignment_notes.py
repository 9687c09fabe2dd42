"""Consignments as transport documents state them: eCMR notes, and eFTI consignments.

An electronic consignment note is eCMR of UN/CEFACT (XML or JSON) or of Open Logistics (JSON). None
of these documents names commodity codes, so they yield what belongs to the crossing alone; goods
lines of a note are reported as gaps. eFTI names the vehicle of each leg, but which leg passes this
post is known to the caller alone.
"""

from collections.abc import Sequence

from features.messages.documents import Node
from features.messages.path_tables import (
    Field,
    MessageFormat,
    PathTable,
    TranslationContext,
    body_type,
    checked_identifier,
    country,
    drop,
    identifier,
    identifiers,
    looks_like_plate,
    part_of,
    where,
)

ECMR_ROOTS = frozenset({("urn:un:unece:uncefact:data:standard:eCMR:1", "eCMR"), ("json", "eCMR")})
OPEN_LOGISTICS_ROOTS = frozenset({("json", "ecmrConsignment")})
_CONSIGNMENT = "SpecifiedSupplyChainConsignment"
_EQUIPMENT = f"{_CONSIGNMENT}/UtilizedLogisticsTransportEquipment"
_GOODS = f"{_CONSIGNMENT}/IncludedSupplyChainConsignmentItem"


def plate_of(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the first text that looks like a plate, or note that it does not."""
    for node in nodes:
        if looks_like_plate(node.text):
            return checked_identifier(name, node, node.text, context)
        if node.text:
            context.gap(name, node, "not_a_plate")
            return None
    return None


def _note_number(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the number of the consignment note; it must hold a digit."""
    for node in nodes:
        if any(character.isdigit() for character in node.text):
            return checked_identifier(name, node, node.text, context)
        if node.text:
            context.gap(name, node, "no_digit")
    return None


_WITHOUT_CATEGORY = where("CategoryCode", None)
_PLATE = part_of(
    _WITHOUT_CATEGORY,
    "ID",
    plate_of,
    says="the identity of the equipment without a category, where it looks like a plate",
)
_TRAILER = part_of(
    where("CategoryCode", "TE"), "ID", says="the identity of the equipment of category TE"
)
_CONTAINERS = part_of(
    where("CategoryCode", "CN", "BPN"),
    "ID",
    identifiers,
    says="the identities of the equipment of category CN or BPN",
)
_REGISTRATION = part_of(
    _WITHOUT_CATEGORY,
    "RegistrationTradeCountry/ID",
    country,
    says="the country in which the equipment without a category is registered",
)
ECMR_TABLE = PathTable(
    crossing=(
        Field("plate", (_EQUIPMENT,), _PLATE, ("ID", "CategoryCode")),
        Field("trailer_plate", (_EQUIPMENT,), _TRAILER, ("ID", "CategoryCode")),
        Field("plate_country", (_EQUIPMENT,), _REGISTRATION, ("RegistrationTradeCountry/ID",)),
        Field("container_numbers", (_EQUIPMENT,), _CONTAINERS, ("ID", "CategoryCode")),
        Field(
            "seal_numbers",
            (f"{_EQUIPMENT}/AffixedLogisticsSeal/ID", f"{_CONSIGNMENT}/AffixedLogisticsSeal/ID"),
            identifiers,
        ),
        Field("body_type", (f"{_EQUIPMENT}/CharacteristicCode",), body_type),
        Field("carrier_id", (f"{_CONSIGNMENT}/CarrierTradeParty/ID",), identifier),
        Field("cmr_number", ("ExchangedDocument/ID",), _note_number),
    ),
    dropped=drop(
        person=("*/DefinedTradeContact", "*/PersonName"),
        name_or_address=("*/PostalTradeAddress", "*/Name"),
        item_without_code=(_GOODS,),
    ),
)

_CARRIER = "carrierInformation"
OPEN_LOGISTICS_TABLE = PathTable(
    crossing=(
        Field("plate", (f"{_CARRIER}/carrierLicensePlate",), plate_of),
        Field("carrier_id", (f"{_CARRIER}/carrierId",), identifier),
        Field("cmr_number", ("referenceIdentificationNumber/value",), _note_number),
    ),
    dropped=drop(
        person=(
            "*/email",
            "*/phone",
            "*/carrierPhone",
            "*/driverPhone",
            "*/senderPersonName",
            "*/consigneePersonName",
            "*/carrierDriverName",
            "*/successiveCarrierDriverName",
        ),
        name_or_address=(
            "senderInformation",
            "consigneeInformation",
            "successiveCarrierInformation",
        ),
        item_without_code=("itemList",),
    ),
)


ECMR = (
    MessageFormat(name="ecmr", roots=ECMR_ROOTS, table=ECMR_TABLE, uncoded_lines=_GOODS),
    MessageFormat(
        name="ecmr",
        roots=OPEN_LOGISTICS_ROOTS,
        table=OPEN_LOGISTICS_TABLE,
        uncoded_lines="itemList",
    ),
)


EFTI_ROOTS = frozenset(
    {
        ("http://efti.eu/v1/consignment/common", "consignment"),
        ("http://efti.eu/v1/consignment/identifier", "consignment"),
    }
)
_EFTI_EQUIPMENT = "usedTransportEquipment"
_LEG = "mainCarriageTransportMovement"


_EFTI_TRAILER = part_of(
    where("categoryCode", "AE"), "id", says="the identity of the equipment of category AE"
)


def _leave_to_caller(name: str, nodes: Sequence[Node], context: TranslationContext) -> None:
    """Note each leg's vehicle: which one is at this post is the caller's to say."""
    for node in nodes:
        context.gap(name, node, "leg_not_known")


EFTI_TABLE = PathTable(
    crossing=(
        Field("plate", (f"{_LEG}/usedTransportMeans/id",), _leave_to_caller),
        Field("trailer_plate", (_EFTI_EQUIPMENT,), _EFTI_TRAILER, ("id", "categoryCode")),
        Field(
            "container_numbers", (f"{_EFTI_EQUIPMENT}/carriedTransportEquipment/id",), identifiers
        ),
        Field(
            "seal_numbers",
            (
                f"{_EFTI_EQUIPMENT}/affixedLogisticsSeal/id",
                f"{_EFTI_EQUIPMENT}/carriedTransportEquipment/affixedLogisticsSeal/id",
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
EFTI = MessageFormat(name="efti", roots=EFTI_ROOTS, table=EFTI_TABLE)
