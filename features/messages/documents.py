"""Documents from strangers, XML or JSON, read safely into one bounded tree.

Assumes that a document may be hostile. No DTD is accepted, nothing is fetched, no entity of the
document's own is expanded, and bytes, elements, depth and attributes are bounded before anything is
kept. Names are local names: prefixes and repeated default namespaces carry no meaning inside a
known root (`docs/messages.md`). A JSON document becomes the same tree. Of a document in a folder no
more bytes are read than may be.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.parsers import expat

import orjson
from lxml import etree

from engine.errors import InputError

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


MAX_XML_BYTES = 24 << 20
"""A declaration of 999 items with every box filled is about 17 MB."""
MAX_ELEMENTS = 500_000
MAX_DEPTH = 24
MAX_ATTRIBUTES = 32
MAX_SIBLINGS = 10_000
"""Far above the 999 items, containers or documents of a declaration."""
MAX_ALL_ATTRIBUTES = 200_000
MAX_GROUPS = 120_000
"""Elements with children: 999 items have 107 each at most, in what is known of real documents."""
_INCLUSIONS = "{http://www.w3.org/2001/XInclude}*"
_PROLOG_BYTES = 1 << 16
_WHITE_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read: its root's name and the tree below it."""

    namespace: str
    name: str
    attributes: dict[str, str]
    root: Node
    leaves: list[Node]
    """Every node that holds a text; its path follows the node into another root."""


class _PrologEndError(Exception):
    """Raised by the handler of the first element, so that the scan of the prolog ends there."""


def read_xml(data: bytes) -> Document:
    """Return the tree of a document.

    Raises DocumentRefusedError with the rule ``too_large``, ``not_well_formed`` (and the line),
    ``doctype``, ``inclusion``, ``too_many_elements``, ``too_deep`` or ``too_many_attributes``.
    """
    _check_size(data)
    skipped_lines, data = _strip_leading_space(data)
    if _has_doctype(data):
        raise DocumentRefusedError("doctype")
    root = _parse(data, skipped_lines)
    if _doctype_of(root):  # behind the scan: the two parsers may differ on a strange encoding
        raise DocumentRefusedError("doctype")
    if next(root.iter(_INCLUSIONS), None) is not None:  # never followed: it has no place in a paper
        raise DocumentRefusedError("inclusion")
    name = etree.QName(root)
    top, builder = Node("", ""), _TreeBuilder()
    builder.descend(root, top)
    return Document(name.namespace or "", name.localname, _attributes(root), top, builder.leaves)


def _check_size(data: bytes) -> None:
    """Refuse by bytes and marks alone what would take long to scan or to build.

    A tree of six million elements would take a gigabyte.
    """
    if len(data) > MAX_XML_BYTES:
        raise DocumentRefusedError("too_large")
    if data.count(b"<") > 2 * MAX_ELEMENTS:
        raise DocumentRefusedError("too_many_elements")
    if data.count(b"=") > MAX_ALL_ATTRIBUTES:
        raise DocumentRefusedError("too_many_attributes")


def _strip_leading_space(data: bytes) -> tuple[int, bytes]:
    """Return a document without a blank start, and how many lines that took away.

    Real exports begin with a byte order mark and a blank line, before which XML allows nothing.
    """
    body = data.removeprefix(_BOM)
    stripped = body.lstrip(_WHITE_SPACE)
    if len(stripped) == len(body):
        return 0, data
    return body[: len(body) - len(stripped)].count(b"\n"), stripped


def _has_doctype(data: bytes) -> bool:
    """Tell whether a DOCTYPE stands before the root, without reading what it declares."""
    parser = expat.ParserCreate()
    found: list[str] = []

    def on_doctype(name: str, *_: object) -> None:
        found.append(name)
        raise _PrologEndError

    def on_element(*_: object) -> None:
        raise _PrologEndError

    parser.StartDoctypeDeclHandler = on_doctype
    parser.StartElementHandler = on_element
    try:
        start, size = 0, _PROLOG_BYTES
        while start < len(data):
            parser.Parse(data[start : start + size], False)
            start, size = start + size, 2 * size
    except _PrologEndError:
        return bool(found)
    except (expat.ExpatError, ValueError, LookupError):
        return False  # the parser that reads the rest says where and why
    return False


