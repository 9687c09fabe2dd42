"""``darvoza sbom``: what the service is made of, as a CycloneDX list, from the locks alone.

The locks name every version and the hash of every file that may be installed, so the list needs no
network, and the same locks give the same list. Licences are said of what is installed here.
"""

import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.common import UnusedHomeOption
from engine.errors import InputError

ROOT = Path(__file__).parents[2]
SERVICE, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"
_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?:\s*;\s*(?P<marker>[^\\\n]+))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_SPACE = uuid.UUID("8a1f8c1e-6d0b-4b5e-9a52-3a0e2f6b7c11")


@dataclass(frozen=True, slots=True)
class Pin:
    """One library as a lock has it."""

    name: str
    version: str
    marker: str | None
    """Where it is installed; None everywhere."""
    hashes: tuple[str, ...]
    """SHA-256 of each file that may be installed."""

    @property
    def purl(self) -> str:
        """Its address as package lists write it."""
        return f"pkg:pypi/{self.name}@{self.version}"


def sbom(
    home: UnusedHomeOption,
    development: Annotated[bool, typer.Option(help="Training and test libraries too.")] = False,
) -> None:
    """Print every library of the service as CycloneDX 1.6 JSON."""
    names = (SERVICE, DEVELOPMENT) if development else (SERVICE,)
    json.dump(bill(ROOT, names), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


def bill(root: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the list; raises ``InputError`` where a lock is missing."""
    texts = {name: _text(root / name) for name in names}
    digest = hashlib.sha256("".join(texts.values()).encode()).hexdigest()
    served = {pin.purl for pin in pins(texts[SERVICE])}
    found = {pin.purl: pin for text in texts.values() for pin in pins(text)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, digest)}",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": "darvoza", "version": version("darvoza")}
        },
        "components": [
            _component(pin, is_served=purl in served) for purl, pin in sorted(found.items())
        ],
    }


def pins(text: str) -> Iterator[Pin]:
    """Yield what a lock pins."""
    for block in re.split(r"\n(?=\S)", text):
        if (pin := _PIN.match(block)) is not None:
            marker = (pin["marker"] or "").strip() or None
            yield Pin(pin["name"], pin["version"], marker, tuple(_HASH.findall(block)))


def _component(pin: Pin, *, is_served: bool) -> dict[str, Any]:
    properties = [] if pin.marker is None else [{"name": "marker", "value": pin.marker}]
    found = {
        "type": "library",
        "bom-ref": pin.purl,
        "purl": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "scope": "required" if is_served else "excluded",
        "hashes": [{"alg": "SHA-256", "content": content} for content in pin.hashes],
    }
    licence = _licence(pin.name)
    return (
        found
        | ({"properties": properties} if properties else {})
        | ({"licenses": [{"expression": licence}]} if licence else {})
    )


def _licence(name: str) -> str | None:
    """Return a library's licence expression, where it is installed and says one."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return None
    return next(iter(about.get_all("License-Expression") or ()), None)


def _text(path: Path) -> str:
    if not path.is_file():
        raise InputError(path.name, "the list is made from the tree, where the locks are")
    return path.read_text("utf-8")
