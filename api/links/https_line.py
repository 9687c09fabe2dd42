"""HTTPS to the other side of a link, and what its failures are called.

Integrity rests on the signatures of parcels; TLS hides who talks to whom about what kind of thing,
and is the operator's. A failure here is the other side's or that of the way to it, never a fault of
this installation, and is named by its cause.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.domain.time_units import micros, rfc3339
from engine.errors import ConflictError, HomeError, OtherSideError
from engine.links.parcel import MAX_BYTES
from engine.links.state import Link
from engine.storage.home import Home

if TYPE_CHECKING:
    import httpx2

CA_FILE = "links-ca.pem"
"""Certificates of the home that are trusted besides those of the machine, for links alone."""
SECONDS = 30.0
"""How long one answer may take."""
CERTIFICATE_SECONDS = 5.0
"""How long it may take to look at a certificate that was refused."""
Carry = Callable[[bytes], bytes]
"""Hands a parcel to the other side and returns its answer; raises ``OtherSideError``."""
_EXPIRED, _EARLY, _OTHER_NAMES = 10, 9, (62, 64)
"""Codes of OpenSSL (``X509_V_ERR_*``); the last two of a host's name and of an IP address."""


def open_carrier(home: Home, link: Link) -> Carry:
    """Return what carries parcels to the other side's service by HTTPS.

    Raises ``ConflictError`` where the agreement names no address of it, and ``HomeError`` where
    ``CA_FILE`` cannot be read.
    """
    import httpx2

    if link.them.url is None:
        why = "the agreement names no address of the other side: use files"
        raise ConflictError("link", link.agreement.name, why)
    url = link.them.url
    address = f"{url}/v1/links/{link.name}/parcels"
    context = _trust(home)

    def carry(parcel: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        try:
            with (
                httpx2.Client(verify=context, trust_env=False, timeout=SECONDS) as client,
                client.stream("POST", address, content=parcel, headers=headers) as answer,
            ):
                if answer.status_code != 200:
                    raise OtherSideError("answer", f"it answered {answer.status_code}")
                return b"".join(_within(answer.iter_raw()))
        except httpx2.HTTPError as error:
            raise name_failure(error, url) from None

    return carry


def _trust(home: Home) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if (home.root / CA_FILE).is_file():
        try:
            context.load_verify_locations(home.root / CA_FILE)
        except ssl.SSLError:
            raise HomeError(CA_FILE, "holds no certificate that can be read") from None
    return context


def _within(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield an answer's parts; raises ``OtherSideError`` for too many bytes or seconds."""
    size, until = 0, time.monotonic() + 2 * SECONDS
    for part in parts:
        size += len(part)
        if size > MAX_BYTES or time.monotonic() > until:
            raise OtherSideError("answer", "its answer is too long or too slow")
        yield part


def name_failure(error: "httpx2.HTTPError", url: str) -> OtherSideError:
    """Return what a failed request says of the other side, by the first cause that is known."""
    import httpx2

    for cause in _list_causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _name_certificate(cause, url)
            case ssl.SSLError():
                return OtherSideError("tls", "no TLS was agreed with it")
            case socket.gaierror():
                return OtherSideError("no_address", "its name has no address")
            case ConnectionRefusedError():
                return OtherSideError("refused", "it refuses connections")
            case TimeoutError() | httpx2.TimeoutException():
                return OtherSideError("timeout", "it did not answer in time")
            case _:
                continue
    return OtherSideError("network", f"the connection to it failed ({type(error).__name__})")


def _list_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what an error came from, the innermost first."""
    if (before := error.__cause__ or error.__context__) is not None:
        yield from _list_causes(before)
    yield error


def _name_certificate(error: ssl.SSLCertVerificationError, url: str) -> OtherSideError:
    if error.verify_code in (_EXPIRED, _EARLY):
        return _name_validity(url, is_early=error.verify_code == _EARLY)
    if error.verify_code in _OTHER_NAMES:
        why = f"its certificate is not for the name {urlsplit(url).hostname}"
        return OtherSideError("certificate_name", why)
    why = f"no authority that this machine or {CA_FILE} trusts signed its certificate"
    return OtherSideError("certificate_unknown", why)


def _name_validity(url: str, *, is_early: bool) -> OtherSideError:
    from cryptography.x509 import load_pem_x509_certificate

    parts, at = urlsplit(url), ""
    with suppress(OSError, ValueError):
        shown = ssl.get_server_certificate(
            (parts.hostname or "", parts.port or 443), timeout=CERTIFICATE_SECONDS
        )
        found = load_pem_x509_certificate(shown.encode())
        limit = found.not_valid_before_utc if is_early else found.not_valid_after_utc
        if (limit > datetime.now(UTC)) == is_early:  # else it is another one of its chain
            at = rfc3339(micros(limit))
    of = "its certificate" if at else "a certificate of its chain"
    when = f" ({at})" if at else ""
    if is_early:
        return OtherSideError("certificate_early", f"{of} is not valid yet{when}", at)
    return OtherSideError("certificate_expired", f"{of} has expired{when}", at)
