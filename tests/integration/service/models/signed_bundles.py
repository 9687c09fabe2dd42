"""Bundles of papers alone: signed, registered and readable, with no model in them."""

import json
from functools import cache
from hashlib import sha256
from typing import Any

from engine.journal.journal import Journal
from engine.storage.home import Home, file_digest
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from models.bundle import FORMAT, sign, signing_key
from models.lifecycle import transitions
from models.lifecycle.states import ModelStates
from tests.integration.models.evaluation.test_report import make_report
from tests.support.small_dataset import small_world

CARD: dict[str, Any] = {
    "version": "m", "use": "Ranks crossings.", "not_for": "Not for judging a person.",
    "limits": ["It is fitted on the past."], "synthetic": True,
    "known_until": "2026-03-01T00:00:00.000001Z", "data_digest": "d",
    "definitions": Plan(CATALOGUE).digest, "features": 8, "summary": "In a few words.",
    "targets": {target: {"rows": 900, "finds": 80, "calibrated_on_rows": 300,
                         "calibrated_on_finds": 25} for target in ("discrepancy", "seizure")},
}  # fmt: skip

JUDGED: dict[str, Any] = {"targets": {"discrepancy": {}}}
"""What approving asks of a report, for bundles in which no model is."""


@cache
def report() -> str:
    """Return a report as JSON, judged on a small world."""
    return json.dumps(make_report(small_world(900, seed=7, days=10)))


def write(home: Home, version: str, **report_too: Any) -> str:
    """Write a bundle of papers and return the digest of its manifest."""
    folder = home.bundles / version
    folder.mkdir(parents=True, exist_ok=True)
    papers = {
        "card.json": json.dumps(CARD | {"version": version}),
        "report.json": json.dumps(json.loads(report()) | report_too),
    }
    digests = {name: sha256(text.encode()).hexdigest() for name, text in papers.items()}
    for name, text in papers.items():
        (folder / name).write_text(text, "utf-8")
    manifest = json.dumps({"format": FORMAT, "version": version, "files": digests}).encode()
    (folder / "manifest.json").write_bytes(manifest)
    (folder / "manifest.sig").write_bytes(sign(manifest, signing_key(home)))
    return file_digest(folder / "manifest.json")


def register(journal: Journal, home: Home, version: str, *, by: str, **more: Any) -> None:
    """Write papers and register them as a candidate; ``more`` goes into the report."""
    evaluation = more.pop("evaluation", "e")
    digest = write(home, version, **more)
    names = {"manifest": digest, "evaluation": evaluation, "card": "c"}
    journal.append(transitions.register(ModelStates(), version, by=by, **names))
