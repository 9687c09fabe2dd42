"""Standard messages of a folder, with the crossings that they belong to, as tables of records.

Assumes that what happened at the post stands in ``crossings.csv`` next to the documents: a message
does not know it. A document is one declaration: taken whole, or quarantined; a crossing stays
whatever becomes of its document.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.domain.records import Record
from engine.errors import InputError
from features.history.tables import MODELS
from features.intake.file_reader import FileRows, Progress, RowFault, is_there, layout
from features.intake.referential_checks import FolderRows, Parts, drop_partial_rows
from features.intake.row_validation import TableBuilder
from features.messages.documents import find_documents, read_document
from features.messages.installed import OTHERS, list_formats
from features.messages.settings import MessageSettings
from features.messages.translation import (
    Translation,
    join_crossing,
    read_pseudonym_key,
    translate_document,
)

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
