"""Addresses to which events may be sent.

A receiver is reached over HTTPS at a public address. Networks that are not public (loopback, those
of a site, link-local) are open only where the setting ``webhook_networks`` names them: otherwise a
webhook could make the service call what the service alone reaches. A name is resolved when an event
is sent, and the connection goes to the address that was checked.
"""

import asyncio
import re
import socket
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import NamedTuple

from engine.errors import RecordError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*)?"
)
"""Written so that two readers of it agree: no user, no fragment, no characters to interpret."""
_EMBEDDED = tuple(
    ip_network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")
)
"""Networks whose last 32 bits may be an IPv4 address: translated (RFC 6052, RFC 8215, RFC 2765),
or compatible (RFC 4291)."""
_SITE_LOCAL = ip_network("fec0::/10")
"""Private once (RFC 3879), and global to :mod:`ipaddress`."""


class RefusedAddressError(Exception):
    """A name leads to an address that is not open."""


class ReceiverAddress(NamedTuple):
    """Parts of a receiver's URL."""

    scheme: str
    host: str
    """A name, or an address without brackets."""
    port: int


def parse_networks(setting: str) -> tuple[Network, ...]:
    """Return the networks that a setting names, with commas between them."""
    return tuple(ip_network(one.strip(), strict=False) for one in setting.split(",") if one.strip())


def parse_url(url: str) -> ReceiverAddress:
    """Return the parts of a receiver's URL; raises ``ValueError``."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("not a plain URL")
    port = int(found["port"] or (443 if found["scheme"] == "https" else 80))
    if not 0 < port < 1 << 16:
        raise ValueError("no port")
    return ReceiverAddress(found["scheme"], found["host"].strip("[]"), port)


def check_url(url: str, networks: Sequence[Network]) -> None:
    """Refuse a URL that no event is sent to; a name is resolved later. Raises ``RecordError``."""
    try:
        to = parse_url(url)
    except ValueError:
        why = "https, a host in lower case, a path: no user, no fragment"
        raise RecordError("webhook", "url", "malformed_url", why) from None
    if to.scheme != "https" and not any(one.is_loopback for one in networks):
        why = "https; http only to this machine, where webhook_networks names it"
        raise RecordError("webhook", "url", "not_https", why)
    try:
        address = ip_address(to.host)
    except ValueError:
        return
    if not is_open(address, networks) or (to.scheme != "https" and not address.is_loopback):
        why = "not a public address, and not in webhook_networks"
        raise RecordError("webhook", "url", "refused_address", why)


def is_open(address: Address, networks: Sequence[Network]) -> bool:
    """Tell whether events may go to an address."""
    inner = _unwrap(address)
    if inner.is_global and not inner.is_multicast and inner not in _SITE_LOCAL:
        return True
    return any(inner in one for one in networks if one.version == inner.version)


def _unwrap(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and int(address) > 1 and any(address in one for one in _EMBEDDED):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


async def resolve(url: str, networks: Sequence[Network]) -> str:
    """Return the address to connect to; raises ``RefusedAddressError`` and ``OSError``.

    Every address of the name must be open: a mixed answer is refused, also where the first is open.
    """
    to = parse_url(url)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    except UnicodeError:  # an empty label, or one of more than 63 characters
        raise OSError("no name of a host") from None
    addresses = [ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    for address in addresses:
        is_plain = to.scheme != "https" and not address.is_loopback
        if is_plain or not is_open(address, networks):
            raise RefusedAddressError
    return str(addresses[0])
