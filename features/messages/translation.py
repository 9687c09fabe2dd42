"""Standard messages as records: one document in, one translation out.

The command line, bulk loading and the service all call :func:`translate_document`, so that they
cannot disagree. The caller alone knows crossing, post, direction, time and vehicle class;
:func:`join_crossing` joins them with the document. The caller's reading counts. A field that the
caller does not state is taken from the document; if both state it and differ, the field is named,
because two papers that disagree are a signal.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter, ValidationError

from engine.domain.identifiers import fold
from engine.domain.records import (
    MOST_ITEM_NO,
    Crossing,
    Declaration,
    DeclarationHead,
    DocumentField,
    GoodsItem,
    Record,
)
from engine.errors import HomeError, InputError
from engine.storage.home import Home
from features.messages.documents import (
    JSON,
    Document,
    DocumentRefusedError,
    Node,
    read_json,
    read_xml,
)
from features.messages.installed import find_by_root
from features.messages.path_tables import (
    Gap,
    MessageFormat,
    TranslationContext,
    count_unread,
    number,
    pseudonym,
    read_fields,
)
from features.messages.settings import MessageSettings, choose_settings

_FIELDS: tuple[DocumentField, ...] = get_args(DocumentField)


def join_crossing(
    given: Mapping[str, Any],
    document: Mapping[str, Any],
    *,
    declaration: Mapping[str, Any] | None,
) -> tuple[dict[str, Any], tuple[DocumentField, ...]]:
    """Return the crossing, and the fields in which the document and the caller differ.

    ``given`` has the caller's fields, ``document`` the document's (``Translation.crossing``). The
    crossing names the document's declaration unless the caller names another.
    """
    filled = {name: value for name, value in document.items() if name not in given}
    if declaration is not None and "declaration_id" not in given:
        filled["declaration_id"] = declaration["declaration_id"]
    differing = tuple(
        name
        for name in _FIELDS
        if name in given and name in document and _key(given[name]) != _key(document[name])
    )
    return {**given, **filled}, differing


def _key(value: Any) -> object:
    """Return what two spellings of the same identifiers share."""
    return frozenset(map(fold, value)) if isinstance(value, list | tuple) else fold(value)


MAX_ITEMS = 999
SHORTEST_KEY = 32
FORMATS: Mapping[tuple[str, str], MessageFormat] = find_by_root()
"""The format of each known root, by namespace and local name."""
_JSON_STARTS = b"{["


def _names_after(model: type[Record], last: str) -> tuple[str, ...]:
    names = tuple(model.model_fields)
    return names[names.index(last) + 1 :]


CROSSING_ADDITIONS = _names_after(Crossing, "declaration_id")
DECLARATION_ADDITIONS = _names_after(DeclarationHead, "payment_type")
ITEM_ADDITIONS = _names_after(GoodsItem, "origin_marking")
"""Fields that a line of ``records.jsonl`` has apart from the others."""


@dataclass(frozen=True, slots=True)
class Translation:
    """What became of one document."""

    format: str
    status: str
    """``accepted``, ``no_declaration`` (the crossing alone) or ``refused``."""
    rule: str | None = None
    """Why it was refused."""
    line: int | None = None
    detail: str = ""
    crossing: Mapping[str, Any] = field(default_factory=dict)
    declaration: Mapping[str, Any] | None = None
    gaps: tuple[Gap, ...] = ()
    unread: Mapping[str, int] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    """Identifiers that an answer repeats, also of a document that was refused; no part of a line of
    ``records.jsonl``."""

    def to_json(self, document: str) -> dict[str, Any]:
        """Return it as the line of ``records.jsonl`` that names this document.

        Fields that few senders fill (:data:`CROSSING_ADDITIONS` and the like) stand in
        ``additional``, apart from the others.
        """
        line = {"document": document} | asdict(self) | {"gaps": [asdict(gap) for gap in self.gaps]}
        del line["references"]
        line["additional"] = _take_additional(line)
        return line


TRANSLATION = TypeAdapter(Translation)


def translate_document(
    data: bytes, settings: MessageSettings, *, pseudonym_key: bytes | None = None
) -> Translation:
    """Return what a document says, or why it was refused; nothing of a refused one is read."""
    name, references = "", dict[str, str]()
    try:
        document = _read(data)
        found = FORMATS.get((document.namespace, document.name))
        if found is None:
            raise DocumentRefusedError("unsupported_message", detail=_printable_name(document))
        name, references = found.name, dict(found.references(document))
        found.check(document)
        translated = _translate(document, found, TranslationContext(settings, pseudonym_key))
        return replace(translated, references=references)
    except DocumentRefusedError as refused:
        return Translation(
            name, "refused", refused.rule, refused.line, refused.detail, references=references
        )


def translate_at(home: Home, data: bytes) -> Translation:
    """Return what a document says by a home's settings; raises ``HomeError`` where they fail."""
    try:
        settings = choose_settings(home)
        key = read_pseudonym_key(settings)
    except InputError as error:
        raise HomeError(error.path, error.why) from None
    return translate_document(data, settings, pseudonym_key=key)


def translate_apart(root: Path, data: bytes) -> bytes:
    """Return what a document says as JSON: the work of a worker process."""
    return TRANSLATION.dump_json(translate_at(Home(root), data))


