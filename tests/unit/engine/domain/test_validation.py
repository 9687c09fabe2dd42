"""Faults of a body name the field, the rule and the bound, each once and in words of the field."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from engine.domain.records import Declaration
from engine.domain.validation import list_faults

ITEM = {"item_no": 1, "hs_code": "080620"}


@pytest.mark.parametrize(
    ("items", "fault"),
    [
        ([], (("items",), "too_short", "too few: at least 1")),
        ([ITEM | {"hs_code": "8A"}],
         (("items", 0, "hs_code"), "malformed_hs_code", "2 to 10 digits")),
        ([ITEM] * 1000, (("items",), "too_long", "too many: at most 999")),
    ],
)  # fmt: skip
def test_a_list_has_one_fault(items: list[dict[str, Any]], fault: tuple[Any, ...]) -> None:
    body = {"declaration_id": "d-1", "procedure": "import", "items": items}
    with pytest.raises(ValidationError) as refused:
        Declaration.model_validate_json(json.dumps(body))
    assert list_faults(refused.value) == [fault]
