"""Text of a folder's reports, from text files and PDF files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError

MOST_BYTES = 32 * 2**20
_READ = (".txt", ".md", ".pdf")
_ENCODINGS = ("utf-8-sig", "cp1251")


@dataclass(frozen=True, slots=True)
class SeizureReportFile:
    """A report: path below the folder and its text; ``refusal`` says why there is none."""

    path: str
    text: str = ""
    refusal: str = ""


def read_seizure_reports(folder: Path) -> Iterator[SeizureReportFile]:
    """Yield every report below a folder (.txt, .md, .pdf) in the order of their paths.

    Raises
    ------
    InputError
        The folder is not there.

    """
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _READ and path.is_file() and not path.is_symlink():
            name = path.relative_to(folder).as_posix()
            try:
                yield SeizureReportFile(name, text=_read_text(path))
            except InputError as error:
                yield SeizureReportFile(name, refusal=error.why)


def _read_text(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES:
        raise InputError(path.name, f"larger than {MOST_BYTES // 2**20} MB")
    if path.suffix.lower() == ".pdf":
        return _read_pdf(path)
    content = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(path.name, "neither UTF-8 nor Windows-1251")


def _read_pdf(path: Path) -> str:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        text = "\n\n".join(page.extract_text() for page in PdfReader(path).pages)
    except (PyPdfError, ValueError, KeyError, RecursionError) as error:
        why = f"not a PDF that can be read: {type(error).__name__}"
        raise InputError(path.name, why) from error
    if not text.strip():
        raise InputError(path.name, "no text in it: a scan needs character recognition first")
    return text
