"""docs/data.md names every column, rule and KCS column: people who export data rely on it."""

from pathlib import Path

from engine.domain.validation import RULES
from features.history.tables import MODELS
from features.intake import kcs_format
from tests.support.bulk_folders import KINDS, RULE

PAGE = (Path(__file__).parents[4] / "docs" / "data.md").read_text("utf-8")


def test_every_column_is_on_the_page() -> None:
    for name, model in MODELS.items():
        section = PAGE.split(f"\n**{name}**:")[1].split("\n\n")[0]
        for field, info in model.model_fields.items():
            mark = f"**`{field}`**" if info.is_required() else f"`{field}`"
            assert mark in section, f"{name}.{field}"


def test_every_rule_is_on_the_page() -> None:
    rules = {kind(1)[1][RULE] for kind in KINDS} | set(RULES.values()) - {"unknown_field"}
    for rule in rules | {"malformed_place", "placeholder", "implausible_time"}:
        assert f"`{rule}`" in PAGE.split("## Quarantine")[1], rule


def test_every_kcs_column_is_on_the_page() -> None:
    for column in kcs_format.COLUMN_OF.values():
        assert f"`{column}`" in PAGE.split("## Korea Customs")[1], column
