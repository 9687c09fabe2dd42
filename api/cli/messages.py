"""The command that translates standard messages: ``darvoza translate``."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.common import JsonOption, UnusedHomeOption, emit, progress
from engine.errors import InputError

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="National settings, a TOML file.", metavar="FILE")
]
RECORDS_FILE = "records.jsonl"
_SUFFIXES = frozenset({".xml", ".json"})


def translate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Documents or folders.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for records.jsonl.")],
    settings: SettingsOption = None,
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Translate ASYCUDA, WCO, NCTS, eCMR, eFTI and EAEU documents into records, with a report each.

    A refused document is a line of the report, not a failure: the exit status is 0.
    """
    from features.messages.settings import read_settings
    from features.messages.translation import Translation, read_pseudonym_key, translate_document

    chosen = read_settings(settings)
    key = read_pseudonym_key(chosen)
    documents = list(find_documents(paths))
    counted: Counter[tuple[str, str, str]] = Counter()

    def lines() -> Iterator[dict[str, Any]]:
        with progress() as report_progress:
            for done, (name, path) in enumerate(documents, start=1):
                found: Translation = translate_document(
                    read_document(path), chosen, pseudonym_key=key
                )
                counted[found.format, found.status, found.rule or ""] += 1
                report_progress("documents", done, len(documents))
                yield found.to_json(name)

    written = write_lines(out, lines())
    rows = [
        {"format": name, "status": status, "rule": rule or None, "documents": number}
        for (name, status, rule), number in sorted(counted.items())
    ]

    def text() -> None:
        for row in rows:
            rule = f"  {row['rule']}" if row["rule"] else ""
            name = row["format"] or "unknown"
            typer.echo(f"{row['documents']:>8,}  {name:<8} {row['status']}{rule}")
        typer.echo(f"records: {written}")

    result = {"documents": len(documents), "records": str(written), "counts": rows}
    emit(result, as_json=as_json, text=text)


def find_documents(paths: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Yield every document with its path below the PATH that was given.

    Of a folder, regular files that end in ``.xml`` or ``.json``; links are not followed. Raises
    ``InputError`` for a path that is neither a regular file nor a folder.
    """
    for path in paths:
        if path.is_dir():
            for each in sorted(path.rglob("*")):
                if each.suffix.lower() in _SUFFIXES and each.is_file() and not each.is_symlink():
                    yield each.relative_to(path).as_posix(), each
        elif path.is_file():
            yield path.name, path
        else:
            raise InputError(path.name, "no such document or folder")


def read_document(path: Path) -> bytes:
    """Return a document's bytes, no more of them than one that is too large shows itself by."""
    from features.messages.xml_reader import MAX_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(path.name, error.strerror or "cannot be read") from None


def write_lines(out: Path, lines: Iterable[dict[str, Any]]) -> Path:
    """Write one JSON object a line, whole or not at all, and return the file."""
    out.mkdir(parents=True, exist_ok=True)
    target = out / RECORDS_FILE
    draft = target.with_suffix(".part")
    with draft.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
    draft.replace(target)
    return target
