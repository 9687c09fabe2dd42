"""Training configuration: every choice of a run, with its default.

Assumes that the defaults must serve a network with few finds: the trees are shallow, their leaves
large, and nothing is stopped early on a handful of positives.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from engine.domain.time_units import DAY
from engine.domain.validation import list_faults, read_toml
from engine.errors import RecordError


@dataclass(frozen=True, slots=True)
class Trees:
    """Gradient-boosted trees of one target, in scikit-learn's words."""

    iterations: int = 120
    learning_rate: float = 0.05
    depth: int = 4
    """At most 6: the tables of exact explanations double with every level."""
    leaves: int = 12
    smallest_leaf: int = 30
    ridge: float = 5.0
    share_of_features: float = 0.2
    """Features tried at each split: few, so that the ensembles of several seeds differ."""
    seeds: int = 3
    """Ensembles grown and averaged: one alone depends on its seed as much as on few finds."""

    def __post_init__(self) -> None:
        """Refuse what cannot be explained or fitted."""
        if not 1 <= self.depth <= 6:
            raise ValueError("depth must be between 1 and 6")
        if not 0.0 < self.share_of_features <= 1.0:
            raise ValueError("share_of_features must be in (0, 1]")
        if self.seeds < 1:
            raise ValueError("seeds must be at least 1")


BinsBy = Literal["rows", "weighted"]
"""What each bin of a feature holds the same amount of: rows, or their weight."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run, repeatable to the bit together with the data's digest."""

    seed: int = 20240301
    discrepancy: Trees = field(default_factory=lambda: Trees(iterations=60))
    """Few trees: a few hundred finds teach no more (docs/trials.md)."""
    seizure: Trees = field(
        default_factory=lambda: Trees(
            iterations=100, depth=3, leaves=8, ridge=10.0, share_of_features=0.15
        )
    )
    seizure_line_leaves_out: tuple[str, ...] = ("*_hit_rate", "*_ever", "found_spread_*")
    """Forms of the names of features that seizures' line does not read.

    What was found of wrong papers is another target: a few dozen seizures teach a better line
    without it (docs/trials.md), and the blend has discrepancies' trees.
    """
    rich: Trees = field(
        default_factory=lambda: Trees(
            iterations=200, learning_rate=0.03, depth=6, leaves=31, seeds=2
        )
    )
    """Trees of discrepancy where finds are many: they can carry more ways of facts together."""
    many_discrepancies: int = 5_000
    """From this many finds on, the rich trees are grown, on features that speak alone."""
    many_unseen: int = 1_000
    """From this many finds on first declarations of a fingerprint, these get trees of their own."""
    most_clear: int = 60_000
    """Clear rows that a part is fitted on at most; beyond, a sample stands for all. 0: no bound."""
    bins: BinsBy = "rows"
    """Trees split between bins with equal numbers of rows, or, ``weighted``, of equal weight."""
    line: float = 0.002
    """Strength of discrepancies' linear part: small is flat."""
    seizure_line: float = 0.0005
    """The same of seizures' line, which a few dozen finds must not bend."""
    line_share: float = 0.4
    """Usual share of the line in discrepancies' blend, unless finds are many: then 0."""
    line_half_life_days: float = 180.0
    """Age at which a row counts half as much for seizures' line; 0: rows of all ages alike."""
    weights: Literal["evidence", "even", "propensity"] = "evidence"
    """Whether inspected rows count alike, or by the inverse of their logged propensity.

    By evidence: whichever serves the random stream better; alike, where it cannot tell.
    """
    label_delay_days: float = 3.0
    """Gap between a period and the next: the labels of its last days must have had time to come."""
    test_days: float = 56.0
    """Last period, kept for the report alone; at most a third of the history."""
    folds: int = 4
    """Temporal folds whose out-of-time margins calibrate."""
    capacity: float = 0.05
    """Share of a post's daily entries that can be inspected: what the report is about."""
    monotone: tuple[tuple[str, int], ...] = ()
    """Features whose direction is known, for both targets: (name, 1 rising or -1 falling, 0 free).

    Before the field's own signs for seizures (:mod:`models.learning.fit_tasks`).
    """
    untrusted_posts: tuple[str, ...] = ()
    """Posts whose labels neither teach nor judge: the way on where a report doubts them."""
    last_days: float = 0.0
    """Teach from crossings of the last so many days alone, after a change, say; 0: from all."""
    sample: float = 1.0
    """Share that is read of the crossings without a label which are older than 180 days.

    Crossings with a label and recent ones are always read. The others teach nothing, so the model
    stays the same; it is for a history of which not all rows fit.
    """
    few_discrepancies: int = 30
    """Below this many finds, or clear inspections, there is no model at all."""
    few_seizures: int = 8
    """Below this many, seizures get no trees of their own and lean on discrepancies alone."""
    estimators: tuple[tuple[Literal["discrepancy", "seizure"], str], ...] = ()
    """Estimators of an analyst's own in place of a target's trees, as ``MODULE:FUNCTION``."""
    jobs: int = 2
    """Processes over which fits are spread; each fit is single-threaded, so that bits repeat."""

    def __post_init__(self) -> None:
        """Refuse shares and ages that are none."""
        if not 0.0 <= self.line_share <= 1.0:
            raise ValueError("line_share must be in [0, 1]")
        if not self.line_half_life_days >= 0.0:
            raise ValueError("line_half_life_days must be 0 or more")
        if not 0.0 <= self.sample <= 1.0:
            raise ValueError("sample must be in [0, 1]")
        if self.most_clear and self.most_clear < self.few_discrepancies:
            raise ValueError("most_clear must be 0, or few_discrepancies or more")

    @property
    def label_delay(self) -> int:
        """The gap in microseconds."""
        return round(self.label_delay_days * DAY)

    def as_dict(self) -> dict[str, Any]:
        """Return every choice, for the record."""
        return asdict(self)

    @classmethod
    def from_toml(cls, path: Path) -> "TrainConfig":
        """Read a configuration file; what it leaves out keeps its default.

        Raises ``InputError`` for a file that cannot be read, and ``RecordError`` naming the setting
        and the rule for one that is unknown or does not fit.
        """
        return _check_settings(_complete_settings(read_toml(path)))

    @classmethod
    def from_record(cls, kept: Mapping[str, Any]) -> "TrainConfig":
        """Read what :meth:`as_dict` returned; raises ``RecordError``."""
        return _check_settings(_complete_settings(kept))


def _complete_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return every setting: those given, and the defaults of all others, within tables too."""
    found = asdict(TrainConfig())
    for name, value in given.items():
        inside = found.get(name)
        if name not in found:
            raise _setting_refusal(name, "unknown_field", "there is no such setting")
        if isinstance(inside, dict) and isinstance(value, Mapping):
            for unknown in value.keys() - inside.keys():
                raise _setting_refusal(
                    f"{name}.{unknown}", "unknown_field", "there is no such setting"
                )
            value = inside | dict(value)
        found[name] = value
    return found


def _check_settings(found: Mapping[str, Any]) -> TrainConfig:
    """Return settings as a configuration; the file's types are held to those above."""
    try:
        return TypeAdapter(TrainConfig).validate_python(found)
    except ValidationError as error:
        where, rule, why = list_faults(error)[0]
        raise _setting_refusal(".".join(map(str, where)), rule, why) from None


def _setting_refusal(setting: str, rule: str, why: str) -> RecordError:
    return RecordError("training configuration", setting, rule, why)
