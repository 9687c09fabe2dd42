"""What docs/synthetic.md states about the generator is what the code does."""

import pkgutil
import re
from importlib import import_module
from pathlib import Path

from experiments import synthetic
from experiments.synthetic.folder import OWN
from experiments.synthetic.posts import PAIRS, POSTS
from experiments.synthetic.trade import LINES

TEXT = (Path(__file__).parents[4] / "docs" / "synthetic.md").read_text("utf-8")
VALUES = re.findall(r"\| `(\w+)\.([A-Z_]+)` \| ([\d.]+) \|", TEXT)
MODULES = {
    one.name.rpartition(".")[2]: one.name
    for one in pkgutil.walk_packages(synthetic.__path__, f"{synthetic.__name__}.")
    if not one.ispkg
}
"""The generator's modules by the last part of their names: no two share one."""


def test_stated_values_are_those_of_the_code() -> None:
    assert len(VALUES) >= 20
    for module, name, value in VALUES:
        assert getattr(import_module(MODULES[module]), name) == float(value), name


def test_stated_counts_are_those_of_the_code() -> None:
    assert f"{len(POSTS)} posts and ten pairs" in TEXT
    assert sum(pair.b >= 0 for pair in PAIRS) == 10
    assert f"{len(LINES)} HS codes" in TEXT
    assert f"{sum(not post.has_scale for post in POSTS)} of {len(POSTS)} posts have none" in TEXT
    absent = [pair.mirror_absent for pair in PAIRS if pair.b >= 0]
    assert (min(absent), max(absent)) == (0.2, 0.4)


def test_every_file_of_the_folder_is_in_the_table() -> None:
    table = TEXT.split("\n## The files\n")[1].split("\n## ")[0]
    assert {name for name in OWN if f"`{name}`" not in table} <= {"SYNTHETIC.txt"}
    assert "`SYNTHETIC.txt`" in TEXT
