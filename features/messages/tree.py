"""The tree of a message, groups and leaves by local name; the refusal of one that is not read."""

from collections.abc import Mapping
from types import MappingProxyType

_NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})


class DocumentRefusedError(Exception):
    """A document is not read at all; names the rule, and the line where there is one.

    It never leaves this package: a translation reports it.
    """

    def __init__(self, rule: str, *, line: int | None = None, detail: str = "") -> None:
        super().__init__(rule, line, detail)
        self.rule = rule
        self.line = line
        self.detail = detail

    def __str__(self) -> str:
        where = "" if self.line is None else f", line {self.line}"
        return f"the document was refused ({self.rule}{where}){self.detail and f': {self.detail}'}"


def collapse_space(text: str | None) -> str:
    """Return a text with every run of white space, no-break spaces included, as one space."""
    return "" if text is None else " ".join(text.split())


def join_path(parent: str, name: str) -> str:
    """Return the path of a child."""
    return f"{parent}/{name}" if parent else name


class Node:
    """A group or a leaf of a message; ``path`` is below the root, its parts joined by ``/``."""

    __slots__ = ("attributes", "children", "path", "text")

    def __init__(self, path: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.text = text
        self.attributes = attributes or _NO_ATTRIBUTES
        self.children: dict[str, list[Node]] = {}

    def add(self, name: str, text: str, attributes: Mapping[str, str] | None = None) -> "Node":
        """Append a child and return it."""
        child = Node(join_path(self.path, name), text, attributes)
        self.children.setdefault(name, []).append(child)
        return child

    def find_all(self, path: str) -> "list[Node]":
        """Return every node at a path below this one, in the document's order."""
        found = [self]
        for name in path.split("/"):
            found = [child for node in found for child in node.children.get(name, ())]
            if not found:
                break
        return found

    def text_at(self, path: str) -> str | None:
        """Return the first text at a path, None where there is none."""
        return next((node.text for node in self.find_all(path) if node.text), None)


def rebase(node: Node) -> Node:
    """Return a group as the root of its own paths."""
    prefix = len(node.path) + 1
    waiting = [node]
    while waiting:
        for children in waiting.pop().children.values():
            for child in children:
                child.path = child.path[prefix:]
                waiting.append(child)
    node.path = ""
    return node
