"""Events as short messages to a person, by mail or through a push gateway.

Both go over machines of others and lie on a lock screen. So a message says what kind of thing
happened, at which post and when, and leads to the page that shows the rest to whom may see it: no
plate, name, channel, goods or figure. It is made from the body that a webhook of the same role,
post and agency would get, so nobody is told of what they may not see.

A mail goes to the server of the settings (RFC 5321), with TLS unless that server is this machine. A
push is a POST of plain text with a title, as ntfy and gateways like it take it.
"""

import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.mime.text import MIMEText
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote

from api.service.runtime import Runtime
from api.service.settings import Settings
from api.web.i18n import N_, ReaderLocale
from api.web.labels import TABLES
from engine.errors import HomeError
from engine.events.webhooks import DeliveryOutcome, Endpoint
from engine.storage.home import Home, read_secret

PASSWORD_FILE, TOKEN_FILE = "smtp-password", "push-token"
"""In ``keys/`` of the home: what the mail server and the push gateway know this service by."""
_TEST: Final = N_("a test message")
_PAGES: Final = {"decision_id": "/decisions/{}", "case_id": "/cases/{}"}
"""Where the thing of an event is shown; what has no page of its own is among the notifications."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What a person is told of an event."""

    title: str
    text: str
    link: str = ""
    """Empty where the service does not know its own address."""


def write_alert(service: Runtime, endpoint: Endpoint, body: Mapping[str, Any]) -> Alert:
    """Return the message about an event, whose body is that of a webhook of the same receiver."""
    settings, data = service.settings, body["data"]
    post = data.get("post")
    speech = ReaderLocale(
        endpoint.language, settings.utc_offset_minutes, service.network, post or endpoint.post
    )
    known = TABLES["webhook_event"].get(body["type"], _TEST)
    kind = speech.say(known)
    about = TABLES["notified_of"].get(str(data.get("alarm") or data.get("matter")))
    happened = speech.moment(datetime.fromisoformat(body["timestamp"]))
    lines = [kind, None if about is None else speech.say(about), post, happened]
    link = f"{settings.address}{_find_page(data)}" if settings.address else ""
    text = "\n".join([str(one) for one in (*lines, link) if one])
    return Alert(title=f"Darvoza: {kind}", text=text, link=link)


def _find_page(data: Mapping[str, Any]) -> str:
    for name, page in _PAGES.items():
        if name in data:
            return page.format(quote(str(data[name]), safe=""))
    return "/notifications"


def read_token(home: Home, name: str) -> str:
    """Return what a file of the home's keys holds, empty without one; raises ``HomeError``."""
    if not (home.keys / name).exists():
        return ""
    found = read_secret(home.keys / name, bytes).strip()
    if not found.isascii() or b"\n" in found:
        raise HomeError(name, "must hold one line of ASCII characters")
    return found.decode("ascii")


def push_headers(home: Home, alert: Alert, event: str) -> Mapping[str, str]:
    """Return the headers of a push; ``event`` is the same with every attempt."""
    token = read_token(home, TOKEN_FILE)
    return {
        "content-type": "text/plain; charset=utf-8",
        "title": Header(alert.title, "utf-8", maxlinelen=1 << 10).encode(),  # RFC 2047
        "webhook-id": event,
        **({"click": alert.link} if alert.link else {}),
        **({"authorization": f"Bearer {token}"} if token else {}),
    }


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to one address."""

    to: str
    alert: Alert
    event: str
    """The same with every attempt, so that a reader may tell a repetition."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """The server that takes the mails of this service."""

    settings: Settings
    home: Home

    def send(self, mail: Mail) -> DeliveryOutcome:
        """Hand a mail to the server, within the time limit of one attempt."""
        try:
            return self._send(mail)
        except TimeoutError:
            return DeliveryOutcome("failed", "timeout")
        except smtplib.SMTPRecipientsRefused as error:
            return DeliveryOutcome("failed", str(next(iter(error.recipients.values()))[0]))
        except smtplib.SMTPResponseException as error:
            return DeliveryOutcome("failed", str(error.smtp_code))
        except (smtplib.SMTPException, OSError):
            return DeliveryOutcome("failed", "connection")

    def _send(self, mail: Mail) -> DeliveryOutcome:
        settings = self.settings
        where = (settings.smtp_host, settings.smtp_port)
        limit, context = settings.webhook_timeout_seconds, ssl.create_default_context()
        opened = (
            smtplib.SMTP_SSL(*where, timeout=limit, context=context)
            if settings.smtp_security == "tls"
            else smtplib.SMTP(*where, timeout=limit)
        )
        with opened as server:
            if settings.smtp_security == "starttls":
                server.starttls(context=context)
            if settings.smtp_user:
                server.login(settings.smtp_user, read_token(self.home, PASSWORD_FILE))
            server.send_message(self._write(mail))
        return DeliveryOutcome("delivered", "250")

    def _write(self, mail: Mail) -> MIMEText:
        sender = self.settings.smtp_from
        written = MIMEText(mail.alert.text, "plain", "utf-8")
        written["From"], written["To"] = sender, mail.to
        written["Subject"] = Header(mail.alert.title, "utf-8", header_name="Subject").encode()
        written["Date"] = format_datetime(datetime.now(UTC))
        written["Message-ID"] = f"<{mail.event}@{sender.rpartition('@')[2]}>"
        written["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of a machine
        return written
