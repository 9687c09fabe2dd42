"""The parts of an expression while it is checked: what each is written as, may cost, and needs.

Assumes that a part is looked at once, by the rule of its node; a rule reads the parts inside it
through its scope, so that their number and depth are bounded in one place.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from engine.profile_fields import Kind
from engine.profile_syntax import DEEPEST, MOST_PARTS, ListOf, Literal, Node, refused


@dataclass(frozen=True, slots=True)
class Typed:
    """A part, written out."""

    cel: str
    kind: Kind
    steps: int = 1
    guards: tuple[str, ...] = ()
    """Conditions under which it has a value, in the order in which they must be asked."""
    spelt: Callable[[str], str] | None = None
    """How its texts are spelt; literals beside it are spelt alike."""
    choices: frozenset[str] = frozenset()
    """All values it can have; empty where any text will do."""

    @property
    def condition(self) -> str:
        """What is true or false, whatever is missing."""
        return f"({' && '.join((*self.guards, self.cel))})" if self.guards else self.cel


@dataclass(slots=True)
class Scope:
    """What names mean here, and how a part is read."""

    features: frozenset[str]
    rules: Mapping[type[Node], Callable[..., Typed]]
    """The rule of each node."""
    needs: set[str] = field(default_factory=set)
    bound: dict[str, tuple[str, Typed]] = field(default_factory=dict)
    """Each name bound by a macro, with what it is written as and the type of an element."""
    parts: int = 0
    depth: int = 0

    def typed(self, node: Node) -> Typed:
        """Return a part by the rule of its node; raises ``ProfileRefusedError``."""
        self.parts += 1
        self.depth += 1
        if self.parts > MOST_PARTS or self.depth > 2 * DEEPEST:
            raise refused(node.at, f"more than {MOST_PARTS} parts, or nested too deep")
        found = self.rules[type(node)](node, self)
        self.depth -= 1
        return found


def as_condition(cel: str, steps: int, guards: tuple[str, ...]) -> Typed:
    """Close a comparison: from here on nothing is missing."""
    return Typed(f"({' && '.join((*guards, cel))})", "bool", steps + len(guards))


def spelt_alike(node: Node, typed: Typed, beside: Typed) -> Typed:
    """Spell literals as the field beside them is spelt."""
    if beside.spelt is None:
        return typed
    if isinstance(node, Literal) and isinstance(node.value, str):
        return replace(typed, cel=json.dumps(beside.spelt(node.value), ensure_ascii=False))
    if isinstance(node, ListOf) and typed.kind == "texts":
        words = [beside.spelt(str(item.value)) for item in node.items if isinstance(item, Literal)]
        return replace(typed, cel=json.dumps(words, ensure_ascii=False))
    return typed
