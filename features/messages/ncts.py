"""NCTS phase 5: the transit declaration (CC015C) and the released movement (CC029C)."""

from collections.abc import Sequence

from features.messages.documents import Document, DocumentRefusedError, Node
from features.messages.path_tables import (
    Field,
    MessageFormat,
    PathTable,
    Rule,
    TranslationContext,
    checked_identifier,
    count,
    countries,
    country,
    document_reference,
    drop,
    hs_code,
    identifier,
    identifiers,
    mass,
    moment,
    part_of,
    previous_documents,
    text,
    un_number,
    where,
)

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
_LEVELS = ("Consignment", _HOUSE, _ITEM)
_OWN_DIGITS = 2
"""Of the combined nomenclature: the seventh and the eighth of a code."""
_TRANSIT_OFFICE = "CustomsOfficeOfTransitDeclared"
_DOCUMENTS = tuple(
    f"{level}/{kind}"
    for level in _LEVELS
    for kind in ("TransportDocument", "SupportingDocument", "PreviousDocument")
)
_REFERENCE_PATHS = ("type", "referenceNumber")
_TIR_REFERENCE = document_reference(*_REFERENCE_PATHS, "N952")


def _means_of(kind: str) -> Rule:
    says = f"the first means of transport identified by type {kind}"
    return part_of(where("typeOfIdentification", kind), "identificationNumber", says=says)


_NATIONALITY = part_of(
    where("typeOfIdentification", _PLATE, has="identificationNumber"),
    "nationality",
    country,
    says="the nationality that stands with the plate",
)


def _carnet(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the carnet's number, else the reference of a document N952."""
    own = [node for node in nodes if node.text]
    return identifier(name, own, context) or _TIR_REFERENCE(name, nodes, context)


def _estimate(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the estimated arrival where one office of transit alone has one."""
    stated = [node for node in nodes if node.text]
    if len(stated) > 1:
        context.gap(name, stated[0], "several_offices")
        return None
    return moment(name, stated, context)


def _procedure(name: str, nodes: Sequence[Node], context: TranslationContext) -> str:
    """Return ``tir`` for a movement under that type, else ``transit``."""
    return "tir" if any(node.text == "TIR" for node in nodes) else "transit"


def _commodity(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the subheading and the combined nomenclature's digits, joined.

    A sender may write the whole code as that of the combined nomenclature; its own two digits alone
    say nothing.
    """
    node = nodes[0]
    head = node.text_at("harmonizedSystemSubHeadingCode") or ""
    tail = node.text_at("combinedNomenclatureCode") or ""
    parts = (head, tail) if head or len(tail) > _OWN_DIGITS else ()
    return hs_code(name, node, [part for part in parts if part], context)


TABLE = PathTable(
    crossing=(
        Field("plate", _MEANS, _means_of(_PLATE), _MEANS_PARTS),
        Field("trailer_plate", _MEANS, _means_of(_TRAILER), _MEANS_PARTS),
        Field("plate_country", _MEANS, _NATIONALITY, ("nationality",)),
        Field("carrier_id", ("Consignment/Carrier/identificationNumber",), identifier),
        Field(
            "container_numbers",
            ("Consignment/TransportEquipment/containerIdentificationNumber",),
            identifiers,
        ),
        Field("seal_numbers", ("Consignment/TransportEquipment/Seal/identifier",), identifiers),
        Field("expected_at", (f"{_TRANSIT_OFFICE}/arrivalDateAndTimeEstimated",), _estimate),
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
        Field("office_of_entry", (f"{_TRANSIT_OFFICE}/referenceNumber",), identifier),
        Field(
            "office_of_exit", ("CustomsOfficeOfExitForTransitDeclared/referenceNumber",), identifier
        ),
        Field("route_countries", ("Consignment/CountryOfRoutingOfConsignment/country",), countries),
        Field(
            "previous_documents",
            tuple(f"{level}/PreviousDocument" for level in _LEVELS),
            previous_documents(*_REFERENCE_PATHS),
            _REFERENCE_PATHS,
        ),
        Field(
            "documents",
            tuple(
                f"{level}/{kind}/type"
                for level in _LEVELS
                for kind in ("SupportingDocument", "TransportDocument", "AdditionalReference")
            ),
            identifiers,
        ),
        Field("guarantee_type", ("Guarantee/guaranteeType",), identifier),
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
        Field("package_kind", ("Packaging/typeOfPackages",), identifier),
        Field("un_number", ("Commodity/DangerousGoods/UNNumber",), un_number),
    ),
    items=(_ITEM,),
    dropped=drop(
        person=("*/ContactPerson",),
        name_or_address=("*/Address", "*/PostcodeAddress", "*/name"),
        position_in_a_list=("*/sequenceNumber",),
        envelope=(
            "messageSender",
            "messageRecipient",
            "messageIdentification",
            "messageType",
            "correlationIdentifier",
        ),
    ),
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


FORMAT = MessageFormat(
    name="ncts",
    roots=ROOTS,
    table=TABLE,
    propose_id=propose_id,
    item_number="declarationGoodsItemNumber",
    party_names={
        "consignor_id": ("Consignment/Consignor/name", f"{_HOUSE}/Consignor/name"),
        "consignee_id": ("Consignment/Consignee/name", f"{_HOUSE}/Consignee/name"),
        "declarant_id": ("HolderOfTheTransitProcedure/name",),
    },
    check=check,
)
