"""Delivery of events: a thread of the service that looks at the outbox and sends what waits.

Every process of the service may look. One sends to an endpoint at a time (a lease in the store),
each endpoint on a thread of its own, so that a slow receiver delays itself alone.

An attempt is a POST, acknowledged by any status of 2xx. The answer's body is never read. No
redirect is followed, no proxy of the environment is used, and the whole attempt has one time limit,
whatever the receiver sends meanwhile. Certificates are checked against the system's authorities, to
which OpenSSL's ``SSL_CERT_FILE`` may add others.
"""

import asyncio
import secrets
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import Connection

from api.auth.agencies import agencies_by_post
from api.auth.authority import Authority
from api.notifications.event_bodies import EventBodies
from api.service.runtime import Runtime
from api.service.structured_logging import fault
from api.webhooks.alerts import Mail, MailServer, push_headers, write_alert
from api.webhooks.steps import (
    MAILTO,
    PUSH,
    Network,
    RefusedAddressError,
    derive_secret,
    event_id,
    open_key,
    parse_networks,
    parse_url,
    receiver,
    resolve,
    sign,
)
from engine.domain.time_units import SECOND, moment, rfc3339
from engine.errors import StoreUnavailableError
from engine.events.area import WEBHOOK_DISABLED, WebhookDisabledBody
from engine.events.webhooks import (
    FAILING,
    Delivery,
    DeliveryOutcome,
    Endpoint,
    EndpointHistory,
    claim_due,
    has_work,
    release_leases,
    settle,
)
from engine.storage.worker_process import PeriodicWorker

if TYPE_CHECKING:
    import httpx2

GONE = 410
_BUSY = frozenset({429, 503})
_HEADERS = {"content-type": "application/json", "user-agent": "darvoza-webhooks/1"}


