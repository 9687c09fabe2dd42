"""Goods declarations of the Eurasian Economic Union: ESADout_CU 5.23, alone or in its envelope."""

from collections.abc import Sequence

from features.messages.documents import Document, Node, rebase
from features.messages.path_tables import (
    Field,
    MessageFormat,
    PathTable,
    Pricing,
    TranslationContext,
    checked_identifier,
    convert_to_dollars,
    count,
    country,
    currency,
    document_reference,
    drop,
    hs_code,
    identifier,
    identifiers,
    incoterm,
    invoice_amount,
    looks_like_plate,
    mass,
    moment,
    part_of,
    previous_documents,
    procedure_of,
    text,
)

ROOTS = frozenset(
    {
        ("urn:customs.ru:Information:CustomsDocuments:ESADout_CU:5.23.0", "ESADout_CU"),
        ("urn:customs.ru:Information:ExchangeDocuments:ED_Container:5.22.0", "ED_Container"),
    }
)
_SHIPMENT = "ESADout_CUGoodsShipment"
_CONSIGNMENT = f"{_SHIPMENT}/ESADout_CUConsigment"
_ITEM = f"{_SHIPMENT}/ESADout_CUGoods"
_CONTRACT = f"{_SHIPMENT}/ESADout_CUMainContractTerms"
_MEANS = (
    f"{_CONSIGNMENT}/ESADout_CUBorderTransport",
    f"{_CONSIGNMENT}/ESADout_CUDepartureArrivalTransport",
)
_VEHICLES = tuple(f"{path}/RUTransportMeans" for path in _MEANS)
_TRANSIT = "ТТ"
_REFERENCE_PATHS = ("PresentedDocumentModeCode", "PrDocumentNumber")
_DOCUMENTS = (
    f"{_ITEM}/ESADout_CUPresentedDocument",
    f"{_SHIPMENT}/ESADout_CUPresentedDocument",
)
_IDENTIFIERS = (
    "RFOrganizationFeatures/INN",
    "RKOrganizationFeatures/BIN",
    "RBOrganizationFeatures/UNP",
    "KGOrganizationFeatures/KGINN",
    "RAOrganizationFeatures/UNN",
)


def _first(nodes: Sequence[Node]) -> Sequence[Node]:
    return [node for node in nodes if node.text_at("TransportIdentifier")][:1]


_NATIONALITY = part_of(
    _first, "TransportMeansNationalityCode", country, says="the nationality of the first vehicle"
)
_VIN = part_of(_first, "VIN", says="the vehicle identification number of the first vehicle")


def _plates(nodes: Sequence[Node]) -> list[Node]:
    """Return the identifiers that look like plates at the border, else inland."""
    for path in _VEHICLES:
        found = [
            each
            for node in nodes
            if node.path == path
            for each in node.find_all("TransportIdentifier")
            if looks_like_plate(each.text)
        ]
        if found:
            return found
    return []


