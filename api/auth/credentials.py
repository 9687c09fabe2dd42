"""Keys of machines and passwords of people: made once, shown once, kept as digests.

A key is 256 random bits, so one HMAC with a pepper that is not in the database is enough: a dump of
the database alone holds no key to call with, and nothing to guess. A password is guessable, so it
is kept as argon2id.

The store keeps the digests, and no record contains them. A record commits to them, so that a stored
digest that was replaced is recognised. A commitment gives nothing away: it hashes a keyed digest of
256 random bits, or an argon2 string whose salt no record contains.
"""

import hashlib
import hmac
import os
import re
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import make_url

from engine.errors import HomeError
from engine.storage.home import DATABASE_VARIABLE, Home, read_secret

_DOMAIN = b"darvoza/credential\0"
FIELD: Final = "commitment"
"""Field of the record bodies that hold one."""


def commitment_of(stored: bytes | str) -> str:
    """Return the hex SHA-256 of a secret as it is stored, separated by domain."""
    kept = stored.encode() if isinstance(stored, str) else bytes(stored)
    return hashlib.sha256(_DOMAIN + kept).hexdigest()


EXAMPLES = frozenset({"password", "postgres", "darvoza", "secret", "changeme", "example", "admin"})
"""Passwords of our own pages and of everybody's; none opens a store of ours."""
PREFIX = "dz_"
PEPPER_FILE = "pepper"
_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
Purpose = Literal[
    "session", "form", "invitation", "oidc-state", "oidc-nonce", "oidc-verifier", "oidc-subject"
]
"""What else than a key is digested with the pepper; each with a prefix of its own."""
_NICENESS = 10
"""How much later than other threads that of passwords gets a core, where cores are few."""
_HASHER = PasswordHasher()  # argon2id, the library's recommended cost (RFC 9106, low memory)


def new_key() -> str:
    """Return a new key: 256 random bits, with a prefix that scanners for leaked keys can find."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def new_password() -> str:
    """Return a new password of 96 random bits, in groups a person can read out."""
    return "-".join(secrets.token_hex(3) for _ in range(4))


def digest(key: str, pepper: bytes) -> bytes:
    """Return what is kept of a key."""
    return hmac.digest(pepper, key.encode("utf-8", "surrogatepass"), hashlib.sha256)


def purpose_digest(purpose: Purpose, text: str, pepper: bytes) -> bytes:
    """Return a digest that is good for one purpose; no API key begins with a purpose."""
    prefix = f"darvoza/{purpose}\0".encode()
    return hmac.digest(pepper, prefix + text.encode("utf-8", "surrogatepass"), hashlib.sha256)


def is_token(text: str) -> bool:
    """Tell whether a text can be a key or a token of ours, before anything is looked up by it."""
    return _TOKEN.fullmatch(text) is not None


def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    return _HASHER.hash(password)


@cache
def stand_in() -> str:
    """Return what is kept of no one's password: made once in a process, at the same cost."""
    return hash_password(new_password())


def is_password(password: str, kept: str) -> bool:
    """Tell whether a password is the one that was kept.

    The hash is computed on a thread of low priority, which does nothing else: any Python that ran
    there could keep the interpreter's lock while other programs have the cores.
    """
    try:
        return _slow_thread().submit(_HASHER.verify, kept, password).result()
    except (VerificationError, InvalidHashError):
        return False


@cache
def _slow_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "password", initializer=_yield_to_others)


def _yield_to_others() -> None:
    """Lower this thread's priority, which the threads that argon2 starts from it inherit.

    On Linux a priority is a thread's. It stays as it is where it cannot be lowered.
    """
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def open_pepper(home: Home) -> bytes:
    """Read this home's pepper, made on first use; raises ``HomeError``."""
    pepper = read_secret(home.keys / PEPPER_FILE, lambda: secrets.token_bytes(_BYTES))
    if len(pepper) != _BYTES:
        raise HomeError(PEPPER_FILE, f"must hold {_BYTES} bytes")
    if len(set(pepper)) <= _BYTES // 2:  # 32 drawn bytes are about 30 different ones
        raise HomeError(
            PEPPER_FILE, "was not drawn at random: draw another, and create all keys again"
        )
    return pepper


def check_database(url: str) -> None:
    """Refuse a store behind a password that everybody knows; raises ``HomeError``."""
    password = make_url(url).password
    if password is not None and str(password).lower() in EXAMPLES:
        why = "its password is one that is shown in examples: choose another"
        raise HomeError(DATABASE_VARIABLE, why)
