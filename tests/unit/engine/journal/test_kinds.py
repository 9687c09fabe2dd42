"""Every kind of record has one name, in one module."""

import ast
from collections.abc import Iterator

from engine.journal import kinds
from engine.journal.power_records import KINDS as POWER_KINDS
from tests.service.compatibility import deployment_contract


def literal_kinds(text: str) -> Iterator[str]:
    """Yield each kind of a draft that is a text where it is used, and not a name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Draft" and node.args:
            kind = node.args[0]
            is_text = isinstance(kind, ast.Constant) and kind.value  # a benchmark records none
            if is_text or isinstance(kind, ast.JoinedStr):
                yield ast.unparse(kind)


def test_every_kind_of_version_0c412e7_is_there() -> None:
    assert set() == deployment_contract.KINDS - kinds.KINDS
    assert set(POWER_KINDS) - kinds.KINDS == set()


def test_no_kind_has_two_names() -> None:
    texts = [value for name, value in vars(kinds).items() if name.isupper()]
    names = [value for value in texts if isinstance(value, str)]
    assert len(names) == len(kinds.KINDS)


def test_no_draft_spells_its_kind() -> None:
    assert [one for text in deployment_contract.sources() for one in literal_kinds(text)] == []


def test_a_draft_that_spells_its_kind_is_found() -> None:
    """Negative control."""
    bad = 'Draft("tick", "", "", {})\nDraft(f"{a}_b", "", "", {})\nDraft(TICK, "", "", {})'
    assert list(literal_kinds(bad)) == ["'tick'", "f'{a}_b'"]
