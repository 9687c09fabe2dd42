"""The last assessment of the data, of the posts that a caller reaches.

The file in the home is written by ``darvoza quality --keep``, every night by a timer and for whom
asks: to assess takes seconds of a core, and libraries that the service does not import.
"""

import json
from typing import Any

from api.auth.callers import Caller
from api.quality.schemas import QualityAssessment
from api.service.runtime import Runtime


def read_quality(service: Runtime, caller: Caller) -> dict[str, Any]:
    """Return the last assessment; None where none was kept, or by another version."""
    try:
        found = json.loads(service.home.quality.read_text("utf-8"))
        QualityAssessment.model_validate(found)
    except (OSError, ValueError):
        return {"assessed": None}
    rows = {
        name: [row for row in found[name] if caller.reaches(row["post"])]
        for name in ("findings", "weeks")
    }
    return {"assessed": found | rows}
