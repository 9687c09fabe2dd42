"""One attempt to deliver an event: a POST that is acknowledged by any status of 2xx.

The answer's body is never read. No redirect is followed, no proxy of the environment is used, and
the whole attempt has one time limit, whatever the receiver sends meanwhile. Certificates are
checked against the system's authorities, to which OpenSSL's ``SSL_CERT_FILE`` may add others.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING

from api.webhooks.addresses import Network, RefusedAddressError, parse_url, resolve
from engine.domain.time_units import SECOND
from engine.events.deliveries import Outcome

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

    def __init__(self, networks: Sequence[Network], timeout: float) -> None:
        """``timeout`` is in seconds and bounds a whole attempt."""
        self._networks = networks
        self._timeout = timeout
        self._lock = Lock()
        self._is_cancelled = False
        self._context: ssl.SSLContext | None = None
        self._running: dict[asyncio.Task[object], asyncio.AbstractEventLoop] = {}

    def send(self, messages: Sequence[Message]) -> list[Outcome] | None:
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

    async def _send_all(self, messages: Sequence[Message]) -> list[Outcome]:
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

    async def _send(self, client: "httpx2.AsyncClient", message: Message) -> Outcome:
        import httpx2

        try:
            async with asyncio.timeout(self._timeout):
                address = await resolve(message.url, self._networks)
                url, to = httpx2.URL(message.url), parse_url(message.url)
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
            return Outcome("failed", "refused_address")
        except TimeoutError:
            return Outcome("failed", "timeout")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
            return Outcome("failed", "connection")
        return judge(status, wait)


def judge(status: int, retry_after: str = "") -> Outcome:
    """Return what a status says of an attempt."""
    if 200 <= status < 300:
        return Outcome("delivered", str(status))
    if status == GONE:
        return Outcome("gone", str(status))
    wait = parse_retry_after(retry_after) if status in _BUSY else 0
    return Outcome("failed", str(status), wait)


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
