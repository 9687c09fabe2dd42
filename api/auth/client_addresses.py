"""Addresses of clients, as limits count them."""

import ipaddress

_NETWORK_BITS = 64
"""Of an IPv6 address: one subscriber has all addresses that begin with them."""


def network_of(address: str) -> str:
    """Return what counts as one address; what is no address counts together, as an empty text."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _NETWORK_BITS), strict=False))
