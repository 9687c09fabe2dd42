"""Agencies that share a post, and what each role of each agency may see, do and approve."""

from engine.domain.network import Network
from engine.domain.records import CODE
from engine.errors import RecordError


def list_agencies(network: Network, post: str | None = None) -> frozenset[str]:
    """Return the agencies of a post, or of all posts; empty where the network file names none."""
    posts = network.posts.values() if post is None else filter(None, [network.posts.get(post)])
    return frozenset(code for one in posts for code in one.agencies)


def check_agency(agency: str, network: Network, post: str | None) -> None:
    """Refuse a code that is malformed, or that the network file does not know.

    Raises ``RecordError``; where the network file names no agency, any code will do.
    """
    if CODE.fullmatch(agency) is None:
        why = "a lower-case letter, then at most 31 of a to z, 0 to 9 and _"
        raise RecordError("agency", "agency", "malformed_code", why)
    known = (list_agencies(network, post) if post else frozenset()) or list_agencies(network)
    if known and agency not in known:
        where = f"the post {post}" if post else "any post"
        why = f"the network file does not name this agency for {where}"
        raise RecordError("agency", "agency", "unknown_enumeration", why)
