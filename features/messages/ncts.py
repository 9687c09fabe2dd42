"""NCTS phase 5: the transit declaration (CC015C) and the released movement (CC029C)."""

from collections.abc import Callable, Sequence
from typing import Any

from features.messages.path_tables import Field, MessageFormat, PathTable, read_fields
from features.messages.refusal import DocumentRefusedError
from features.messages.tree import Node
from features.messages.values import (
    TranslationContext,
    checked_identifier,
    count,
    country,
    document_reference,
    hs_code,
    identifier,
    identifiers,
    mass,
    moment,
    text,
)
from features.messages.xml_reader import Document

NAMESPACE = "http://ncts.dgtaxud.ec"
ROOTS = frozenset({(NAMESPACE, "CC015C"), (NAMESPACE, "CC029C")})
_HOUSE = "Consignment/HouseConsignment"
_ITEM = f"{_HOUSE}/ConsignmentItem"
_PLATE, _TRAILER = "30", "31"
_MEANS = (
    "Consignment/ActiveBorderTransportMeans",
    "Consignment/DepartureTransportMeans",
    f"{_HOUSE}/DepartureTransportMeans",
)
_MEANS_PARTS = ("typeOfIdentification", "identificationNumber")
_DOCUMENTS = tuple(
    f"{level}/{kind}"
    for level in ("Consignment", _HOUSE, _ITEM)
    for kind in ("TransportDocument", "SupportingDocument", "PreviousDocument")
)
_REFERENCE_PATHS = ("type", "referenceNumber")
_TIR_REFERENCE = document_reference(*_REFERENCE_PATHS, "N952")


