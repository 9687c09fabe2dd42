"""WCO Data Model declaration (DEC 3.6) as the authorities of the UK and Denmark publish it."""

from collections.abc import Sequence

from babel.numbers import get_territory_currencies

from features.messages.documents import Document, DocumentRefusedError, Node, rebase
from features.messages.path_tables import (
    MOST_VALUE,
    Field,
    MessageFormat,
    PathTable,
    Pricing,
    TranslationContext,
    amount,
    body_type,
    checked_identifier,
    convert_to_dollars,
    count,
    countries,
    country,
    currency,
    document_reference,
    drop,
    hs_code,
    identifier,
    identifiers,
    incoterm,
    mass,
    moment,
    part_of,
    previous_documents,
    procedure_of,
    text,
    un_number,
    where,
    within,
)

DECLARATION_NAMESPACE = "urn:wco:datamodel:WCO:DEC-DMS:2"
ROOTS = frozenset(
    {
        (DECLARATION_NAMESPACE, "Declaration"),
        ("urn:wco:datamodel:WCO:DocumentMetaData-DMS:2", "MetaData"),
    }
)
ORIGINAL = "9"
_ITEM = "GoodsShipment/GovernmentAgencyGoodsItem"
_CLASSIFICATION = ("HS", "TSP")
_FURTHER = ("CN", "TRC")
_MEANS = (
    "BorderTransportMeans",
    "GoodsShipment/Consignment/BorderTransportMeans",
    "GoodsShipment/Consignment/ArrivalTransportMeans",
    "GoodsShipment/Consignment/DepartureTransportMeans",
    "Consignment/ArrivalTransportMeans",
)
_DOCUMENTS = (
    "AdditionalDocument",
    "GoodsShipment/AdditionalDocument",
    "GoodsShipment/PreviousDocument",
    "GoodsShipment/Consignment/TransportContractDocument",
    f"{_ITEM}/AdditionalDocument",
    f"{_ITEM}/PreviousDocument",
)
_PRESENTED = (
    "AdditionalDocument",
    "GoodsShipment/AdditionalDocument",
    "GoodsShipment/Consignment/TransportContractDocument",
    f"{_ITEM}/AdditionalDocument",
    f"{_ITEM}/SupportingDocument",
)
_INVOICE = ("InvoiceAmount", f"{_ITEM}/Commodity/InvoiceLine/ItemChargeAmount")
_EQUIPMENT = (
    "GoodsShipment/Consignment/TransportEquipment",
    f"{_ITEM}/Commodity/TransportEquipment",
)


def _vehicle(nodes: Sequence[Node]) -> Sequence[Node]:
    """Return the means identified by a road vehicle's plate (30), else by a trailer's (31)."""
    kind = "IdentificationTypeCode"
    return where(kind, "30", has="ID")(nodes) or where(kind, "31", has="ID")(nodes)


_PLATE = part_of(
    _vehicle, "ID", says="the identity of a means of transport with type code 30, else 31"
)
_NATIONALITY = part_of(
    _vehicle,
    "RegistrationNationalityCode",
    country,
    says="the nationality that stands with the plate",
)


