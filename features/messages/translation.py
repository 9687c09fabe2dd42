"""Standard messages as records: one document in, one translation out.

The command line, bulk loading and the service all call :func:`translate_document`, so that they
cannot disagree. The caller alone knows crossing, post, direction, time and vehicle class;
:func:`join_crossing` joins them with the document. The caller's reading counts. A field that the
caller does not state is taken from the document; if both state it and differ, the field is named,
because two papers that disagree are a signal.

Of a folder of documents it is assumed that what happened at the post stands in ``crossings.csv``
next to the documents: a message does not know it. A document is one declaration: taken whole, or
quarantined; a crossing stays whatever becomes of its document.
"""

import hashlib
from collections import Counter
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
from features.history.tables import MODELS
from features.intake.file_reader import FileRows, Progress, RowFault, is_there, layout
from features.intake.referential_checks import FolderRows, Parts, drop_partial_rows
from features.intake.row_validation import TableBuilder
from features.messages.documents import (
    JSON,
    Document,
    DocumentRefusedError,
    Node,
    find_documents,
    read_document,
    read_json,
    read_xml,
)
from features.messages.installed import OTHERS, find_by_root, list_formats
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
            name = "".join(sign for sign in document.name[:64] if sign.isprintable())
            raise DocumentRefusedError("unsupported_message", detail=name)
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


CROSSINGS, DOCUMENTS = "crossings.csv", "documents"
"""Names by which the rows of the crossings and the documents are counted."""
_CROSSING = layout(MODELS["crossings"])
_LAYOUT = replace(
    _CROSSING,
    columns=("document", *_CROSSING.columns),
    required=_CROSSING.required | {"document"},
)
_FIRST_LINE = 1
_Row = tuple[int, str | None, dict[str, Any]]
"""Line, document and cells of a crossing."""


def read_documents(
    folder: Path,
    wanted: str,
    *,
    settings: MessageSettings | None = None,
    ignored: Collection[str] = (),
    progress: Progress | None = None,
) -> FolderRows:
    """Read ``crossings.csv`` and every document of a folder and the folders in it.

    The column ``document`` names a document by its path below the folder, or is empty. Every
    document must have the format that is wanted. Raises InputError where ``crossings.csv`` is
    missing or its header is wrong, where no format has the name that is wanted, and where the key
    file of the settings cannot be used.
    """
    check_format(wanted)
    path = folder / CROSSINGS
    if not is_there(path):
        raise InputError(str(folder), f"a folder of messages needs {CROSSINGS}")
    settings = settings or MessageSettings()
    key = read_pseudonym_key(settings)
    file = FileRows(path, _LAYOUT, ignored=ignored, progress=progress)
    rows: list[_Row] = [
        (line, cells.pop("document", None), cells)
        for lines, chunk in file
        for line, cells in zip(lines, chunk, strict=True)
    ]
    documents = _Documents({name for _, name, _ in rows if name is not None})
    found = list(find_documents([folder]))
    for done, (name, each) in enumerate(found, start=1):
        documents.add(
            name, translate_document(read_document(each), settings, pseudonym_key=key), wanted
        )
        if progress is not None:
            progress(DOCUMENTS, done, len(found))
    parts = {name: TableBuilder(name).part() for name in MODELS} | documents.parts()
    crossings, differences = _join(rows, documents)
    parts["crossings"] = replace(crossings, faults=(*file.faults, *crossings.faults))
    declaring = documents.declaring
    return FolderRows(
        parts=parts,
        seen={CROSSINGS: file.seen, **dict.fromkeys(declaring, 1)},
        complete=drop_partial_rows,
        total=_count_documents_together,
        # Documents that were taken for the crossing alone have no declaration.
        rowless={DOCUMENTS: len(documents.known) + len(documents.faults) - len(declaring)},
        differences=differences,
    )