def _means_of(kind: str) -> Callable[[str, Sequence[Node], TranslationContext], Any]:
    def rule(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
        found = _first_of(kind, nodes)
        return (
            None
            if found is None
            else identifier(name, found.find_all("identificationNumber"), context)
        )

    rule.__doc__ = f"Return the first means of transport identified by type {kind}."
    return rule


def _first_of(kind: str, nodes: Sequence[Node]) -> Node | None:
    for node in nodes:
        if node.text_at("typeOfIdentification") == kind and node.text_at("identificationNumber"):
            return node
    return None


def _plate_country(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the nationality that stands with the plate."""
    found = _first_of(_PLATE, nodes)
    if found is None:
        return None
    return country(name, found.find_all("nationality"), context)


def _carnet(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the carnet's number, else the reference of a document N952."""
    own = [node for node in nodes if node.text]
    return identifier(name, own, context) or _TIR_REFERENCE(name, nodes, context)


def _procedure(name: str, nodes: Sequence[Node], context: TranslationContext) -> str:
    """Return ``tir`` for a movement under that type, else ``transit``."""
    return "tir" if any(node.text == "TIR" for node in nodes) else "transit"


def _commodity(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the subheading and the combined nomenclature's digits, joined."""
    node = nodes[0]
    head = node.text_at("harmonizedSystemSubHeadingCode")
    tail = node.text_at("combinedNomenclatureCode")
    return hs_code(name, node, [part for part in (head, tail) if head and part], context)


TABLE = PathTable(
    crossing=(
        Field("plate", _MEANS, _means_of(_PLATE), _MEANS_PARTS),
        Field("trailer_plate", _MEANS, _means_of(_TRAILER), _MEANS_PARTS),
        Field("plate_country", _MEANS, _plate_country, ("nationality",)),
        Field("carrier_id", ("Consignment/Carrier/identificationNumber",), identifier),
        Field(
            "container_numbers",
            ("Consignment/TransportEquipment/containerIdentificationNumber",),
            identifiers,
        ),
        Field("seal_numbers", ("Consignment/TransportEquipment/Seal/identifier",), identifiers),
    ),
    declaration=(
        Field(
            "lodged_at",
            ("TransitOperation/declarationAcceptanceDate", "preparationDateAndTime"),
            moment,
        ),
        Field("procedure", ("TransitOperation/declarationType",), _procedure),
        Field(
            "tir_carnet",
            ("TransitOperation/TIRCarnetNumber", *_DOCUMENTS),
            _carnet,
        ),
        Field(
            "cmr_number",
            _DOCUMENTS,
            document_reference(*_REFERENCE_PATHS, "N730"),
            _REFERENCE_PATHS,
        ),
        Field("declarant_id", ("HolderOfTheTransitProcedure/identificationNumber",), identifier),
        Field(
            "consignor_id",
            (
                "Consignment/Consignor/identificationNumber",
                f"{_HOUSE}/Consignor/identificationNumber",
            ),
            identifier,
        ),
        Field(
            "consignee_id",
            (
                "Consignment/Consignee/identificationNumber",
                f"{_HOUSE}/Consignee/identificationNumber",
            ),
            identifier,
        ),
        Field(
            "dispatch_country",
            (
                "Consignment/countryOfDispatch",
                f"{_HOUSE}/countryOfDispatch",
                f"{_ITEM}/countryOfDispatch",
            ),
            country,
        ),
        Field(
            "destination_country",
            (
                "Consignment/countryOfDestination",
                f"{_HOUSE}/countryOfDestination",
                f"{_ITEM}/countryOfDestination",
            ),
            country,
        ),
        Field("transport_mode", ("Consignment/modeOfTransportAtTheBorder",), identifier),
    ),
    item=(
        Field(
            "hs_code",
            ("Commodity/CommodityCode",),
            _commodity,
            ("harmonizedSystemSubHeadingCode", "combinedNomenclatureCode"),
        ),
        Field("description", ("Commodity/descriptionOfGoods",), text),
        Field("packages", ("Packaging/numberOfPackages",), count),
        Field("net_mass_kg", ("Commodity/GoodsMeasure/netMass",), mass),
        Field("gross_mass_kg", ("Commodity/GoodsMeasure/grossMass",), mass),
    ),
    items=(_ITEM,),
    dropped={
        "*/ContactPerson": "person",
        "*/Address": "name_or_address",
        "*/PostcodeAddress": "name_or_address",
        "*/name": "name_or_address",
        "*/sequenceNumber": "position_in_a_list",
        "messageSender": "envelope",
        "messageRecipient": "envelope",
        "messageIdentification": "envelope",
        "messageType": "envelope",
        "correlationIdentifier": "envelope",
    },
    used=(
        "TransitOperation/MRN",
        "TransitOperation/LRN",
        f"{_ITEM}/declarationGoodsItemNumber",
    ),
)


def check(document: Document) -> None:
    """Refuse another phase than the one that is read."""
    phase = document.attributes.get("PhaseID", "NCTS5.1")
    if not phase.startswith("NCTS5"):
        raise DocumentRefusedError("unsupported_version", detail=f"{document.name} of {phase[:16]}")


def propose_id(root: Node, context: TranslationContext) -> str | None:
    """Return the movement's number (MRN), else the declarant's local one (LRN)."""
    for name in ("MRN", "LRN"):
        for node in root.find_all(f"TransitOperation/{name}"):
            return checked_identifier("declaration_id", node, node.text, context)
    return None


def read_items(root: Node, context: TranslationContext) -> list[dict[str, Any]]:
    """Return the goods items of all houses with the number that the declaration gives each."""
    found = []
    for node in root.find_all(_ITEM):
        item = read_fields(TABLE.item, node, context)
        numbers = node.find_all("declarationGoodsItemNumber")
        position = count("item_no", numbers[:1], context) if numbers else None
        found.append(item if position is None else item | {"item_no": position})
    return found


FORMAT = MessageFormat(
    name="ncts",
    table=TABLE,
    propose_id=propose_id,
    read_items=read_items,
    party_names={
        "consignor_id": ("Consignment/Consignor/name", f"{_HOUSE}/Consignor/name"),
        "consignee_id": ("Consignment/Consignee/name", f"{_HOUSE}/Consignee/name"),
        "declarant_id": ("HolderOfTheTransitProcedure/name",),
    },
    check=check,
)
