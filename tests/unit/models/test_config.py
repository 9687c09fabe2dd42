"""A training configuration: what a file leaves out, and what it may not say."""

from pathlib import Path

import pytest

from engine.errors import InputError, RecordError
from models.config import TrainConfig


def read(tmp_path: Path, text: str) -> TrainConfig:
    file = tmp_path / "train.toml"
    file.write_text(text, "utf-8")
    return TrainConfig.from_toml(file)


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    assert read(tmp_path, "") == TrainConfig()
    found = read(
        tmp_path,
        'test_days = 28\nmonotone = [["night", 1]]\nuntrusted_posts = ["OYB"]\n'
        "[seizure]\ndepth = 2\n",
    )
    assert found.test_days == 28.0 and found.monotone == (("night", 1),)
    assert found.untrusted_posts == ("OYB",)
    assert (found.seizure.depth, found.seizure.ridge) == (2, TrainConfig().seizure.ridge)
    assert found.discrepancy == TrainConfig().discrepancy


@pytest.mark.parametrize(
    ("text", "field", "rule"),
    [
        ("depth = 4", "depth", "unknown_field"),
        ("[rich]\ndeep = 4", "rich.deep", "unknown_field"),
        ('folds = "many"', "folds", "not_a_whole_number"),
        ("rich = 4", "rich", "dataclass_type"),
        ('weights = "odd"', "weights", "unknown_enumeration"),
        ("[rich]\ndepth = 9", "rich", "value_error"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, field: str, rule: str) -> None:
    with pytest.raises(RecordError) as refused:
        read(tmp_path, text)
    assert (refused.value.field, refused.value.rule) == (field, rule)


@pytest.mark.parametrize("text", ["folds = ", "folds = 4\nfolds = 4"])
def test_what_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="not a TOML file"):
        read(tmp_path, text)
    with pytest.raises(InputError, match="no such file"):
        TrainConfig.from_toml(tmp_path / "none.toml")