def check_format(wanted: str) -> None:
    """Refuse a name that no format has; raises ``InputError``."""
    named = [known for known in list_formats() if known.name == wanted]
    if any(known.formats for known in named):
        return
    for known in named:
        why = f"this format of {known.package} is not read: {known.rule}"
        raise InputError(wanted, f"{why}{known.detail and f' ({known.detail})'}")
    there = ", ".join((*OTHERS, *(known.name for known in list_formats() if known.formats)))
    raise InputError(wanted, f"no such format; there are {there}")


def _count_documents_together(counted: Mapping[str, int]) -> dict[str, int]:
    crossings = counted.get(CROSSINGS, 0)
    return {CROSSINGS: crossings, DOCUMENTS: sum(counted.values()) - crossings}


class _Documents:
    """Collects the declarations of documents, and what each says of its crossing."""

    def __init__(self, named: Collection[str]) -> None:
        self.known: dict[str, Translation] = {}
        """Documents that were taken, without their items."""
        self.faults: dict[str, RowFault] = {}
        self.declaring: list[str] = []
        self._named = named
        self._builders = {name: TableBuilder(name) for name in ("declarations", "goods_items")}
        self._waiting: dict[str, list[tuple[str, Record]]] = {name: [] for name in self._builders}

    def add(self, name: str, found: Translation, wanted: str) -> None:
        """Take a document, or note why it is not taken."""
        refused = self._refusal(name, found, wanted)
        if refused is not None:
            rule, why = refused
            self.faults[name] = RowFault(name, found.line or _FIRST_LINE, "", rule, why)
            self.declaring.append(name)
            return
        head = None
        if found.declaration is not None:
            self.declaring.append(name)
            head = {key: value for key, value in found.declaration.items() if key != "items"}
            own = {"declaration_id": head["declaration_id"]}
            self._keep("declarations", name, head)
            for item in found.declaration["items"]:
                self._keep("goods_items", name, item | own)
        self.known[name] = replace(found, declaration=head, gaps=(), unread={})

    def parts(self) -> Parts:
        """Return the declarations and the items; the faults stand with the declarations."""
        for name, waiting in self._waiting.items():
            self._builders[name].add(
                [record for _, record in waiting],
                [document for document, _ in waiting],
                lines=[_FIRST_LINE] * len(waiting),
            )
            waiting.clear()
        faults = {"declarations": [*self.faults.values()]}
        return {name: each.part(faults.get(name, ())) for name, each in self._builders.items()}

    def _keep(self, table: str, document: str, fields: Mapping[str, Any]) -> None:
        record = self._builders[table].validate(fields, strict=False)
        self._waiting[table].append((document, record))

    def _refusal(self, name: str, found: Translation, wanted: str) -> tuple[str, str] | None:
        if found.rule is not None:
            return found.rule, "the document was refused; docs/messages.md names the rules"
        if found.format != wanted:
            return "other_format", f"a document of {found.format}, not of {wanted}"
        if found.declaration is None and name not in self._named:
            return "orphan", f"it has no declaration, and no row of {CROSSINGS} names it"
        return None


def _join(rows: list[_Row], documents: _Documents) -> tuple[Any, Mapping[str, int]]:
    """Return the crossings, each with what its document says, and how often the two differ."""
    builder = TableBuilder("crossings")
    differences: Counter[str] = Counter()
    faults: list[RowFault] = []
    valid: list[Record] = []
    kept: list[int] = []
    for line, name, cells in rows:
        found = None if name is None else documents.known.get(name)
        crossing, differing = (
            (cells, ())
            if found is None
            else join_crossing(cells, found.crossing, declaration=found.declaration)
        )
        checked = builder.check(CROSSINGS, line, crossing)
        faults += checked.faults
        if checked.record is None:
            continue
        builder.note_gaps(CROSSINGS, dict.fromkeys(checked.gaps, (line,)))
        valid.append(checked.record)
        kept.append(line)
        differences.update(differing)
        if name is not None and found is None and name not in documents.faults:
            differences["document"] += 1
    builder.add(valid, CROSSINGS, lines=kept)
    return builder.part(faults), dict(sorted(differences.items()))
