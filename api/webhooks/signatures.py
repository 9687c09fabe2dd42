"""Signing secrets of webhooks, and the identifiers of what they sign.

A receiver needs the secret itself, so a digest of it would not do. None is stored: each is derived
from a key file of the home, the webhook and a random name in its record. The journal and the
database therefore hold nothing that signs.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from engine.storage.home import Home
from engine.storage.secret_files import read_secret

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