def _parse(data: bytes, skipped_lines: int) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        remove_blank_text=True,
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        rule = "too_deep" if "depth" in (error.msg or "").lower() else "not_well_formed"
        line = None if error.lineno is None else error.lineno + skipped_lines
        raise DocumentRefusedError(rule, line=line) from None
    except (ValueError, LookupError):
        raise DocumentRefusedError("not_well_formed") from None


def _attributes(element: etree._Element) -> dict[str, str]:
    if len(element.attrib) > MAX_ATTRIBUTES:
        raise DocumentRefusedError("too_many_attributes")
    return {_local(str(name)): str(value) for name, value in element.attrib.items()}


def _local(name: str) -> str:
    return name[name.rfind("}") + 1 :]


def _doctype_of(root: etree._Element) -> str:
    return root.getroottree().docinfo.doctype or ""


class _TreeBuilder:
    """Builds the tree of a parsed document; what is empty, ``<null/>`` among it, is left out."""

    def __init__(self) -> None:
        self.leaves: list[Node] = []
        self._groups = 0
        self._names: dict[object, str] = {}
        self._paths: dict[str, dict[str, str]] = {}
        """Paths by that of the parent and the name: each is kept once, however often it comes."""

    def descend(self, element: etree._Element, parent: Node, depth: int = 1) -> None:
        """Add the children of an element to a node."""
        self._check_bounds(element, depth)
        paths = self._paths.setdefault(parent.path, {})
        for child in element:
            raw = child.text
            has_children = len(child) > 0
            if not raw and not has_children:
                continue
            name = self._names.get(child.tag) or self._name(child.tag)
            path = paths.get(name) or paths.setdefault(name, join_path(parent.path, name))
            node = Node(path, collapse_space(raw))
            if child.attrib:
                node.attributes = _attributes(child)
            if has_children:
                self.descend(child, node, depth + 1)
            if node.text:
                self.leaves.append(node)
            if node.text or node.children:
                parent.children.setdefault(name, []).append(node)

    def _check_bounds(self, element: etree._Element, depth: int) -> None:
        self._groups += 1
        if depth > MAX_DEPTH:
            raise DocumentRefusedError("too_deep")
        if len(element) > MAX_SIBLINGS or self._groups > MAX_GROUPS:
            raise DocumentRefusedError("too_many_elements")

    def _name(self, tag: object) -> str:
        if not isinstance(tag, str):  # an entity reference that was not resolved
            raise DocumentRefusedError("entity")
        return self._names.setdefault(tag, _local(tag))


MAX_JSON_BYTES = 4 << 20
"""Consignment notes in JSON are small, and take more memory a byte than XML."""
MAX_VALUES = 100_000
JSON = "json"
"""Stands for the namespace of the roots of JSON documents."""


def read_json(data: bytes, roots: Iterable[str]) -> Document:
    """Return the tree of a JSON document; raises ``DocumentRefusedError``.

    A document is an object with one of the roots as a key, which holds an object.
    """
    if len(data) > MAX_JSON_BYTES:
        raise DocumentRefusedError("too_large")
    if data.count(b",") + data.count(b":") > MAX_VALUES:
        raise DocumentRefusedError("too_many_elements")
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DocumentRefusedError("not_well_formed", line=error.lineno) from None
    if not isinstance(found, dict):
        raise DocumentRefusedError("unsupported_message", detail="not a JSON object")
    for name in roots:
        if isinstance(found.get(name), dict):
            return Document(JSON, name, {}, *_build(found[name]))
    raise DocumentRefusedError("unsupported_message", detail="a JSON object without a known root")


def _build(found: dict[str, Any]) -> tuple[Node, list[Node]]:
    top = Node("", "")
    leaves: list[Node] = []
    waiting: list[tuple[Node, Any, int]] = [(top, found, 1)]
    while waiting:
        node, value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise DocumentRefusedError("too_deep")
        for name, inner in value.items():
            for each in inner if isinstance(inner, list) else (inner,):
                if isinstance(each, dict):
                    waiting.append((node.add(name, ""), each, depth + 1))
                elif each is not None and (text := _as_text(each)):
                    leaves.append(node.add(name, text))
    return top, leaves


def _as_text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else collapse_space(str(value))


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
            return file.read(MAX_XML_BYTES + 1)
    except OSError as error:
        raise InputError(path.name, error.strerror or "cannot be read") from None
