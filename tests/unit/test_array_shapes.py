"""Public functions that pass arrays state their shapes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARRAY = re.compile(r"NDArray|ndarray|\b(Bools|Floats|Ints|Labels|Mask|Positions|Rows)\b")
"""The aliases of array types that rooms define (:mod:`models.array_types` and others)."""


def list_silent(text: str) -> Iterator[str]:
    """Yield public functions and methods that take or return arrays and state no shape."""
    if not ARRAY.search(text):  # to parse all modules takes seconds
        return
    tree = ast.parse(text)
    classes = (
        one.body for one in tree.body if isinstance(one, ast.ClassDef) and one.name[0] != "_"
    )
    for node in (one for body in (tree.body, *classes) for one in body):
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        types = [node.returns, *(one.annotation for one in arguments)]
        is_array = any(ARRAY.search(ast.unparse(one)) for one in types if one is not None)
        if is_array and "shape" not in (ast.get_docstring(node) or ""):
            yield node.name


def test_public_functions_that_pass_arrays_state_their_shapes() -> None:
    for package in ("engine", "features", "models", "experiments", "api"):
        for path in (ROOT / package).rglob("*.py"):
            assert list(list_silent(path.read_text("utf-8"))) == [], path


def test_a_function_without_shapes_is_found() -> None:
    """Negative control."""
    assert list(list_silent('def add(one: Floats) -> None:\n    """Add one."""')) == ["add"]
