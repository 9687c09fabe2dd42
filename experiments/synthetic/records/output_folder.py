"""The folder of a synthetic network: nothing that this project did not write is written over."""

from pathlib import Path

from engine.errors import InputError
from experiments.synthetic.records.writer import Records

MARK = "SYNTHETIC.txt"
"""Marks a folder that ``darvoza synth`` wrote and may write again."""
OWN = frozenset({MARK, "network.toml", *(f"{name}.csv" for name in Records.__slots__)})
_TEXT = "written by darvoza synth: nothing in these files is real\n"


def claim(folder: Path, *, overwrite: bool) -> None:
    """Mark a folder as ours; raises ``InputError`` where it holds what may not be replaced.

    A folder that is not empty is ours where it holds the mark and nothing but our files; even then
    it is replaced only with ``overwrite``.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(str(folder), "is not a folder")
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if names and MARK not in names:
        raise InputError(str(folder), "holds files that darvoza synth did not write: name another")
    if others := names - OWN:
        raise InputError(str(folder), f"holds {min(others)}, which darvoza synth did not write")
    if names and not overwrite:
        raise InputError(str(folder), "holds a synthetic network already: --overwrite replaces it")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text(_TEXT, "utf-8")
