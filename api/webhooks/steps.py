"""Steps of one administrator that register, rotate, resend and end a webhook.

What is recorded is where events go, which events, and whose view bounds them; the secret is shown
once.

A receiver is reached over HTTPS at a public address. Networks that are not public (loopback, those
of a site, link-local) are open only if the setting ``webhook_networks`` names them: otherwise a
webhook could make the service call what the service alone reaches. A name is resolved when an event
is sent, and the connection goes to the address that was checked.

A receiver needs the secret itself, so a digest of it would not do. None is stored: each is derived
from a key file of the home, the webhook and a random name in its record. The journal and the
database therefore hold nothing that signs.
"""

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from api.auth.agencies import check_agency
from api.auth.authority import Authority
from api.auth.callers import Caller
from api.auth.permissions import BOUND
from api.http.access import check_post
from api.http.answers import Acknowledged, Recorded, Time, acknowledge
from api.notifications.event_bodies import types_for
from api.service.runtime import Runtime
from api.service.settings import MAIL_ADDRESS
from engine.domain.field_types import Agency, PostCode
from engine.domain.records import NoContent, Record
from engine.domain.rights import Role
from engine.domain.time_units import HOUR, rfc3339
from engine.errors import ConflictError, NotFoundError, RecordError
from engine.events.area import (
    WEBHOOK_ENDED,
    WEBHOOK_REGISTERED,
    WEBHOOK_RESENT,
    WEBHOOK_ROTATED,
    WebhookBody,
)
from engine.events.webhooks import Endpoint, EndpointHistory
from engine.journal.areas import EventType
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft, Kind
from engine.journal.idempotency import claim
from engine.storage.home import Home, read_secret

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_URL = re.compile(
    r"(?:push\+)?(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
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


MAILTO: Final = "mailto:"
PUSH: Final = "push+"
"""How the addresses of mails and of push gateways begin."""


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
    if url.startswith(MAILTO):
        if not re.fullmatch(MAIL_ADDRESS, url.removeprefix(MAILTO)):
            raise RecordError("webhook", "url", "malformed_url", "mailto: and a plain address")
        return
    try:
        to = parse_url(url)
    except ValueError:
        why = "https, push+https or mailto, a host in lower case, a path: no user, no fragment"
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


KEY_FILE = "webhooks"
_BYTES = 32
PREFIX = "whsec_"


def open_key(home: Home) -> bytes:
    """Return the key from which this home's secrets are derived, made on first use."""
    return read_secret(home.keys / KEY_FILE, lambda: secrets.token_bytes(_BYTES))


def new_secret_name() -> str:
    """Return the name of a new secret; it is no secret itself."""
    return secrets.token_hex(8)


def derive_secret(key: bytes, webhook_id: str, name: str) -> bytes:
    """Return a signing secret: 32 bytes."""
    message = f"darvoza/webhook\0{webhook_id}\0{name}".encode()
    return hmac.digest(key, message, hashlib.sha256)


def show_secret(secret: bytes) -> str:
    """Return a secret as its receiver gets it, once."""
    return PREFIX + base64.b64encode(secret).decode("ascii")


def event_id(journal_id: str, seq: int, event_type: str) -> str:
    """Return the identifier of an event, the same with every attempt and at every receiver."""
    digest = hashlib.sha256(f"darvoza/event\0{journal_id}\0{seq}\0{event_type}".encode())
    return f"evt_{digest.hexdigest()[:32]}"


def sign(body: str, *, event: str, at: datetime, secrets: Sequence[bytes]) -> Mapping[str, str]:
    """Return the headers of an attempt: one signature for each secret. ``at`` is in UTC."""
    from standardwebhooks import Webhook

    signatures = [Webhook(one).sign(event, at, body) for one in secrets]
    return {
        "webhook-id": event,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


MOST = 50
"""Webhooks that are not ended."""
LONGEST_OVERLAP_HOURS = 168


class WebhookRequest(Record):
    """A webhook to register: where events go, which, and whose view bounds what they hold."""

    url: Annotated[str, Field(min_length=1, max_length=500)]
    events: Annotated[tuple[EventType, ...], Field(min_length=1, max_length=16)]
    role: Role
    post: PostCode | None = None
    """The one post whose events it gets; a checkpoint's view needs one."""
    agency: Agency = None
    """The agency whose view it is; the administrator's own where it has one."""
    language: Literal["en", "ru", "uz", "tg"] | None = None
    """Of a mail or a push; absent, English."""

    EXAMPLE: ClassVar = {
        "url": "https://hub.example.org/darvoza",
        "events": ["decision.changed", "decision.overridden"],
        "role": "checkpoint",
        "post": "OYB",
    }

    @model_validator(mode="after")
    def _check_view(self) -> Self:
        known = set(types_for(self.role))
        if hidden := [one for one in self.events if one not in known]:
            why, at = "the role {role} may not be told of {event}", {"field": "events"}
            about: dict[str, Any] = {"role": self.role.value, "event": hidden[0]} | at
            raise PydanticCustomError("hidden_event", why, about)
        if self.role in BOUND and self.post is None:
            why = "this role is for one post: name it"
            raise PydanticCustomError("missing_key", why, {"field": "post"})
        return self


class Rotation(Record):
    """A new secret; the one before signs too for some hours."""

    overlap_hours: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_HOURS)] = 24
    EXAMPLE: ClassVar = {"overlap_hours": 24}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredWebhook(Recorded):
    """A new webhook, with its secret, which is shown once."""

    webhook_id: str
    url: str
    events: list[EventType]
    role: Role
    post: str | None
    agency: str | None
    secret: str
    """``whsec_`` and 32 bytes in base64, as libraries of Standard Webhooks take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatedWebhook(Recorded):
    """A new secret, which is shown once."""

    webhook_id: str
    secret: str
    until: Time
    """Until when the secret before signs too."""


class WebhookWriter:
    """Takes the steps of one administrator; each is answered with its receipt."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None = None) -> None:
        self._service = service
        self._caller = caller
        self._key = caller.own(key)

    def register(self, wanted: WebhookRequest) -> RegisteredWebhook:
        """Register a webhook, and return its secret; raises ``RecordError``, ``ConflictError``."""
        service, caller = self._service, self._caller
        wanted = self._bound(wanted)
        check_url(wanted.url, parse_networks(service.settings.webhook_networks))
        if wanted.url.startswith(MAILTO) and not service.settings.smtp_host:
            why = "no mail server is set: DARVOZA_SMTP_HOST names one"
            raise RecordError("webhook", "url", "no_mail_server", why)
        webhook_id = f"webhook-{secrets.token_hex(8)}"
        post = wanted.post or ""
        asked = claim(WEBHOOK_REGISTERED, wanted, post=post, name=webhook_id, key=self._key)

        def draft(connection: Connection) -> Draft:
            known = EndpointHistory().look(connection).values()
            if len([one for one in known if one.state != "ended"]) >= MOST:
                raise ConflictError("webhook", webhook_id, f"at most {MOST} webhooks")
            body: WebhookBody = {
                "claim": asked.as_dict(),
                "by": caller.person,
                "url": wanted.url,
                "events": list(wanted.events),
                "role": wanted.role.value,
                "secret": new_secret_name(),
            }
            if wanted.agency is not None:
                body["agency"] = wanted.agency
            if wanted.language is not None:
                body["language"] = wanted.language
            return WEBHOOK_REGISTERED.draft(webhook_id, body, post=post)

        done = service.recording.once(asked, draft)
        return RegisteredWebhook(
            webhook_id=done.entry.subject,
            url=done.body["url"],
            events=done.body["events"],
            role=done.body["role"],
            post=done.entry.post or None,
            agency=done.body.get("agency"),
            secret=self._read_secret(done),
            **service.answers.receipt(done),
        )

    def rotate(self, webhook_id: str, wanted: Rotation) -> RotatedWebhook:
        """Let a new secret sign, and return it; raises ``NotFoundError``."""
        name = f"{WEBHOOK_ROTATED}:{secrets.token_hex(8)}"

        def body(connection: Connection) -> dict[str, Any]:
            until = self._service.journal.now(connection) + wanted.overlap_hours * HOUR
            return {"secret": new_secret_name(), "until": rfc3339(until)}

        done = self._step(WEBHOOK_ROTATED, webhook_id, wanted, name=name, body=body)
        return RotatedWebhook(
            webhook_id=webhook_id,
            secret=self._read_secret(done),
            until=done.body["until"],
            **self._service.answers.receipt(done),
        )

    def resend(self, webhook_id: str) -> Acknowledged:
        """Send all that waits again, and enable a disabled webhook; raises ``NotFoundError``."""
        name = f"{WEBHOOK_RESENT}:{secrets.token_hex(8)}"
        done = self._step(WEBHOOK_RESENT, webhook_id, NoContent(), name=name)
        return acknowledge(self._service, done, webhook_id)

    def end(self, webhook_id: str) -> Acknowledged:
        """End a webhook, and forget what waits for it; raises ``NotFoundError``."""
        name = f"{WEBHOOK_ENDED}:{webhook_id}"
        done = self._step(WEBHOOK_ENDED, webhook_id, NoContent(), name=name)
        return acknowledge(self._service, done, webhook_id)

    def _step(
        self,
        kind: Kind[Any],
        webhook_id: str,
        wanted: Record,
        *,
        name: str,
        body: Callable[[Connection], dict[str, Any]] = lambda _: {},
    ) -> StoredRecord:
        with self._service.store.read() as connection:
            known = find_endpoint(connection, self._caller, webhook_id)
        post = known.post or ""
        asked = claim(kind, wanted, post=post, name=name, key=self._key, about=webhook_id)

        def draft(connection: Connection) -> Draft:
            if find_endpoint(connection, self._caller, webhook_id).state == "ended":
                raise ConflictError("webhook", webhook_id, "it has ended")
            who = {"claim": asked.as_dict(), "by": self._caller.person}
            return kind.draft(webhook_id, who | body(connection), post=post)

        return self._service.recording.once(asked, draft)

    def _bound(self, wanted: WebhookRequest) -> WebhookRequest:
        """Return a request within what its administrator reaches; raises ``RecordError``."""
        caller, network = self._caller, self._service.network
        post = wanted.post or caller.post
        if post is not None:
            check_post(network, caller, post)
        if caller.agency is not None and wanted.agency not in (None, caller.agency):
            why = "the sender acts for another agency"
            raise RecordError("webhook", "agency", "other_agency", why)
        agency = caller.agency or wanted.agency
        if agency is not None:
            check_agency(agency, network, post)
        return wanted.model_copy(update={"post": post, "agency": agency})

    def _read_secret(self, done: StoredRecord) -> str:
        key = open_key(self._service.home)
        return show_secret(derive_secret(key, done.entry.subject, done.body["secret"]))


def find_endpoint(connection: Connection, caller: Caller, webhook_id: str) -> Endpoint:
    """Return a webhook that a caller reaches; raises ``NotFoundError``."""
    found = EndpointHistory().look(connection).get(webhook_id)
    if found is None or not is_reached(caller, found):
        raise NotFoundError("webhook", webhook_id)
    return found


def is_reached(caller: Caller, endpoint: Endpoint) -> bool:
    """Tell whether a webhook is of the caller's agency and post, as far as those are bounded.

    One without an agency may get what every agency sees: it is of no one agency's administrator.
    """
    is_wider = endpoint.agency is None and caller.agency is not None
    is_covered = caller.covers_all() if is_wider else caller.covers(endpoint.agency)
    return is_covered and caller.post in (None, endpoint.post)


def receiver(endpoint: Endpoint, authority: Authority) -> Caller:
    """Return the caller whose view bounds what an endpoint gets."""
    role, agency = endpoint.role, endpoint.agency
    duties = authority.duties(role, agency)
    return Caller(endpoint.webhook_id, role, endpoint.post, agency=agency, duties=duties)
