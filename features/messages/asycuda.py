"""ASYCUDA World: the single administrative document as the system exports it.

The export has no namespace and no version; real ones validate against no public schema, so it is
read by path. Boxes are those of the SAD.
"""

from collections.abc import Sequence

from engine.domain.field_types import is_nothing
from features.messages.documents import Node
from features.messages.path_tables import (
    ROAD_MODES,
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
    drop,
    hs_code,
    identifier,
    identifiers,
    incoterm,
    invoice_amount,
    looks_like_plate,
    mass,
    moment,
    number,
    previous_documents,
    procedure_of,
    split_plates,
    text,
    within,
)

ROOTS = frozenset({("", "ASYCUDA")})
_BORDER = "Transport/Means_of_transport/Border_information"
_INLAND = "Transport/Means_of_transport/Departure_arrival_information"
_MODE = f"{_BORDER}/Mode"
_INVOICE = "Valuation/Gs_Invoice"
_OFFICE = "Transport/Border_office/Code"
_TYPE = "Identification/Type/Type_of_declaration"
_REGISTRATION = "Identification/Registration"
_TRANSIT_TYPES = frozenset({"TR", "T1", "T2", "TIR"})
_HIGHEST_RATE = 1e4


def _means(nodes: Sequence[Node]) -> Node | None:
    """Return the group that names the vehicle: at the border, if it is on a road there.

    If nothing is named at the border, it is that of the departure or arrival, whatever the mode at
    the border.
    """
    border = next((node for node in nodes if node.path == _BORDER and _names(node)), None)
    if border is None:
        return next((node for node in nodes if node.path == _INLAND and _names(node)), None)
    mode = border.text_at("Mode")
    return border if mode is None or mode in ROAD_MODES else None


def _names(means: Node) -> bool:
    identity = means.text_at("Identity")
    return identity is not None and not is_nothing(identity)


def _plates(
    name: str, nodes: Sequence[Node], context: TranslationContext
) -> tuple[str | None, str | None]:
    means = _means(nodes)
    if means is None:
        return None, None
    node = means.find_all("Identity")[0]
    plate, trailer = split_plates(node.text)
    if not looks_like_plate(plate):
        if name == "plate":
            context.gap(name, node, "not_a_plate")
        return None, None
    return checked_identifier(name, node, plate, context), trailer