def _plate(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the first vehicle's identifier at the border, else at departure or arrival."""
    return identifier(name, _plates(nodes)[:1], context)


def _trailer(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the second vehicle's identifier, where there is one."""
    return identifier(name, _plates(nodes)[1:2], context)


def _procedure(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return transit for ТТ, else what the procedure code of the goods begins with."""
    if any(node.text == _TRANSIT for node in nodes if node.path == "CustomsProcedure"):
        return "transit"
    codes = [node for node in nodes if node.path != "CustomsProcedure"]
    code = identifier(name, codes or nodes, context)
    return None if code is None else procedure_of(code)


def _party(role: str) -> tuple[str, ...]:
    return tuple(f"{_SHIPMENT}/{role}/{path}" for path in _IDENTIFIERS)


def _organization(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the number of an organization; that of a natural person is not taken."""
    for node in nodes:
        if node.text:
            if _is_person(node):
                context.gap(name, node, "number_of_a_person")
                return None
            return checked_identifier(name, node, node.text, context)
    return None


def _is_person(node: Node) -> bool:
    """Tell a person's tax number from an organization's by its form.

    Russia: 12 digits and not 10. Kazakhstan: the fifth digit of a BIN is 4 to 6, of a person's IIN
    it belongs to a date. Kyrgyzstan: 14 digits, a person's begin with 1 or 2.
    """
    kind, number = node.path.rsplit("/", 1)[-1], node.text
    if kind == "BIN":
        return len(number) == 12 and number[4] not in "456"
    if kind == "KGINN":
        return len(number) == 14 and number[0] in "12"
    return kind == "INN" and len(number) != 10


def _commodity(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the code of the common nomenclature (TN VED), digits alone."""
    node = nodes[0]
    return hs_code(name, node, [node.text] if node.text else [], context)


TABLE = PathTable(
    crossing=(
        Field("plate", _VEHICLES, _plate, ("TransportIdentifier",)),
        Field("trailer_plate", _VEHICLES, _trailer, ("TransportIdentifier",)),
        Field("plate_country", _VEHICLES, _NATIONALITY, ("TransportMeansNationalityCode",)),
        Field("vin", _VEHICLES, _VIN, ("VIN",)),
        Field(
            "container_numbers",
            (
                f"{_ITEM}/ESADout_CUContainers/ContainerIdentificaror/ContainerIdentificaror",
                f"{_ITEM}/ESADGoodsContainer/ContainerNumber/ContainerIdentificaror",
            ),
            identifiers,
        ),
        Field("carrier_id", _party("ESADout_CUCarrier"), _organization),
    ),
    declaration=(
        Field("lodged_at", ("EECEDocHeaderAddInfo/EDocDateTime",), moment),
        Field(
            "procedure",
            (
                "CustomsProcedure",
                "CustomsModeCode",
                f"{_ITEM}/ESADCustomsProcedure/MainCustomsModeCode",
            ),
            _procedure,
        ),
        Field(
            "tir_carnet",
            _DOCUMENTS,
            document_reference(*_REFERENCE_PATHS, "02024"),
            _REFERENCE_PATHS,
        ),
        Field(
            "cmr_number",
            _DOCUMENTS,
            document_reference(*_REFERENCE_PATHS, "02015"),
            _REFERENCE_PATHS,
        ),
        Field("declarant_id", _party("ESADout_CUDeclarant"), _organization),
        Field("consignor_id", _party("ESADout_CUConsignor"), _organization),
        Field("consignee_id", _party("ESADout_CUConsignee"), _organization),
        Field("dispatch_country", (f"{_CONSIGNMENT}/DispatchCountryCode",), country),
        Field("destination_country", (f"{_CONSIGNMENT}/DestinationCountryCode",), country),
        Field("transport_mode", tuple(f"{path}/TransportModeCode" for path in _MEANS), identifier),
        Field(
            "invoice_value",
            (_CONTRACT,),
            invoice_amount("TotalInvoiceAmount", "ContractCurrencyCode"),
            ("TotalInvoiceAmount", "ContractCurrencyCode"),
        ),
        Field("invoice_currency", (f"{_CONTRACT}/ContractCurrencyCode",), currency),
        Field(
            "incoterm",
            (f"{_CONTRACT}/CUESADDeliveryTerms/DeliveryTermsStringCode",),
            incoterm,
        ),
        Field("office_of_entry", (f"{_CONSIGNMENT}/PPBorderCustoms/Code",), identifier),
        Field(
            "previous_documents",
            (f"{_ITEM}/ESADout_CUPrecedingDocument",),
            previous_documents("PrecedingDocumentModeCode", "PrecedingDocumentNumber"),
            ("PrecedingDocumentModeCode", "PrecedingDocumentNumber"),
        ),
        Field(
            "documents", tuple(f"{path}/{_REFERENCE_PATHS[0]}" for path in _DOCUMENTS), identifiers
        ),
        Field("guarantee_type", (f"{_SHIPMENT}/TDGuarantee/MeasureCode",), identifier),
    ),
    item=(
        Field("hs_code", ("GoodsTNVEDCode",), _commodity),
        Field("description", ("GoodsDescription",), text),
        Field("origin_country", ("OriginCountryCode",), country),
        Field("packages", ("ESADGoodsPackaging/PakageQuantity",), count),
        Field("net_mass_kg", ("NetWeightQuantity",), mass),
        Field("gross_mass_kg", ("GrossWeightQuantity",), mass),
        Field(
            "package_kind",
            (
                "ESADGoodsPackaging/PackingInformation/PackingCode",
                "ESADGoodsPackaging/PackagePalleteInformation/PalleteCode",
            ),
            identifier,
        ),
    ),
    items=(_ITEM,),
    dropped=drop(
        person=(
            "*/ESADout_CUDriverInformation",
            "*/SigningDetails",
            "FilledPerson",
            "*/IdentityCard",
            "*/PersonSurname",
            "*/PersonName",
            "*/PersonMiddleName",
        ),
        name_or_address=("*/SubjectAddressDetails", "*/OrganizationName", "*/ShortName"),
        text_of_a_code=("*/OfficeName", "*/DispatchCountryName", "*/DestinationCountryName"),
        envelope=("DocumentID", "EECEDocHeaderAddInfo"),
    ),
    used=(
        f"{_ITEM}/GoodsNumeric",
        f"{_ITEM}/InvoicedCost",
        f"{_ITEM}/CurrencyCode",
        f"{_ITEM}/StatisticalCost",
        f"{_SHIPMENT}/CustCostCurrencyCode",
        f"{_SHIPMENT}/TotalGoodsNumber",
    ),
)


def _body(document: Document) -> Node:
    """Return the declaration; an envelope without one says nothing."""
    if document.name == "ESADout_CU":
        return document.root
    found = document.root.find_all("ContainerDoc/DocBody/ESADout_CU")
    return rebase(found[0]) if found else Node("", "")


def propose_id(root: Node, context: TranslationContext) -> str | None:
    """Return the registration number where there is one, else the document's identifier."""
    numbers = root.find_all("GTDID/GTDNumber") + root.find_all("DocumentID")
    return identifier("declaration_id", numbers, context)


def _price(_root: Node, context: TranslationContext) -> Pricing:
    """Return the statistical value (in dollars by law), else the invoiced cost by its rate."""

    def value(node: Node) -> float | None:
        stated = [(each, "USD") for each in node.find_all("StatisticalCost")]
        own = node.text_at("CurrencyCode") or node.text_at("InvoicedCurrencyCode")
        for found, unit in (*stated, *((each, own) for each in node.find_all("InvoicedCost"))):
            rate = None if unit is None else context.settings.rate(unit)
            return convert_to_dollars(found, rate, context)
        return None

    return value


FORMAT = MessageFormat(
    name="eaeu",
    roots=ROOTS,
    table=TABLE,
    propose_id=propose_id,
    item_number="GoodsNumeric",
    price=_price,
    party_names={
        "consignor_id": (f"{_SHIPMENT}/ESADout_CUConsignor/OrganizationName",),
        "consignee_id": (f"{_SHIPMENT}/ESADout_CUConsignee/OrganizationName",),
        "declarant_id": (f"{_SHIPMENT}/ESADout_CUDeclarant/OrganizationName",),
    },
    declared_items=f"{_SHIPMENT}/TotalGoodsNumber",
    body=_body,
)
