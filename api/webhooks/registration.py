"""Records that register, rotate, resend and end a webhook, each taken by one administrator.

What is recorded is where events go, which, and whose view bounds them; the secret is shown once.
"""

import secrets
from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from api.auth.agencies import check_agency
from api.auth.authority import Authority
from api.auth.callers import Caller
from api.auth.permissions import BOUND
from api.http.guards import check_post
from api.notifications.event_bodies import types_for
from api.service.runtime import Runtime
from api.webhooks.addresses import check_url, parse_networks
from api.webhooks.signatures import derive_secret, new_secret_name, open_key, show_secret
from engine.domain.records import Agency, PostCode, Record
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
from engine.events.endpoints import Endpoint, EndpointHistory
from engine.journal.areas import EventType
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft, Kind
from engine.journal.idempotency import claim

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


class WebhookRetry(Record):
    """Send again all that waits or was set aside."""


class WebhookEnd(Record):
    """Send nothing more."""


class WebhookWriter:
    """Takes the steps of one administrator; each is answered as JSON values, with its receipt."""

    def __init__(self, service: Runtime, caller: Caller, key: str | None = None) -> None:
        self._service = service
        self._caller = caller
        self._key = caller.own(key)

    def register(self, wanted: WebhookRequest) -> dict[str, Any]:
        """Register a webhook, and return its secret; raises ``RecordError``, ``ConflictError``."""
        service, caller = self._service, self._caller
        wanted = self._bound(wanted)
        check_url(wanted.url, parse_networks(service.settings.webhook_networks))
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
            return WEBHOOK_REGISTERED.draft(webhook_id, body, post=post)

        done = service.recording.once(asked, draft)
        shown = {name: done.body.get(name) for name in ("url", "events", "role", "agency")}
        about = {"webhook_id": done.entry.subject, "post": done.entry.post or None}
        return about | shown | self._show_secret(done)

    def rotate(self, webhook_id: str, wanted: Rotation) -> dict[str, Any]:
        """Let a new secret sign, and return it; raises ``NotFoundError``."""
        name = f"{WEBHOOK_ROTATED}:{secrets.token_hex(8)}"

        def body(connection: Connection) -> dict[str, Any]:
            until = self._service.journal.now(connection) + wanted.overlap_hours * HOUR
            return {"secret": new_secret_name(), "until": rfc3339(until)}

        done = self._step(WEBHOOK_ROTATED, webhook_id, wanted, name=name, body=body)
        about = {"webhook_id": webhook_id, "until": done.body["until"]}
        return about | self._show_secret(done)

    def resend(self, webhook_id: str) -> dict[str, Any]:
        """Send all that waits again, and enable a disabled webhook; raises ``NotFoundError``."""
        name = f"{WEBHOOK_RESENT}:{secrets.token_hex(8)}"
        done = self._step(WEBHOOK_RESENT, webhook_id, WebhookRetry(), name=name)
        return {"webhook_id": webhook_id} | self._service.answers.receipt(done)

    def end(self, webhook_id: str) -> dict[str, Any]:
        """End a webhook, and forget what waits for it; raises ``NotFoundError``."""
        name = f"{WEBHOOK_ENDED}:{webhook_id}"
        done = self._step(WEBHOOK_ENDED, webhook_id, WebhookEnd(), name=name)
        return {"webhook_id": webhook_id} | self._service.answers.receipt(done)

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

    def _show_secret(self, done: StoredRecord) -> dict[str, Any]:
        key = open_key(self._service.home)
        secret = derive_secret(key, done.entry.subject, done.body["secret"])
        return {"secret": show_secret(secret)} | self._service.answers.receipt(done)


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
    role = Role(endpoint.role)
    duties = authority.duties(role, endpoint.agency)
    return Caller(endpoint.webhook_id, role, endpoint.post, agency=endpoint.agency, duties=duties)
