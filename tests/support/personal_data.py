"""What must never leave the service: texts of the test data that stand for persons and vehicles."""

import re
from collections.abc import Iterable

CANARY = "ZZSECRETZZ"
_LEAKS = re.compile(
    rf"{CANARY}"
    r"|\b\d{2}A\d{4,}BC\b"  # plates of tests/support/running_service.py
    r"|\bdz_[\w-]{40,}"  # keys
    r"|[?&](?:plate|driver_ref|vin)="
)


def leaks(text: str) -> list[str]:
    """Return what a text gives away."""
    return _LEAKS.findall(text)


def find_personal_data(sections: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of a test's captured sections (output, logs) that give something away."""
    return [name for name, text in sections if leaks(text)]
