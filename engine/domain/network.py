"""Border posts of a deployment, and the opposite post of each.

The network file is TOML: ``[[posts]]`` with code, name, country, pair and optionally
``[posts.roster]``; ``synthetic = true`` at its top marks synthetic data. Pairs must
agree: where A names B, B names A or no post. B may be missing from the file: a post across the
border that does not report here, so no record of it is expected.
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
    """The posts of one deployment, by code. An empty network has no post and no pair."""

    posts: Mapping[str, BorderPost] = field(default_factory=lambda: MappingProxyType({}))
    synthetic: bool = False
    """True for a synthetic network: every display of its figures must say so."""

    def post(self, code: str) -> BorderPost:
        """Return one post; raises ``UnknownPostError``."""
        try:
            return self.posts[code]
        except KeyError:
            raise UnknownPostError(code) from None

    def pair(self, code: str) -> str | None:
        """Return the code of the opposite post, None where no opposite post reports here."""
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
    """Return a home's network; without a file it is empty, and any post may report.

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
