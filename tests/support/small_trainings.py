"""Trainings at the sizes of tests: what takes most of one, where no test looks at it."""

import sys
from dataclasses import replace
from typing import Any

import pytest

CHECKED_ROWS = 1_000
"""Rows on which engine and scikit-learn must agree before a bundle is written; else 20,000."""
OF_ROWS = ("test_bundle",)
OF_LABELS = ("test_label_flip_test",)
OF_PLOTS = ("test_report", "test_judgement")


def draw_frame(_draw: Any, *, text: str, **_more: Any) -> Any:
    """Return a plot without its drawing, which takes a tenth of a second."""
    from markupsafe import Markup

    from models.evaluation.report_html import Plot

    return Plot(Markup('<svg role="img" aria-label="{}"></svg>').format(text), text)


def shrink_trainings(patched: pytest.MonkeyPatch, file: str) -> None:
    """Judge labels by few trees, compare few rows, and draw no report, but where that is tested."""
    judging = sys.modules.get("models.training.label_flip_test")
    training = sys.modules.get("models.training.trainer")
    pages = sys.modules.get("models.evaluation.report_html")
    if judging is not None and file not in OF_LABELS:
        patched.setattr(judging, "JUDGES", replace(judging.JUDGES, iterations=6))
    if training is not None and file not in OF_ROWS:
        patched.setattr(training, "CHECKED", CHECKED_ROWS)
    if pages is not None and file not in OF_PLOTS:
        patched.setattr(pages, "draw_plot", draw_frame)