@dataclass(frozen=True, slots=True)
class Message:
    """A signed event for one receiver."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Sender:
    """Sends messages, several at a time; ``cancel`` ends what is under way."""

    def __init__(
        self, networks: Sequence[Network], timeout: float, mail: MailServer | None = None
    ) -> None:
        """``timeout`` is in seconds and bounds a whole attempt."""
        self._mail = mail
        self._networks = networks
        self._timeout = timeout
        self._lock = Lock()
        self._is_cancelled = False
        self._context: ssl.SSLContext | None = None
        self._running: dict[asyncio.Task[object], asyncio.AbstractEventLoop] = {}

    def send(self, messages: Sequence[Message | Mail]) -> list[DeliveryOutcome] | None:
        """Return what became of each message; None where it was cancelled."""
        with suppress(asyncio.CancelledError):
            return asyncio.run(self._send_all(messages))
        return None

    def cancel(self) -> None:
        """End the attempts under way, and begin no more: they count as not made."""
        with self._lock:
            self._is_cancelled = True
            for task, loop in self._running.items():
                loop.call_soon_threadsafe(task.cancel)

    async def _send_all(self, messages: Sequence[Message | Mail]) -> list[DeliveryOutcome]:
        import httpx2

        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a coroutine of a task
        with self._lock:
            if self._is_cancelled:
                raise asyncio.CancelledError
            self._running[task] = asyncio.get_running_loop()
        try:
            self._context = context = self._context or ssl.create_default_context()
            async with httpx2.AsyncClient(verify=context, trust_env=False, timeout=None) as client:
                return await asyncio.gather(*(self._send(client, one) for one in messages))
        finally:
            with self._lock:
                del self._running[task]

    async def _send(self, client: "httpx2.AsyncClient", message: Message | Mail) -> DeliveryOutcome:
        import httpx2

        if isinstance(message, Mail):
            if self._mail is None:
                return DeliveryOutcome("failed", "connection")
            return await asyncio.to_thread(self._mail.send, message)
        try:
            async with asyncio.timeout(self._timeout):
                address = await resolve(message.url, self._networks)
                url, to = httpx2.URL(message.url.removeprefix(PUSH)), parse_url(message.url)
                request = client.build_request(
                    "POST",
                    url.copy_with(host=address),
                    headers={**_HEADERS, **message.headers, "host": url.netloc.decode("ascii")},
                    content=message.body,
                    extensions={"sni_hostname": to.host},
                )
                answer = await client.send(request, stream=True, follow_redirects=False)
                status, wait = answer.status_code, answer.headers.get("retry-after", "")
                await answer.aclose()
        except RefusedAddressError:
            return DeliveryOutcome("failed", "refused_address")
        except TimeoutError:
            return DeliveryOutcome("failed", "timeout")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
            return DeliveryOutcome("failed", "connection")
        return judge(status, wait)


def judge(status: int, retry_after: str = "") -> DeliveryOutcome:
    """Return what a status says of an attempt."""
    if 200 <= status < 300:
        return DeliveryOutcome("delivered", str(status))
    if status == GONE:
        return DeliveryOutcome("gone", str(status))
    wait = parse_retry_after(retry_after) if status in _BUSY else 0
    return DeliveryOutcome("failed", str(status), wait)


def parse_retry_after(value: str) -> int:
    """Return how long a receiver asks to wait, in microseconds; 0 where it does not say."""
    if value.isascii() and value.isdigit() and len(value) < 9:
        return int(value) * SECOND
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0, round((at - datetime.now(UTC)).total_seconds() * SECOND))


EVERY_SECONDS = 1.0
THREADS = 8
"""Endpoints that are served at the same time."""
MARGIN_SECONDS = 15.0
"""By how much a lease outlasts the longest attempt."""


def open_sender(service: Runtime) -> Sender:
    """Return what sends the messages of a service."""
    settings = service.settings
    mail = MailServer(settings, service.home) if settings.smtp_host else None
    networks = parse_networks(settings.webhook_networks)
    return Sender(networks, settings.webhook_timeout_seconds, mail)


def write_message(
    service: Runtime, endpoint: Endpoint, body: bytes, *, event: str, now: int
) -> Message | Mail:
    """Return an event as it goes to an endpoint: signed, as a mail, or as a push.

    ``event`` is its identifier, ``now`` the journal's time in UTC microseconds.
    """
    if endpoint.way == "webhook":
        key = open_key(service.home)
        signing = [
            derive_secret(key, endpoint.webhook_id, one.name)
            for one in endpoint.signing_secrets(now)
        ]
        headers = sign(body.decode(), event=event, at=moment(now), secrets=signing)
        return Message(endpoint.url, headers, body)
    alert = write_alert(service, endpoint, orjson.loads(body))
    if endpoint.way == "mail":
        return Mail(endpoint.url.removeprefix(MAILTO), alert, event)
    return Message(endpoint.url, push_headers(service.home, alert, event), alert.text.encode())


class DeliveryWorker(PeriodicWorker):
    """Sends the events of every endpoint until it is closed."""

    def __init__(self, service: Runtime, *, every: float = EVERY_SECONDS) -> None:
        """``every`` is how often the outbox is looked at, in seconds."""
        super().__init__("webhooks", every, first_after=0.0)
        self._service = service
        self._holder = secrets.token_hex(8)
        timeout = service.settings.webhook_timeout_seconds
        self._lease = round((timeout + min(timeout, MARGIN_SECONDS)) * SECOND)
        self._sender = open_sender(service)
        self._history = EndpointHistory()
        self._authority = Authority(posts=agencies_by_post(service.network))
        self._busy: set[str] = set()
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(THREADS, "webhook")

    def close(self) -> None:
        """End what is under way; the next process to look sends it again."""
        self._stop.set()
        self._sender.cancel()
        super().close()
        self._threads.shutdown()
        try:
            with self._service.store.read() as connection:
                is_used = bool(self._history.look(connection))
            if is_used:
                with self._service.store.write() as connection:
                    release_leases(connection, self._holder)
        except StoreUnavailableError:
            return  # the leases end by themselves

    def deliver(self) -> None:
        """Send what is due now, on this thread."""
        for endpoint in self._find_work():
            self._serve(endpoint.webhook_id)

    def run_turn(self) -> None:
        """Begin to send what is due."""
        for endpoint in self._find_work():
            self._begin(endpoint.webhook_id)

    def note_failure(self, error: Exception) -> None:
        """Log it; where the store is away, the next look finds what is due."""
        if not isinstance(error, StoreUnavailableError):
            fault(error, route="webhooks")

    def _begin(self, webhook_id: str) -> None:
        with self._lock:
            if webhook_id in self._busy:
                return
            self._busy.add(webhook_id)
        self._threads.submit(self._serve_once, webhook_id)

    def _serve_once(self, webhook_id: str) -> None:
        try:
            self._serve(webhook_id)
        except StoreUnavailableError:
            pass
        except Exception as error:
            fault(error, route="webhooks")
        finally:
            with self._lock:
                self._busy.discard(webhook_id)

    def _find_work(self) -> Sequence[Endpoint]:
        store, journal = self._service.store, self._service.journal
        with store.read() as connection:
            known = self._history.look(connection)
            active = [one for one in known.values() if one.state == "active"]
            if not active:
                return ()
            now = journal.now(connection)
            return [
                one for one in active if has_work(connection, one, holder=self._holder, now=now)
            ]

    def _serve(self, webhook_id: str) -> None:
        """Send what is due to one endpoint, a few events at a time, until nothing is."""
        store, journal = self._service.store, self._service.journal
        while not self._stop.is_set():
            with store.write() as connection:
                endpoint = self._history.look(connection)[webhook_id]
                if endpoint.state != "active":
                    return
                now = journal.now(connection)
                due = claim_due(
                    connection, endpoint, holder=self._holder, now=now, lease=self._lease
                )
            if not due:
                return
            outcomes = self._attempt(endpoint, due)
            if outcomes is None:
                return
            with store.write() as connection:
                now = journal.now(connection)
                since = settle(connection, endpoint, outcomes, now=now)
            self._count(outcomes)
            if self._disable(endpoint, outcomes, since=since, now=now):
                return

    def _attempt(
        self, endpoint: Endpoint, due: Sequence[Delivery]
    ) -> list[tuple[Delivery, DeliveryOutcome]] | None:
        """Send some events; return what became of each, None where the service stops."""
        with self._service.store.read() as connection:
            messages = [self._message(connection, endpoint, one) for one in due]
        sent = self._sender.send([one for one in messages if one is not None])
        if sent is None:
            return None
        outcomes = iter(sent)
        dropped = DeliveryOutcome("dropped")
        return [
            (delivery, dropped if message is None else next(outcomes))
            for delivery, message in zip(due, messages, strict=True)
        ]

    def _message(
        self, connection: Connection, endpoint: Endpoint, delivery: Delivery
    ) -> Message | Mail | None:
        service = self._service
        caller = receiver(endpoint, self._authority.look(connection))
        bodies = EventBodies(service, connection, caller)
        is_asked = delivery.type in endpoint.events and delivery.seq > endpoint.sequence
        if not is_asked or not bodies.is_stated(delivery.seq, delivery.type):
            return None
        body = bodies.build(delivery.seq, delivery.type)
        if body is None:
            return None
        head, now = service.journal.head(connection), service.journal.now(connection)
        name = event_id(head.journal_id, delivery.seq, delivery.type)
        return write_message(service, endpoint, body, event=name, now=now)

    def _count(self, outcomes: Sequence[tuple[Delivery, DeliveryOutcome]]) -> None:
        for delivery, outcome in outcomes:
            self._service.metrics.count_delivery(delivery.type, outcome.state)

    def _disable(
        self,
        endpoint: Endpoint,
        outcomes: Sequence[tuple[Delivery, DeliveryOutcome]],
        *,
        since: int,
        now: int,
    ) -> bool:
        """Record that an endpoint is gone, or that nothing arrived there for days."""
        is_gone = any(outcome.state == "gone" for _, outcome in outcomes)
        if not is_gone and not (since and now - since > FAILING):
            return False
        body: WebhookDisabledBody = {
            "why": "gone" if is_gone else "failing",
            "since": rfc3339(since or now),
        }
        draft = WEBHOOK_DISABLED.draft(endpoint.webhook_id, body, post=endpoint.post or "")
        self._service.journal.append([draft])
        return True