def _plate(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the vehicle's plate; ``A/B`` is a vehicle and its trailer where both look like it."""
    return _plates(name, nodes, context)[0]


def _trailer(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the trailer's plate behind the stroke."""
    return _plates(name, nodes, context)[1]


def _plate_country(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the nationality that stands next to the plate."""
    means = _means(nodes)
    if means is None or _plates("plate_country", nodes, context)[0] is None:
        return None
    return country(name, means.find_all("Nationality"), context)


def _seals(name: str, nodes: Sequence[Node], context: TranslationContext) -> list[str]:
    """Return the seals, which one box joins by commas, semicolons or strokes."""
    found = []
    for node in nodes:
        for part in node.text.replace(";", ",").replace("/", ",").split(","):
            value = checked_identifier(name, node, part.strip(), context) if part.strip() else None
            found += [] if value is None else [value]
    return list(dict.fromkeys(found))[:64]


def _procedure(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return transit by the type of declaration, else what the extended procedure begins with."""
    types = [node for node in nodes if not node.path.startswith("Item/")]
    for node in types:
        if node.text in _TRANSIT_TYPES:
            return "transit"
    code = identifier(name, [node for node in nodes if node.path.startswith("Item/")], context)
    return None if code is None else procedure_of(code)


def _cmr(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the reference of the document named CMR, without ``NR``; it must hold a digit."""
    for node in nodes:
        named = (node.text_at("Attached_document_name") or "").strip(" .").casefold()
        if named != "cmr":
            continue
        for reference in node.find_all("Attached_document_reference"):
            value = _without_prefix(reference.text)
            if any(c.isdigit() for c in value):
                return checked_identifier(name, reference, value, context)
            if reference.text:
                context.gap(name, reference, "no_digit")
    return None


def _without_prefix(raw: str) -> str:
    head, _, rest = raw.partition(" ")
    if head.rstrip(".:").casefold() in ("nr", "no", "n") and rest:
        return rest.strip()
    for prefix in ("NR.", "Nr.", "nr."):
        if raw.startswith(prefix):
            return raw.removeprefix(prefix).strip()
    return raw


def propose_id(root: Node, context: TranslationContext) -> str | None:
    """Return office, year, serial and number; else the declarant's code and reference."""
    name = "declaration_id"
    office = root.text_at("Identification/Office_segment/Customs_clearance_office_code")
    serial = root.text_at(f"{_REGISTRATION}/Serial_number")
    registered = root.text_at(f"{_REGISTRATION}/Number")
    lodged = moment(
        "lodged_at", root.find_all(f"{_REGISTRATION}/Date"), TranslationContext(context.settings)
    )
    if office and registered:
        year = lodged[:4] if lodged else ""
        joined = "-".join(part for part in (office, year, serial, registered) if part)
        return checked_identifier(name, root, joined, context)
    code = root.text_at("Declarant/Declarant_code")
    reference = root.text_at("Declarant/Reference/Number")
    if code and reference:
        return checked_identifier(name, root, f"{code}-{reference}", context)
    return None


def _nature(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return both digits of box 24, joined."""
    return identifier(name, [_join_texts(nodes)], context)


def _join_texts(nodes: Sequence[Node]) -> Node:
    return Node(nodes[0].path, "".join(node.text for node in nodes))


def _commodity(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the commodity code with the digits of the first precision, cut to ten."""
    node = nodes[0]
    parts = [node.text_at("Commodity_code"), node.text_at("Precision_1")]
    return hs_code(name, node, [part for part in parts[: 2 if parts[0] else 0] if part], context)


def _duty_rate(name: str, nodes: Sequence[Node], context: TranslationContext) -> float | None:
    """Return amount over base of the line of import duty: its rate has no common unit."""
    lines = [node for node in nodes if node.text_at("Duty_tax_code")]
    duty = [n for n in lines if n.text_at("Duty_tax_code") in context.settings.duty_codes]
    for node in duty[:1]:
        amounts, bases = node.find_all("Duty_tax_amount"), node.find_all("Duty_tax_Base")
        if not amounts or not bases:
            return None
        amount, base = number(name, amounts[0], context), number(name, bases[0], context)
        if amount is None or base is None or base <= 0:
            return None
        return within(name, amounts[0], round(amount / base, 6), context, most=_HIGHEST_RATE)
    return None


def _office_of_entry(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the office of box 29 where the declaration's type begins with I."""
    return _office(name, nodes, context, way="I")


def _office_of_exit(name: str, nodes: Sequence[Node], context: TranslationContext) -> str | None:
    """Return the office of box 29 where the declaration's type begins with E."""
    return _office(name, nodes, context, way="E")


def _office(
    name: str, nodes: Sequence[Node], context: TranslationContext, *, way: str
) -> str | None:
    offices = [node for node in nodes if node.path == _OFFICE and node.text]
    kind = next((node.text for node in nodes if node.path != _OFFICE), "")
    if offices and kind[:1] not in ("I", "E") and way == "I":
        context.gap(name, offices[0], "entry_or_exit")
    return identifier(name, offices, context) if kind[:1] == way else None


_ITEM = (
    Field("hs_code", ("Tarification/HScode",), _commodity, ("Commodity_code", "Precision_1")),
    Field(
        "description",
        ("Goods_description/Commercial_Description", "Goods_description/Description_of_goods"),
        text,
    ),
    Field("origin_country", ("Goods_description/Country_of_origin_code",), country),
    Field("packages", ("Packages/Number_of_packages",), count),
    Field("net_mass_kg", ("Valuation_item/Weight_itm/Net_weight_itm",), mass),
    Field("gross_mass_kg", ("Valuation_item/Weight_itm/Gross_weight_itm",), mass),
    Field(
        "duty_rate",
        ("Taxation/Taxation_line",),
        _duty_rate,
        ("Duty_tax_code", "Duty_tax_amount", "Duty_tax_Base"),
    ),
    Field("preference_code", ("Tarification/Preference_code",), identifier),
    Field("package_kind", ("Packages/Kind_of_packages_code",), identifier),
)
_VALUE = "Valuation_item/Statistical_value"

TABLE = PathTable(
    crossing=(
        Field("plate", (_BORDER, _INLAND), _plate, ("Identity", "Mode")),
        Field("trailer_plate", (_BORDER, _INLAND), _trailer, ("Identity", "Mode")),
        Field("plate_country", (_BORDER, _INLAND), _plate_country, ("Nationality",)),
        Field(
            "container_numbers",
            ("Container/Container_identity", "Item/Container/Container_identity"),
            identifiers,
        ),
        Field("seal_numbers", ("Transit/Seals/Identity",), _seals),
    ),
    declaration=(
        Field("lodged_at", (f"{_REGISTRATION}/Date",), moment),
        Field(
            "procedure",
            (
                _TYPE,
                "Identification/Type/Type_of_transit_document",
                "Item/Tarification/Extended_customs_procedure",
            ),
            _procedure,
        ),
        Field("declarant_id", ("Declarant/Declarant_code",), identifier),
        Field("consignor_id", ("Traders/Exporter/Exporter_code",), identifier),
        Field("consignee_id", ("Traders/Consignee/Consignee_code",), identifier),
        Field(
            "dispatch_country", ("General_information/Country/Export/Export_country_code",), country
        ),
        Field(
            "destination_country",
            ("General_information/Country/Destination/Destination_country_code",),
            country,
        ),
        Field(
            "cmr_number",
            ("Item/Attached_documents", "Attached_documents"),
            _cmr,
            ("Attached_document_name", "Attached_document_reference"),
        ),
        Field("transport_mode", (_MODE,), identifier),
        Field(
            "nature_of_transaction",
            ("Financial/Financial_transaction/code1", "Financial/Financial_transaction/code2"),
            _nature,
        ),
        Field("payment_type", ("Financial/Mode_of_payment",), identifier),
        Field(
            "invoice_value",
            (_INVOICE,),
            invoice_amount("Amount_foreign_currency", "Currency_code"),
            ("Amount_foreign_currency", "Currency_code"),
        ),
        Field("invoice_currency", (f"{_INVOICE}/Currency_code",), currency),
        Field("incoterm", ("Transport/Delivery_terms/Code", "Item/IncoTerms/Code"), incoterm),
        Field("office_of_entry", (_OFFICE, _TYPE), _office_of_entry),
        Field("office_of_exit", (_OFFICE, _TYPE), _office_of_exit),
        Field(
            "previous_documents",
            ("Item/Previous_doc",),
            previous_documents("", "Summary_declaration", "Previous_document_reference"),
            ("Summary_declaration", "Previous_document_reference"),
        ),
        Field(
            "documents",
            (
                "Item/Attached_documents/Attached_document_code",
                "Attached_documents/Attached_document_code",
            ),
            identifiers,
        ),
    ),
    item=_ITEM,
    items=("Item",),
    dropped=drop(
        name_or_address=(
            "*/Exporter_name",
            "*/Consignee_name",
            "*/Financial_name",
            "*/Declarant_name",
            "Transit/Principal",
            "Supplier_documents",
        ),
        person=("*/Declarant_representative", "*/Officer_name"),
        computed_by_customs=("Assessment_notice", "Global_taxes"),
        layout_of_the_form=("Property/Forms", "Property/Selected_page"),
        text_of_a_code=(
            "*/Customs_Clearance_office_name",
            "*/Export_country_name",
            "*/Destination_country_name",
            "*/Country_of_origin_name",
            "*/Kind_of_packages_name",
            "*/Currency_name",
            "*/Suppplementary_unit_name",
            "Transport/Border_office/Name",
        ),
    ),
    used=(
        "Identification/Office_segment/Customs_clearance_office_code",
        f"{_REGISTRATION}/Serial_number",
        f"{_REGISTRATION}/Number",
        "Declarant/Reference/Number",
        f"{_INVOICE}/Currency_rate",
        "Property/Nbers/Total_number_of_items",
        f"Item/{_VALUE}",
    ),
)


def _price(root: Node, context: TranslationContext) -> Pricing:
    """Return the statistical value by the rate of the declaration's own currency."""
    rate = _dollar_rate(root, context)

    def value(node: Node) -> float | None:
        values = node.find_all(_VALUE)[:1]
        return convert_to_dollars(values[0], rate, context) if values else None

    return value


def _dollar_rate(root: Node, context: TranslationContext) -> float | None:
    """Return dollars for one unit of the declaration's own currency, None where unknown."""
    invoice = next(iter(root.find_all("Valuation/Gs_Invoice")), None)
    if invoice is not None and invoice.text_at("Currency_code") == "USD":
        rates = invoice.find_all("Currency_rate")
        rate = number("customs_value_usd", rates[0], context) if rates else None
        if rate is not None and rate > 0:
            return 1 / rate
    own = context.settings.own_currency
    return None if own is None else context.settings.rate(own)


FORMAT = MessageFormat(
    name="asycuda",
    roots=ROOTS,
    table=TABLE,
    propose_id=propose_id,
    price=_price,
    party_names={
        "consignor_id": ("Traders/Exporter/Exporter_name",),
        "consignee_id": ("Traders/Consignee/Consignee_name",),
        "declarant_id": ("Declarant/Declarant_name",),
    },
    declared_items="Property/Nbers/Total_number_of_items",
)