def read_pseudonym_key(settings: MessageSettings) -> bytes | None:
    """Return the key of pseudonyms, None where the settings name none.

    Raises ``InputError`` where the file is missing, short, or readable by others.
    """
    path = settings.pseudonym_key_file
    if path is None:
        return None
    try:
        mode, key = path.stat().st_mode, path.read_bytes().strip()
    except OSError as error:
        raise InputError(path.name, error.strerror or "cannot be read") from None
    if mode & 0o077:
        raise InputError(path.name, "file permissions are too open (expected 0600)")
    if len(key) < SHORTEST_KEY:
        raise InputError(path.name, f"a pseudonym key has at least {SHORTEST_KEY} bytes")
    return key


def _take_additional(line: dict[str, Any]) -> dict[str, Any]:
    """Move the additional fields out of the records of a line; return them, by record."""
    crossing, declaration = line["crossing"], line["declaration"]
    found: dict[str, Any] = {"crossing": _pop(crossing, CROSSING_ADDITIONS)}
    if declaration is not None:
        items = declaration["items"]
        found["declaration"] = _pop(declaration, DECLARATION_ADDITIONS)
        moved = [{"item_no": item["item_no"], **_pop(item, ITEM_ADDITIONS)} for item in items]
        found["items"] = [item for item in moved if len(item) > 1]
    return {name: fields for name, fields in found.items() if fields}


def _pop(record: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: record.pop(name) for name in [*record] if name in names}


def _read(data: bytes) -> Document:
    if data.lstrip()[:1] not in _JSON_STARTS:
        return read_xml(data)
    return read_json(data, sorted(name for space, name in FORMATS if space == JSON))


def _printable_name(document: Document) -> str:
    """Return a root's name, cut and without anything that cannot be printed."""
    return "".join(c for c in document.name[:64] if c.isprintable())


def _translate(
    document: Document, known: MessageFormat, context: TranslationContext
) -> Translation:
    root = known.body(document)
    table = known.table
    items = _checked_items(known, root, context)
    crossing = read_fields(table.crossing, root, context)
    head = read_fields(table.declaration, root, context) if table.declaration else {}
    declaration = None
    if items and table.declaration:
        _name_parties(known, root, head, context)
        if "tir_carnet" in head:
            head["procedure"] = "tir"
        own = known.propose_id(root, context) or _content_id(document)
        declaration = _valid({"declaration_id": own, **head, "items": items}, context)
    return Translation(
        known.name,
        "no_declaration" if declaration is None else "accepted",
        crossing=crossing,
        declaration=declaration,
        gaps=tuple(context.gaps),
        unread=count_unread(document.leaves, known.table.list_mapped(), table.dropped),
    )


def _checked_items(
    known: MessageFormat, root: Node, context: TranslationContext
) -> list[dict[str, Any]]:
    groups = sum(len(root.find_all(path)) for path in known.table.items)
    if groups > MAX_ITEMS:
        raise DocumentRefusedError("too_many_items")
    found = known.read_items(root, context)
    _compare_count(known, root, len(found), context)
    coded = []
    for item in found:
        if "hs_code" in item:
            coded.append(item)
        else:
            context.gap("hs_code", known.table.items[0], "item_without_code")
    return _renumber(coded, context)


def _compare_count(
    known: MessageFormat, root: Node, seen: int, context: TranslationContext
) -> None:
    """Note where the header counts other items than there are."""
    for node in root.find_all(known.declared_items) if known.declared_items else ():
        declared = number("items", node, TranslationContext(context.settings))
        if declared is not None and declared != seen:
            context.gap("items", node, "other_number_than_declared")


def _renumber(items: list[dict[str, Any]], context: TranslationContext) -> list[dict[str, Any]]:
    """Return the items by their own numbers, or by position if one repeats or is no number."""
    numbers = {item.get("item_no", 0) for item in items}
    if len(numbers) == len(items) and all(1 <= number <= MOST_ITEM_NO for number in numbers):
        return items
    if items:
        context.gap("item_no", "", "renumbered")
    return [item | {"item_no": place} for place, item in enumerate(items, start=1)]


def _name_parties(
    known: MessageFormat, root: Node, head: dict[str, Any], context: TranslationContext
) -> None:
    """Give a party that has a name alone its keyed pseudonym."""
    for name, paths in known.party_names.items():
        if name not in head:
            value = pseudonym(
                name, [node for path in paths for node in root.find_all(path)], context
            )
            if value is not None:
                head[name] = value


def _content_id(document: Document) -> str:
    """Return an identifier made of what the document says, for one that names itself nowhere."""
    digest = hashlib.sha256(f"{document.namespace} {document.name}".encode())
    for leaf in sorted(f"{leaf.path}={leaf.text}" for leaf in document.leaves):
        digest.update(leaf.encode("utf-8", "surrogatepass") + b"\0")
    return "content-" + digest.hexdigest()[:32]


def _valid(declaration: dict[str, Any], context: TranslationContext) -> dict[str, Any] | None:
    """Return a declaration that its record accepts; fields that it refuses become gaps."""
    for _ in range(len(declaration)):
        try:
            Declaration.model_validate_json(orjson.dumps(declaration))
        except ValidationError as refused:
            where = refused.errors()[0]["loc"]
            name = str(where[0])
            context.gap(".".join(map(str, where)), "", str(refused.errors()[0]["type"]))
            if name not in declaration or name in ("declaration_id", "procedure", "items"):
                return None
            del declaration[name]
        else:
            return declaration
    return None
