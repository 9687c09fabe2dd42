"""Model card: what to know before an approval, for machines and for people.

Assumes the facts of a training run; the judgement is the approver's.
"""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from engine.domain.time_units import rfc3339
from models.evaluation.report_text import count_noun, paragraph
from models.scoring.risk import FEWEST_RANDOM_FINDS, Doubt
from models.training.trainer import TrainingResult

USE = "Ranks crossings for inspection at border posts. It advises; people decide."
NOT_FOR = "Not for judging a person, and not for any measure other than whether to inspect."
LIMITS = (
    "Only inspected crossings have labels, so it knows least about what was never searched.",
    "It is fitted on the past: after an abrupt change it is wrong until it is fitted again.",
    "Where seizures are few, their chances lean on those of discrepancies.",
)

MADE_WITH = ("darvoza", "numpy", "scikit-learn", "scipy")
"""Libraries whose sums end up in a model."""


def card(trained: TrainingResult, *, named: str) -> dict[str, Any]:
    """Return the card of the bundle of that name as JSON keeps it."""
    model = trained.model
    return {
        "version": named,
        "use": USE,
        "not_for": NOT_FOR,
        "limits": list(LIMITS),
        "synthetic": trained.synthetic,
        "known_until": rfc3339(trained.cutoff),
        "data_digest": trained.data_digest,
        "definitions": model.definitions,
        "features": len(model.names),
        "config": trained.config.as_dict(),
        "weights": trained.report.get("weights", {}).get("chosen", "even"),
        "made_with": made_with(),
        "targets": {
            target: {
                "rows": model.evidence[target][0],
                "finds": model.evidence[target][1],
                "calibrated_on_rows": model.calibrated_on[target][0],
                "calibrated_on_finds": model.calibrated_on[target][1],
                "blend": dict(head.blend),
                "blend_where_unseen": dict(head.unseen.blend) if head.unseen else {},
                "out_of_time_log_loss": dict(model.alone[target]),
                "level_by_lot": model.level[target],
                "doubt": None if head.doubt is None else _state_doubt(head.doubt),
            }
            for target, head in model.heads.items()
        },
        "severity": dict(trained.severity),
        "summary": paragraph(trained.report),
    }


def card_text(kept: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    lines = [f"# Model {kept['version']}", "", kept["use"], "", kept["not_for"], ""]
    lines += [kept["summary"], "", "## What it was fitted on", ""]
    lines.append(f"What was known before {kept['known_until']}; {kept['features']} features.")
    lines.append("")
    for target, facts in kept["targets"].items():
        blend = _describe_blend(facts["blend"])
        if facts["blend_where_unseen"]:
            blend += (
                f"; where a fingerprint is new, of {_describe_blend(facts['blend_where_unseen'])}"
            )
        lines.append(
            f"- {target}: {count_noun(facts['rows'], 'inspected crossing')}, "
            f"{count_noun(facts['finds'], 'find')}; "
            f"calibrated on {facts['calibrated_on_rows']:,} later ones with "
            f"{count_noun(facts['calibrated_on_finds'], 'find')}; made of {blend}; "
            f"{_describe_doubt(facts.get('doubt'))}"
        )
    if kept.get("severity"):
        lines += ["", *_describe_severity(kept["severity"])]
    weighed = "count alike" if kept["weights"] == "even" else "weigh by their logged propensity"
    lines += [
        "",
        f"Inspected rows {weighed}.",
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in kept["limits"]),
        "",
    ]
    lines += [f"Data {kept['data_digest']}", "", f"Definitions {kept['definitions']}", ""]
    return "\n".join(lines)


def _describe_severity(kept: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a seizure weighs, and the table it comes from."""
    sources = {
        "configuration": "by the training configuration",
        "default": "by default: no seizure was known",
        "finds": f"the mean of {count_noun(kept['finds'], 'find')} by the network file",
    }
    yield f"A seizure weighs {kept['weight']:.4g} discrepancies, {sources[kept['by']]}."
    for row in kept["table"]:
        band = "" if row["from_g"] is None else f" from {row['from_g']:,.0f} g"
        finds = count_noun(row["finds"], "find")
        yield f"- {row['substance_class']}{band}: weight {row['weight']:g}, {finds}"


def made_with() -> dict[str, str]:
    """Return the versions of what numbers depend on: a model comes out again with these alone."""
    found = {name: version(name) for name in MADE_WITH}
    return found | {"python": ".".join(platform.python_version_tuple()[:2])}


def _state_doubt(doubt: Doubt) -> dict[str, Any]:
    return {"random_finds": doubt.random_finds, "one_in_a_hundred": doubt.bounds(0.01)}


def _describe_doubt(kept: Mapping[str, Any] | None) -> str:
    """Say how far a stated chance may be off, or that it tells an order alone."""
    if kept is None or kept["one_in_a_hundred"] is None:
        return f"fewer than {FEWEST_RANDOM_FINDS} finds of random checks: an order, and no number"
    low, high = kept["one_in_a_hundred"]
    finds = count_noun(kept["random_finds"], "find")
    return f"by {finds} of random checks, a chance of 1.0% means {low:.1%} to {high:.1%}"


def _describe_blend(blend: Mapping[str, float]) -> str:
    return ", ".join(f"{share:.0%} {name}" for name, share in blend.items())
