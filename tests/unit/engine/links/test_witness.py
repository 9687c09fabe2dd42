"""A journal against what the other side holds of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from engine.links.identity import LinkKeys
from engine.links.witness import find_witness_faults, list_witnessed, note_unwitnessed, read_witness
from tests.unit.engine.links.test_exchange import Sides
from tests.unit.engine.links.two_sides import Side


def export_witness(witness: Side, path: Path) -> list[dict[str, Any]]:
    """Write what a side holds of the other one, and return it."""
    with witness.store.read() as connection:
        lines = list(list_witnessed(connection, witness.link.name))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lines


def find_faults(side: Side, path: Path, keys: LinkKeys | None = None) -> list[str]:
    identity = (keys or side.keys).identity
    with side.store.read() as connection:
        heads = read_witness(path)
        return [one.message for one in find_witness_faults(side.store, connection, heads, identity)]


def list_unseen(side: Side, path: Path) -> str:
    """Return up to where the witness speaks, empty where it has seen every record."""
    with side.store.read() as connection:
        return "".join(note_unwitnessed(connection, read_witness(path)))


def test_a_witness_holds_receipts_and_heads(sides: Sides, tmp_path: Path) -> None:
    uz, tj = sides
    uz.send("m-1")
    assert tj.exchange.send_head(tj.link.name)
    assert not tj.exchange.send_head(tj.link.name), "once a day"
    uz.sync(tj)
    path = tmp_path / "witness.jsonl"
    lines = export_witness(uz, path)
    assert [next(iter(line)) for line in lines] == ["receipt", "head"]
    assert find_faults(tj, path) == []
    assert list_unseen(tj, path) == ""
    last = lines[0]["receipt"]["sequence"]
    tj.send("t-1")
    assert re.fullmatch(
        rf".* up to {last} \(.*Z\) and not the 1 that came later", list_unseen(tj, path)
    )
    assert len(find_faults(uz, path)) == 2, "of another journal"
    (forged,) = find_faults(tj, path, keys=LinkKeys.generate())
    assert "not signed with this installation's link key" in forged
    lines[1]["head"]["chain"] = "ab" * 32
    path.write_text(json.dumps(lines[1]))
    (differs,) = find_faults(tj, path)
    assert "another chain value" in differs and "as the witness says" in differs


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 1: is not JSON"),
        ("[]", "neither a receipt nor a head"),
        ('{"receipt": {}}', r"link: .*\(malformed\)"),
        ('{"head": {}}', r"journal_id: .*\(missing_key\)"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "witness.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=why):
        read_witness(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_witness(tmp_path / "none.jsonl")
