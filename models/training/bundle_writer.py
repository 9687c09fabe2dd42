"""Bundle writer: files, model card, a comparison with scikit-learn, and a signed manifest.

Assumes that what serves must equal what was judged: a bundle whose engine differs from scikit-learn
on the training rows is never written. The version is the content's: the same data and choices give
the same name and the same serving bytes. The model card says what to know before an approval, for
machines and for people; the judgement is the approver's.
"""

import io
import json
import os
import platform
import shutil
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.domain.time_units import SystemClock, rfc3339
from engine.errors import RiskError
from engine.storage.home import write_durably
from models.array_types import Floats, Rows
from models.bundle import FORMAT, MANIFEST, SIGNATURE, TREES, arrays, margins_of, sign
from models.data.dataset import TARGETS
from models.evaluation.report_text import count_noun, paragraph
from models.explanation.tree_shap import TreeShap
from models.learning.fit import FittedModel
from models.learning.own_estimators import OwnEstimator
from models.scoring import (
    FEWEST_RANDOM_FINDS,
    Doubt,
    Linear,
    TreeArrays,
    TreeEnsemble,
    column_of,
    probability,
)
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


def make_card(trained: TrainingResult, *, named: str) -> dict[str, Any]:
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
        "summary": paragraph(trained.report),
    }


def render_card(kept: Mapping[str, Any]) -> str:
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


def made_with() -> dict[str, str]:
    """Return the versions of what numbers depend on: a model comes out again with these alone."""
    found = {name: version(name) for name in MADE_WITH}
    return found | {"python": ".".join(platform.python_version_tuple()[:2])}


def _state_doubt(doubt: Doubt) -> dict[str, Any]:
    ends = doubt.bounds(np.log(0.01 / 0.99))
    return {
        "random_finds": doubt.random_finds,
        "one_in_a_hundred": None if ends is None else ends.tolist(),
    }


def _describe_doubt(kept: Mapping[str, Any] | None) -> str:
    """Say how far a stated chance may be off, or that it tells an order alone."""
    if kept is None or kept["one_in_a_hundred"] is None:
        return f"fewer than {FEWEST_RANDOM_FINDS} finds of random checks: an order, and no number"
    low, high = kept["one_in_a_hundred"]
    finds = count_noun(kept["random_finds"], "find")
    return f"by {finds} of random checks, a chance of 1.0% means {low:.1%} to {high:.1%}"


def _describe_blend(blend: Mapping[str, float]) -> str:
    return ", ".join(f"{share:.0%} {name}" for name, share in blend.items())


AGREEMENT = 1e-9
"""Largest difference in chance between what serves and scikit-learn."""
EXPLAINED = 200
"""Rows on which explanations are compared with the margins they must sum to."""
_NEAR = 1_024
"""Rows that scikit-learn's trees score together: they stay near the processor."""


class BundleDiffersError(RiskError):
    """The serving form of a model does not equal the model; nothing was written."""

    what: str
    difference: float
    TEXT = "{what} differ from scikit-learn by {difference:.1e}"


def write_bundle(folder: Path, trained: TrainingResult, signing_key: Ed25519PrivateKey) -> Path:
    """Write a bundle into the folder of all bundles, whole or not at all.

    Returned is its own folder, named by the version; one that is there already is left as it is.
    Raises ``BundleDiffersError`` if our trees with our calibration, or the explanations, do not
    equal scikit-learn.
    """
    files = serving_files(trained)
    _check(trained, files)
    version = version_of(trained, files)
    home = folder / version
    if home.exists():
        return home
    files |= _for_people(trained, version)
    manifest = _json(
        {
            "format": FORMAT,
            "version": version,
            "definitions": trained.model.definitions,
            "created_at": rfc3339(SystemClock().now()),
            "targets": list(TARGETS),
            "files": {name: sha256(content).hexdigest() for name, content in files.items()},
        }
    )
    files |= {MANIFEST: manifest, SIGNATURE: sign(manifest, signing_key)}
    draft = folder / f".{version}.{os.getpid()}"
    draft.mkdir(parents=True)
    try:
        for name, content in files.items():
            write_durably(draft / name, content)
        draft.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return home


