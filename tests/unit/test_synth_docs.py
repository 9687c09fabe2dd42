"""What docs/synthetic.md states about the generator is what the code does."""

import re
from importlib import import_module
from pathlib import Path

from experiments.synth.catalogue import LINES
from experiments.synth.network import PAIRS, POSTS

TEXT = (Path(__file__).parents[2] / "docs" / "synthetic.md").read_text("utf-8")
VALUES = re.findall(r"\| `(\w+)\.([A-Z_]+)` \| ([\d.]+) \|", TEXT)


def test_stated_values_are_those_of_the_code() -> None:
    assert len(VALUES) >= 20
    for module, name, value in VALUES:
        assert getattr(import_module(f"experiments.synth.{module}"), name) == float(value), name


def test_stated_counts_are_those_of_the_code() -> None:
    assert f"{len(POSTS)} posts and ten pairs" in TEXT
    assert sum(pair.b >= 0 for pair in PAIRS) == 10
    assert f"{len(LINES)} HS codes" in TEXT
    assert f"{sum(not post.has_scale for post in POSTS)} of {len(POSTS)} posts have none" in TEXT
    absent = [pair.mirror_absent for pair in PAIRS if pair.b >= 0]
    assert (min(absent), max(absent)) == (0.2, 0.4)
