"""Which posts there are, and which post across the line each one faces.

The network file is TOML: ``[[posts]]`` with code, name, country, pair and optionally
``[posts.roster]``; ``synthetic = true`` at its top says that nothing in it is real. Pairs must
agree: where A names B, B names A or nobody. B may be no post of the file: a post across the line
that reports nothing here, whose records nobody waits for.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field, ValidationError

from engine.domain.records import Country, PostCode, Record
from engine.domain.validation import list_faults
from engine.errors import HomeError, InputError, UnknownPostError


class BorderPost(Record):
    """One border post."""

    code: PostCode
    name: Annotated[str, Field(min_length=1, max_length=100)]
    country: Country
    pair: PostCode | None = None
    roster: dict[str, float] = Field(default_factory=dict)
    """Inspection minutes of a shift, by method."""


class _NetworkFile(Record):
    synthetic: bool = False
    posts: Annotated[tuple[BorderPost, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Network:
    """The posts of one deployment, by code. An empty network knows no post and no pair."""

    posts: Mapping[str, BorderPost] = field(default_factory=lambda: MappingProxyType({}))
    synthetic: bool = False
    """True for a made-up network: whatever shows its figures must say so."""

    def post(self, code: str) -> BorderPost:
        """Return one post; raises ``UnknownPostError``."""
        try:
            return self.posts[code]
        except KeyError:
            raise UnknownPostError(code) from None

    def pair(self, code: str) -> str | None:
        """Return the code of the post across the line, None where none reports here."""
        post = self.posts.get(code)
        return None if post is None or post.pair not in self.posts else post.pair


def read_network(path: Path, *, text: str | None = None) -> Network:
    """Read a network file; raises ``InputError`` naming the field and the rule.

    ``text`` is its content where a record holds it.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text("utf-8") if text is None else text)
        found = _NetworkFile.model_validate(raw, strict=False)
    except FileNotFoundError:
        raise InputError(path.name, "no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path.name, f"not a TOML file: {error}") from None
    except ValidationError as error:
        where, rule, why = list_faults(error)[0]
        raise InputError(path.name, f"{'.'.join(map(str, where))}: {why} ({rule})") from None
    return Network(MappingProxyType(_pair_posts(path, found.posts)), found.synthetic)


def read_home_network(path: Path) -> Network:
    """Return a home's network, empty without a file: then it knows no post, and any may report.

    Raises ``HomeError`` where the file is not usable.
    """
    try:
        return read_network(path) if path.exists() else Network()
    except InputError as error:
        raise HomeError(error.path, error.why) from None


def _pair_posts(path: Path, posts: tuple[BorderPost, ...]) -> dict[str, BorderPost]:
    known = {post.code: post for post in posts}
    if len(known) != len(posts):
        raise InputError(path.name, "posts: two posts have the same code (duplicate_id)")
    for post in posts:
        other = known.get(post.pair or "")
        if other is not None and other.pair not in (None, post.code):
            raise InputError(path.name, f"posts.pair: {post.code} and {other.code} disagree (pair)")
    return known
