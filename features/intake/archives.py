"""Archives of bulk folders: a ZIP file is unpacked in a process of its own, within its limits.

An archive holds the files of one folder, at its top or in one folder. Every name is looked at
before a byte is written, and what is written is counted: what an archive says of its sizes is not
believed. Raises :class:`engine.errors.RecordError`, which names the rule and never a file.
"""

import json
import re
import stat
import zlib
from pathlib import Path, PurePosixPath
from typing import Final
from zipfile import BadZipFile, LargeZipFile, ZipFile, ZipInfo

from engine.errors import RecordError

MOST_FILES: Final = 10_000
"""One table each, or one message each."""
MOST_BYTES: Final = 2 << 30
"""Of all files, unpacked."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.(?:csv|json|parquet|toml|txt|xlsm|xlsx|xml)")
_PIECE = 1 << 20
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1


def unpack(root: Path, given: bytes) -> bytes:
    """Unpack the archive of a folder, and return the names of its files as JSON.

    ``root`` is a home; ``given`` is JSON with ``archive`` and ``folder``, a new one, both paths
    within it.
    """
    asked = json.loads(given)
    folder = root / asked["folder"]
    folder.mkdir(mode=0o700)
    try:
        with ZipFile(root / asked["archive"]) as archive:
            named = _check_names(archive.infolist())
            left = MOST_BYTES
            for name, entry in named.items():
                left -= _write(archive, entry, folder / name, most=left)
    except (BadZipFile, LargeZipFile, zlib.error, NotImplementedError, EOFError, ValueError):
        raise _refuse("broken") from None
    return json.dumps(sorted(named)).encode()


def _check_names(entries: list[ZipInfo]) -> dict[str, ZipInfo]:
    """Return the files of an archive by their names within its folder."""
    files = [one for one in entries if not one.is_dir()]
    if not files:
        raise _refuse("empty")
    if len(entries) > 2 * MOST_FILES or len(files) > MOST_FILES:
        raise _refuse("too_many_files")
    found: dict[str, ZipInfo] = {}
    tops = {PurePosixPath(one.filename).parts[:-1] for one in files}
    if len(tops) > 1 or any(len(top) > 1 for top in tops):
        raise _refuse("several_folders")
    for one in files:
        name, mode = PurePosixPath(one.filename).name, one.external_attr >> 16
        is_plain = stat.S_IFMT(mode) in (0, stat.S_IFREG) and one.compress_type in (
            _STORED,
            _DEFLATED,
        )
        is_local = not one.filename.startswith("/") and ".." not in one.filename
        if not (_NAME.fullmatch(name) and is_local and is_plain) or "\\" in one.filename:
            raise _refuse("unexpected_file")
        if one.flag_bits & _ENCRYPTED:
            raise _refuse("encrypted")
        if name.lower() in found:
            raise _refuse("file_twice")
        found[name.lower()] = one
    return {PurePosixPath(one.filename).name: one for one in found.values()}


def _write(archive: ZipFile, entry: ZipInfo, path: Path, *, most: int) -> int:
    """Write one file, and return how many bytes it has."""
    size = 0
    with archive.open(entry) as packed, path.open("xb") as file:
        while piece := packed.read(_PIECE):
            size += len(piece)
            if size > most:
                raise _refuse("unpacks_too_large")
            file.write(piece)
    return size


_WHY: Final = {
    "broken": "is no ZIP archive, or a damaged one",
    "empty": "holds no file",
    "too_many_files": f"holds more than {MOST_FILES:,} files",
    "several_folders": "holds files of several folders: pack the files of one folder",
    "unexpected_file": (
        "holds something else than .csv, .json, .parquet, .toml, .txt, .xlsm, .xlsx and .xml files"
    ),
    "encrypted": "is encrypted",
    "file_twice": "holds a file twice",
    "unpacks_too_large": f"holds more than {MOST_BYTES >> 30} GB",
}


def _refuse(rule: str) -> RecordError:
    return RecordError("archive", "file", rule, _WHY[rule])
