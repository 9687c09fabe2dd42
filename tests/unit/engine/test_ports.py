"""What passes between the layers has a type."""

import ast
from pathlib import Path

from engine import ports
from engine.journal import entries


def find_untyped(text: str) -> list[str]:
    """Return the uses of ``Any``, and of ``object`` as an annotation."""
    return [
        f"{node.lineno}: {node.id}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name) and node.id in ("Any", "object")
    ]


def test_no_port_is_untyped() -> None:
    assert find_untyped(Path(ports.__file__).read_text("utf-8")) == []


def test_what_projections_get_is_typed() -> None:
    assert entries.Draft.__annotations__["extra"] == entries.ProjectionInput | None


def test_an_untyped_port_is_found() -> None:
    """Negative control."""
    assert find_untyped("def act(self, act: Inspection) -> Any: ...\nextra: object = None") == [
        "1: Any",
        "2: object",
    ]