def serving_files(trained: TrainingResult) -> dict[str, bytes]:
    """Return the files that serve: their bytes depend on data and choices alone."""
    model = trained.model
    trees, straight = model.read_parts()
    files = {TREES[name]: _archive(grown.as_arrays()) for name, grown in trees.items()}
    heads = {target: head.as_dict() for target, head in model.heads.items()}
    lines = {name: line.as_dict() for name, line in straight.items()}
    calibration = {"heads": heads, "lines": lines}
    return files | {
        "calibration.json": _json(calibration),
        "features.json": _json({"definitions": model.definitions, "names": list(model.names)}),
        "norms.json": _json(_rows(trained.norms)),
        "quantiles.json": _json({post: one.as_body() for post, one in trained.tables.items()}),
        "seizures.npz": _archive(trained.seizures.as_arrays()),
    }


def _for_people(trained: TrainingResult, version: str) -> dict[str, bytes]:
    """Return the card, the report, and the estimators as analysts load them."""
    import skops.io  # looks at every estimator there is

    kept = make_card(trained, named=version)
    return {
        "card.json": _json(kept),
        "card.md": render_card(kept).encode(),
        "report.json": _json(trained.report),
        "reference.json": _json(trained.reference.as_dict()),
        "model.skops": bytes(skops.io.dumps(_estimators(trained.model))),
    }


def _estimators(model: FittedModel) -> dict[str, Any]:
    """Return scikit-learn's own objects by name."""
    return {
        name: one.estimator if isinstance(one, OwnEstimator) else one
        for name, one in model.ensembles.items()
    }


def version_of(trained: TrainingResult, files: Mapping[str, bytes]) -> str:
    """Return the name of a version: the day of the cut-off, and a digest of the content.

    The digest covers the files of the bundle, the data, the configuration and the report.
    """
    total = sha256(trained.data_digest.encode() + _json(trained.config.as_dict()))
    total.update(_json(trained.report))
    for name in sorted(files):
        total.update(sha256(files[name]).digest())
    day = rfc3339(trained.cutoff)[:10].replace("-", "")
    return f"m{day}-{total.hexdigest()[:8]}"


def _check(trained: TrainingResult, files: Mapping[str, bytes]) -> None:
    """Refuse when what would serve differs from scikit-learn."""
    model, values = trained.model, trained.checked
    kept = {name: files[file] for name, file in TREES.items() if file in files}
    grown = {name: TreeArrays.from_arrays(arrays(content)) for name, content in kept.items()}
    loaded = {name: TreeEnsemble(one) for name, one in grown.items()}
    lines = json.loads(files["calibration.json"])["lines"]
    served = {name: Linear.from_dict(kept) for name, kept in lines.items()}
    theirs = model.margins(values)
    for name, estimator in model.ensembles.items():
        if not isinstance(estimator, OwnEstimator):  # one of those was asked by margins itself
            theirs[name], judged = _ask(estimator, values), theirs[name]
            _agree("the margins", theirs[name], judged, most=0.0)
    ours = margins_of(loaded, served, values, column=column_of(model.names))
    for head in model.heads.values():
        chances = [probability(head.log_odds(margins)) for margins in (theirs, ours)]
        _agree("the probabilities", *chances, most=AGREEMENT)
    for name, one in grown.items():
        _check_explanation(one, values=values[:EXPLAINED], margin=theirs[name][:EXPLAINED])


def _ask(estimator: HistGradientBoostingClassifier, values: Rows) -> Floats:
    """Return scikit-learn's log-odds for rows of shape (n, f)."""
    parts = [
        estimator.decision_function(values[begin : begin + _NEAR])
        for begin in range(0, len(values), _NEAR)
    ]
    return np.concatenate([np.empty(0), *parts])


def _check_explanation(trees: TreeArrays, *, values: Rows, margin: Floats) -> None:
    shap = TreeShap(trees, values.shape[1])
    summed = np.array([shap.base + shap(row).sum() for row in values])
    _agree("the explanations", margin, summed, most=1e-8)


def _agree(what: str, theirs: Floats, ours: Floats, *, most: float) -> None:
    worst = float(np.max(np.abs(theirs - ours), initial=0.0))
    if not worst <= most:
        raise BundleDiffersError(what, worst)


def _rows(table: Mapping[str, Floats]) -> dict[str, list[float | None]]:
    return {
        name: [None if np.isnan(value) else float(value) for value in row]
        for name, row in table.items()
    }


def _archive(kept: Mapping[str, NDArray[Any]]) -> bytes:
    """Return plain arrays as one file."""
    buffer = io.BytesIO()
    np.savez(buffer, **kept)  # type: ignore[arg-type]
    return buffer.getvalue()


def _json(value: Any) -> bytes:
    """Return JSON with sorted keys; a number that is not finite is an error, not a token."""
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False).encode()
