"""Names and words that the project gives up, and the lists of those that are still there.

Modules are nouns and functions are imperative verbs: a bare participle or pronoun names neither.
Some words are cryptic to readers for whom English is a second language. What was there when the
rule came is accepted by two lists, which may only get shorter. Run by ``make check``;
``python tests/wording.py --shrink`` strikes out what is gone from the code.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LAYERS = ("engine", "features", "models", "experiments", "api", "tests")
ACCEPTED_NAMES = Path(__file__).with_name("accepted_names.txt")
"""Lines of ``layer name``."""
ACCEPTED_WORDS = Path(__file__).with_name("accepted_words.txt")
"""Lines of ``room count word``."""

PARTICIPLE = re.compile(
    r"\w+(?:ed|ing)|told|said|shown|found|made|seen|held|taken|given|sent|kept|left|drawn|written"
    r"|known|learnt|grown|undone|withdrawn|frozen|one|all|anything|everything|nothing"
)
BANNED_PARTS = {
    "anew", "beside", "whoever", "nobody", "somebody", "twin", "lot", "planted", "told",
}  # fmt: skip
"""Of names of several words, no part is one of these."""
BANNED_VARIABLES = BANNED_PARTS | {"said"}
TERMS = {
    "blending", "bounding", "crossing", "embed", "exceed", "feed", "learning", "linking", "listing",
    "missing", "monitoring", "pending", "ring", "scoring", "seed", "setting", "string", "succeed",
    "targeting", "training", "warning", "wording",
}  # fmt: skip
"""Nouns, verbs and adjectives of the field that end like participles."""

WORDS = re.compile(
    r"\b(nobody|somebody|whoever|the lot|by lot|anew|beside|twins?|made[- ]up|planted)\b",
    re.IGNORECASE,
)
QUESTION = re.compile(r"(?:How|That|What|When|Where|Whether|Which|Whom?|Whose|Why)\b")
OPENING = re.compile(rf"(?:#.*\n|\s)*r?[\"']+\s*{QUESTION.pattern}")
"""Of a text whose docstring may begin so; to parse every module takes seconds."""
DEFINED = re.compile(r"\b(?:def|class)\s+(\w+)")
VARIABLE = re.compile(
    rf"\b(?:{'|'.join(sorted(BANNED_VARIABLES))})(?:\s*[^\s\w.]{{0,3}}[=,:)\]]|\s+in\b|\s*$)",
    re.MULTILINE,
)
"""What may be an argument or the target of an assignment."""
TEXTS = {".py", ".html", ".js", ".css", ".md", ".toml"}


def is_banned(name: str) -> bool:
    """Tell whether a module, function or class has a name that says nothing."""
    plain = name.strip("_").lower()
    if plain in TERMS:
        return False
    is_bare = "_" not in plain and PARTICIPLE.fullmatch(plain) is not None
    return is_bare or bool(BANNED_PARTS & set(plain.split("_")))


def is_banned_type(name: str) -> bool:
    """Tell whether a class, or a function, has a name that says nothing."""
    return is_banned(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))


def banned_names(text: str, module: str) -> Iterator[str]:
    """Yield the banned names that a module has or defines."""
    if is_banned(module):
        yield module
    if not (VARIABLE.search(text) or any(map(is_banned_type, DEFINED.findall(text)))):
        return
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if is_banned(node.name):
                yield node.name
            case ast.ClassDef() if is_banned_type(node.name):
                yield node.name
            case ast.arg() if node.arg in BANNED_VARIABLES:
                yield node.arg
            case ast.Name(ctx=ast.Store()) if node.id in BANNED_VARIABLES:
                yield node.id


def asking_modules() -> Iterator[str]:
    """Yield modules whose docstring begins with a question word and not with what they are."""
    for layer in LAYERS[:-1]:
        for path in (ROOT / layer).rglob("*.py"):
            source = path.read_text("utf-8")
            text = OPENING.match(source) and ast.get_docstring(ast.parse(source))
            if (
                QUESTION.match(text or "") and "versions" not in path.parts
            ):  # migrations are a history
                yield str(path.relative_to(ROOT))


def present_names() -> set[str]:
    """Return ``layer name`` for each banned name in the code."""
    return {
        f"{layer} {name}"
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
        for name in banned_names(path.read_text("utf-8"), path.stem)
    }


def present_words() -> Counter[str]:
    """Count ``room word`` in code and documents; a room is a folder of a layer."""
    found = Counter[str]()
    for layer in (*LAYERS, "docs"):
        for path in (ROOT / layer).rglob("*"):
            if path.suffix in TEXTS and path != Path(__file__):
                room = "/".join(path.relative_to(ROOT).parent.parts[:2])
                words = WORDS.findall(path.read_text("utf-8"))
                found.update(f"{room} {word.lower()}" for word in words)
    return found


def accepted_names() -> set[str]:
    """Return the list of names that were there when the rule came."""
    return set(ACCEPTED_NAMES.read_text("utf-8").splitlines())


def accepted_words() -> Counter[str]:
    """Return how often each word was there, by room, when the rule came."""
    found = Counter[str]()
    for line in ACCEPTED_WORDS.read_text("utf-8").splitlines():
        room, count, word = line.split(" ", 2)
        found[f"{room} {word}"] = int(count)
    return found


def differences() -> list[str]:
    """Return what is new in the code, and what the lists still accept but the code has lost."""
    names, accepted = present_names(), accepted_names()
    words, counts = present_words(), accepted_words()
    return [
        *(f"begins with a question word: {module}" for module in sorted(asking_modules())),
        *(f"a new name of a banned form: {name}" for name in sorted(names - accepted)),
        *(f"more of a banned word: {word}" for word in sorted(words - counts)),
        *(f"gone, run with --shrink: {name}" for name in sorted(accepted - names)),
        *(f"fewer, run with --shrink: {word}" for word in sorted(counts - words)),
    ]


def shrink_lists() -> None:
    """Strike out what is gone from the code; nothing new is ever accepted."""
    names, words = accepted_names() & present_names(), accepted_words() & present_words()
    ACCEPTED_NAMES.write_text("".join(f"{name}\n" for name in sorted(names)), "utf-8")
    lines = (key.split(" ", 1) for key in sorted(words))
    text = "".join(f"{room} {words[f'{room} {word}']} {word}\n" for room, word in lines)
    ACCEPTED_WORDS.write_text(text, "utf-8")


if __name__ == "__main__":
    if "--shrink" in sys.argv:
        shrink_lists()
    found = differences()
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.exit(bool(found))
