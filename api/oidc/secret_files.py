"""Secret files of sign-on, among the keys of a home."""

import secrets

from engine.errors import HomeError
from engine.storage.home import Home
from engine.storage.secret_files import read_secret

SUBJECTS_FILE = "oidc-subjects"
"""Key by which issuer and subject become a name; made with the first mapping."""
CLIENT_FILE = "oidc-client-secret"
"""What the provider gave this service as its password; none where it gave none."""
_BYTES = 32


def open_subject_key(home: Home) -> bytes:
    """Return the key of subjects, made on first use; raises ``HomeError``."""
    return read_secret(home.keys / SUBJECTS_FILE, lambda: secrets.token_bytes(_BYTES))


def find_subject_key(home: Home) -> bytes | None:
    """Return the key of subjects, None where there is none; raises ``HomeError``."""
    return open_subject_key(home) if (home.keys / SUBJECTS_FILE).exists() else None


def read_client_secret(home: Home) -> str | None:
    """Return the client secret, None where there is none; raises ``HomeError``."""
    if not (home.keys / CLIENT_FILE).exists():
        return None
    found = read_secret(home.keys / CLIENT_FILE, bytes).strip()
    if not found or not found.isascii():
        raise HomeError(CLIENT_FILE, "must hold one line of ASCII characters")
    return found.decode("ascii")
