"""Documents of a folder: which files they are, and no more of their bytes than may be read."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.errors import InputError
from features.messages.xml_reader import MAX_BYTES

_SUFFIXES = frozenset({".xml", ".json"})


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
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(path.name, error.strerror or "cannot be read") from None