def _trailer(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the identity with type code 31 where another one has 30."""
    is_road = [node.text_at("IdentificationTypeCode") == "30" for node in _vehicle(nodes)]
    others = where("IdentificationTypeCode", "31")(nodes) if any(is_road) else []
    return identifier(name, [each for node in others for each in node.find_all("ID")], context)


def _procedure(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return what the first pair of current and previous procedure says."""
    for node in nodes:
        now, before = node.text_at("CurrentCode"), node.text_at("PreviousCode")
        if now and before:
            checked = checked_identifier(name, node, now + before, context)
            return None if checked is None else procedure_of(checked)
    return None


def _commodity(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return HS (or TSP), then CN and TRC, joined and cut to ten digits."""
    parts = []
    for kinds in (_CLASSIFICATION, *((kind,) for kind in _FURTHER)):
        for node in nodes:
            code = node.text_at("ID")
            if code and node.text_at("IdentificationTypeCode") in kinds:
                parts.append(code)
                break
        if not parts:
            return None
    return hs_code(name, nodes[0], parts, context)


def _origin(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the non-preferential origin (type 1) first, else the first one."""
    first = sorted(nodes, key=lambda node: node.text_at("TypeCode") != "1")
    return country(name, [each for node in first for each in node.find_all("CountryCode")], context)


def _find_totals(nodes: Sequence[Node]) -> tuple[Sequence[Node], str | None]:
    """Return the total, else the amounts of the items, and their currency; None for several."""
    stated = [node for node in nodes if node.text]
    totals = [node for node in stated if node.path == "InvoiceAmount"][:1] or stated
    currencies = {node.attributes.get("currencyID", "") for node in totals}
    return totals, currencies.pop() if len(currencies) == 1 else None


def _invoice_value(name: str, nodes: Sequence[Node], context: TranslationContext) -> float | None:
    """Return the total of the invoice, else the sum over its items in one currency."""
    totals, unit = _find_totals(nodes)
    if totals and not unit:
        rule = "several_currencies" if unit is None else "no_currency"
        context.gap(name, totals[0], rule)
        return None
    found = [amount(name, [node], context) for node in totals]
    known = [value for value in found if value is not None]
    if not totals or len(known) < len(found):
        return None
    return within(name, totals[0], round(sum(known), 2), context, most=MOST_VALUE)


def _invoice_currency(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the currency of the invoice, where there is one alone."""
    totals, unit = _find_totals(nodes)
    return currency(name, [Node(totals[0].path, unit)], context) if unit else None


def _documents(name: str, nodes: Sequence[Node], context: TranslationContext) -> list[str]:
    """Return category and type of each document, joined, each once; at most 64."""
    codes = [(node.text_at("CategoryCode"), node.text_at("TypeCode")) for node in nodes]
    joined = ["".join(part for part in code if part) for code in codes]
    return identifiers(name, [Node(nodes[0].path, code) for code in joined], context)


TABLE = PathTable(
    crossing=(
        Field("plate", _MEANS, _PLATE, ("ID", "IdentificationTypeCode")),
        Field("trailer_plate", _MEANS, _trailer, ("ID", "IdentificationTypeCode")),
        Field("plate_country", _MEANS, _NATIONALITY, ("RegistrationNationalityCode",)),
        Field("container_numbers", tuple(f"{each}/ID" for each in _EQUIPMENT), identifiers),
        Field("seal_numbers", tuple(f"{each}/Seal/ID" for each in _EQUIPMENT), identifiers),
        Field("body_type", tuple(f"{each}/CharacteristicCode" for each in _EQUIPMENT), body_type),
    ),
    declaration=(
        Field("lodged_at", ("AcceptanceDateTime", "AcceptanceDateTime/DateTimeString"), moment),
        Field(
            "procedure",
            (f"{_ITEM}/GovernmentProcedure",),
            _procedure,
            ("CurrentCode", "PreviousCode"),
        ),
        Field(
            "tir_carnet",
            _DOCUMENTS,
            document_reference("TypeCode", "ID", "952", "N952"),
            ("ID", "TypeCode"),
        ),
        Field(
            "cmr_number",
            _DOCUMENTS,
            document_reference("TypeCode", "ID", "730", "N730", has_digit=True),
            ("ID", "TypeCode"),
        ),
        Field("declarant_id", ("Declarant/ID",), identifier),
        Field(
            "consignor_id",
            ("GoodsShipment/Consignor/ID", "Exporter/ID", "GoodsShipment/Exporter/ID"),
            identifier,
        ),
        Field(
            "consignee_id", ("GoodsShipment/Importer/ID", "GoodsShipment/Consignee/ID"), identifier
        ),
        Field(
            "dispatch_country",
            ("GoodsShipment/ExportCountry/ID", "GoodsShipment/DispatchCountry/ID"),
            country,
        ),
        Field("destination_country", ("GoodsShipment/Destination/CountryCode",), country),
        Field(
            "transport_mode",
            (
                "BorderTransportMeans/ModeCode",
                "GoodsShipment/Consignment/BorderTransportMeans/ModeCode",
            ),
            identifier,
        ),
        Field("invoice_value", _INVOICE, _invoice_value),
        Field("invoice_currency", _INVOICE, _invoice_currency),
        Field("incoterm", ("GoodsShipment/TradeTerms/ConditionCode",), incoterm),
        Field("office_of_entry", ("EntryOffice/ID",), identifier),
        Field("office_of_exit", ("ExitOffice/ID",), identifier),
        Field(
            "route_countries",
            (
                "GoodsShipment/Consignment/Itinerary/RoutingCountryCode",
                "Consignment/Itinerary/RoutingCountryCode",
            ),
            countries,
        ),
        Field(
            "previous_documents",
            ("GoodsShipment/PreviousDocument", f"{_ITEM}/PreviousDocument"),
            previous_documents("TypeCode", "ID"),
            ("TypeCode", "ID"),
        ),
        Field("documents", _PRESENTED, _documents, ("CategoryCode", "TypeCode")),
        Field("guarantee_type", ("ObligationGuarantee/SecurityDetailsCode",), identifier),
    ),
    item=(
        Field(
            "hs_code", ("Commodity/Classification",), _commodity, ("ID", "IdentificationTypeCode")
        ),
        Field("description", ("Commodity/Description",), text),
        Field("origin_country", ("Origin",), _origin, ("CountryCode", "TypeCode")),
        Field("packages", ("Packaging/QuantityQuantity",), count),
        Field("net_mass_kg", ("Commodity/GoodsMeasure/NetNetWeightMeasure",), mass),
        Field("gross_mass_kg", ("Commodity/GoodsMeasure/GrossMassMeasure",), mass),
        Field("preference_code", ("Commodity/DutyTaxFee/DutyRegimeCode",), identifier),
        Field("package_kind", ("Packaging/TypeCode",), identifier),
        Field("un_number", ("Commodity/DangerousGoods/UNDGID",), un_number),
    ),
    items=(_ITEM,),
    dropped=drop(
        name_or_address=("*/Address", "*/Name"),
        person=("*/Contact", "*/Communication"),
        envelope=(
            "WCODataModelVersionCode",
            "WCOTypeName",
            "ResponsibleAgencyName",
            "AgencyAssignedCustomizationVersionCode",
        ),
    ),
    used=(
        "FunctionCode",
        "ID",
        "FunctionalReferenceID",
        "GoodsItemQuantity",
        "ResponsibleCountryCode",
        f"{_ITEM}/SequenceNumeric",
        f"{_ITEM}/StatisticalValueAmount",
    ),
)


def check(document: Document) -> None:
    """Refuse what is no declaration, and what is no original."""
    path = "FunctionCode" if document.name == "Declaration" else "Declaration/FunctionCode"
    if document.name == "MetaData" and "Declaration" not in document.root.children:
        groups = [each for found in document.root.children.values() for each in found]
        if any(each.children for each in groups):
            raise DocumentRefusedError("unsupported_message", detail="MetaData of another message")
        return
    function = document.root.text_at(path)
    if function != ORIGINAL:
        detail = f"not an original: function {function or 'absent'}; send it to /amendments"
        raise DocumentRefusedError("not_an_original", detail=detail)


def _references(document: Document) -> dict[str, str]:
    """Return both identifiers of a declaration, as far as it has them; also of one refused."""
    start = "" if document.name == "Declaration" else "Declaration/"
    found = {name: document.root.text_at(start + name) for name in ("FunctionalReferenceID", "ID")}
    return {name: value for name, value in found.items() if value}


def _body(document: Document) -> Node:
    """Return the declaration; an envelope without one says nothing."""
    if document.name == "Declaration":
        return document.root
    country_code = document.root.text_at("ResponsibleCountryCode")
    found = document.root.children.get("Declaration")
    if found is None:
        return Node("", "")
    body = found[0]
    if country_code:
        body.add("ResponsibleCountryCode", country_code)
    return rebase(body)


def propose_id(root: Node, context: TranslationContext) -> str | None:
    """Return the authority's number (MRN), else the declarant's and the functional reference."""
    own = identifier("declaration_id", root.find_all("ID"), context)
    reference = root.text_at("FunctionalReferenceID")
    if own or not reference:
        return own
    joined = "-".join(part for part in (root.text_at("Declarant/ID"), reference) if part)
    return checked_identifier("declaration_id", root, joined, context)


def _price(root: Node, context: TranslationContext) -> Pricing:
    """Return the statistical value in dollars, by the rate of its currency."""
    authority = root.text_at("ResponsibleCountryCode")

    def value(node: Node) -> float | None:
        for found in node.find_all("StatisticalValueAmount"):
            currency = found.attributes.get("currencyID") or context.settings.own_currency
            if currency is None and authority:
                currency = next(iter(get_territory_currencies(authority)), None)
            rate = None if currency is None else context.settings.rate(currency)
            return convert_to_dollars(found, rate, context)
        return None

    return value


FORMAT = MessageFormat(
    name="wco",
    roots=ROOTS,
    table=TABLE,
    propose_id=propose_id,
    item_number="SequenceNumeric",
    price=_price,
    party_names={
        "consignor_id": ("GoodsShipment/Consignor/Name", "Exporter/Name"),
        "consignee_id": ("GoodsShipment/Importer/Name", "GoodsShipment/Consignee/Name"),
        "declarant_id": ("Declarant/Name",),
    },
    declared_items="GoodsItemQuantity",
    check=check,
    body=_body,
    references=_references,
)
