"""Merge of a load's network file into the home's network.

Assumes that one home has one network: files may bring further posts, but a post means the same in
every one of them, and synthetic posts never share a network with real ones.
"""

import json
import os
from pathlib import Path
from tempfile import mkstemp
from types import MappingProxyType

from engine.domain.network import BorderPost, Network, read_home_network, read_network
from engine.errors import InputError
from engine.storage.home import Home
from features.intake.file_access import is_there

FILE = "network.toml"


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
    return Network(MappingProxyType({**network.posts, **found.posts}), network.synthetic)


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
    return head + "".join(_post(post) for post in network.posts.values())


def _post(post: BorderPost) -> str:
    values = {"code": post.code, "name": post.name, "country": post.country, "pair": post.pair}
    lines = ["", "[[posts]]"]
    lines += [f"{key} = {_string(value)}" for key, value in values.items() if value is not None]
    if post.roster:
        lines.append("[posts.roster]")
        lines += [f"{_string(method)} = {minutes}" for method, minutes in post.roster.items()]
    return "\n".join(lines) + "\n"


def _string(value: str) -> str:
    # JSON's escapes are TOML's, except for DEL, which TOML wants escaped too.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
