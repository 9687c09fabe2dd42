"""Merge of a load's network file into the home's network.

Assumes that one home has one network: files may bring further posts, but a post means the same in
every one of them, and synthetic posts never share a network with real ones.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkstemp
from types import MappingProxyType
from typing import Any, TypeVar

from engine.domain.network import BorderPost, Network, SeverityBand, read_home_network, read_network
from engine.errors import InputError
from engine.storage.home import Home
from features.intake.file_reader import is_there

FILE = "network.toml"
_Key = TypeVar("_Key", bound=str)
_Value = TypeVar("_Value", str, float)


def join_networks(folder: Path, network: Network) -> Network:
    """Return a network and the posts of a folder's file; raises ``InputError`` on conflict."""
    if not is_there(folder / FILE):
        return network
    found = read_network(folder / FILE)
    if not network.posts:
        return found
    if found.synthetic != network.synthetic:
        raise InputError(FILE, "synthetic: a synthetic network and a real one do not share a home")
    for code, post in found.posts.items():
        if network.posts.get(code, post) != post:
            raise InputError(FILE, f"posts: {code} differs from the post of this code in the home")
    return Network(
        MappingProxyType({**network.posts, **found.posts}),
        network.synthetic,
        _join_table("severity", network.severity, other=found.severity),
        _join_table("identifiers", network.identifiers, other=found.identifiers),
        _join_bands(network.severity_bands, other=found.severity_bands),
    )


def _join_bands(
    known: tuple[SeverityBand, ...], *, other: tuple[SeverityBand, ...]
) -> tuple[SeverityBand, ...]:
    """Return all bands; a file that states bands of a class states all of that class."""
    classes = {band.substance_class for band in known}
    for substance_class in sorted({band.substance_class for band in other} & classes):
        sides = [
            sorted((b.from_g, b.weight) for b in bands if b.substance_class == substance_class)
            for bands in (known, other)
        ]
        if sides[0] != sides[1]:
            raise InputError(FILE, f"severity_bands: {substance_class} differs from the home's")
    return (*known, *(band for band in other if band.substance_class not in classes))


def _join_table(
    name: str, known: Mapping[_Key, _Value], *, other: Mapping[_Key, _Value]
) -> Mapping[_Key, _Value]:
    for key, value in other.items():
        if known.get(key, value) != value:
            raise InputError(FILE, f"{name}.{key}: differs from the home's")
    return MappingProxyType({**known, **other})


def keep(home: Home, folder: Path, *, network: Network) -> None:
    """Make a network the home's, as the folder's file where that says all of it."""
    held = read_home_network(home.network)
    if network == held or not network.posts:
        return
    source = folder / FILE
    is_whole = is_there(source) and read_network(source) == network
    handle, name = mkstemp(prefix=".network-", dir=home.root)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(source.read_text("utf-8") if is_whole else _toml(network))
        file.flush()
        os.fsync(handle)
    Path(name).replace(home.network)


def _toml(network: Network) -> str:
    head = "synthetic = true\n" if network.synthetic else ""
    head += _table("severity", network.severity) + _table("identifiers", network.identifiers)
    head += "".join(map(_band, network.severity_bands))
    return head + "".join(_post(post) for post in network.posts.values())


def _band(band: SeverityBand) -> str:
    return "".join(
        ["[[severity_bands]]\n"]
        + [f"{key} = {_literal(value)}\n" for key, value in band.model_dump().items()]
    )


def _post(post: BorderPost) -> str:
    values = post.model_dump(exclude={"roster", "equipment"}, exclude_none=True)
    lines = ["", "[[posts]]", *(f"{key} = {_literal(value)}" for key, value in values.items())]
    tables = _table("posts.roster", post.roster) + _table("posts.equipment", post.equipment)
    return "\n".join(lines) + "\n" + tables


def _table(name: str, values: Mapping[Any, Any]) -> str:
    lines = [f"{_literal(key)} = {_literal(value)}\n" for key, value in values.items()]
    return "".join([f"[{name}]\n", *lines]) if lines else ""


def _literal(value: Any) -> str:
    # JSON's escapes are TOML's, except for DEL, which TOML wants escaped too; a list is the same.
    if isinstance(value, str | tuple):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
