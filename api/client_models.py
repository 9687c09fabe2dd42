"""What analysts and supervisors ask about models and drift, as calls of the service."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from api import schemas_models as judged
from api.calls import Calls, part


class ModelCalls(Calls):
    """Calls about models."""

    def models(self) -> judged.ModelStandings:
        """Return every model, and which one decides."""
        return self._get(judged.ModelStandings, "/v1/models")

    def approve_model(
        self, version: str, note: str | None = None, key: str | None = None
    ) -> judged.ModelStanding:
        """Approve a model; the second person puts it into force."""
        path = f"/v1/models/{part(version)}/approvals"
        return self._post(judged.ModelStanding, path, {"note": note}, key)

    def model(self, version: str) -> judged.ModelView:
        """Return one model with its history and its card."""
        return self._get(judged.ModelView, f"/v1/models/{part(version)}")

    def model_report(self, version: str) -> dict[str, Any]:
        """Return a model's stored report."""
        return self._get(dict[str, Any], f"/v1/models/{part(version)}/report")

    def compare_models(self, versions: Sequence[str] = ()) -> judged.ModelComparison:
        """Return the figures of up to three models side by side."""
        query = urlencode([("version", version) for version in versions])
        path = "/v1/models/comparison" + (f"?{query}" if query else "")
        return self._get(judged.ModelComparison, path)

    def shadow_model(self, version: str, key: str | None = None) -> judged.ModelStanding:
        """Let a candidate score in the shadow."""
        path = f"/v1/models/{part(version)}/shadow"
        return self._post(judged.ModelStanding, path, {}, key)

    def challenge_model(
        self, version: str, note: str | None = None, key: str | None = None
    ) -> judged.ModelStanding:
        """Approve a trial; the second person puts the model on it."""
        path = f"/v1/models/{part(version)}/challenges"
        return self._post(judged.ModelStanding, path, {"note": note}, key)

    def end_trial(self, reason: str, key: str | None = None) -> judged.ModelStandings:
        """Take the model on trial off it."""
        return self._post(judged.ModelStandings, "/v1/models/end-trial", {"reason": reason}, key)

    def roll_back(self, reason: str, key: str | None = None) -> judged.ModelStandings:
        """Put the model before the present one back into force."""
        path = "/v1/models/rollback"
        return self._post(judged.ModelStandings, path, {"reason": reason}, key)

    def drift(self) -> judged.DriftAnswer:
        """Return the last measurement of drift."""
        return self._get(judged.DriftAnswer, "/v1/drift")

    def measure_drift(self, days: int = 28, key: str | None = None) -> judged.DriftAnswer:
        """Measure drift anew."""
        return self._post(judged.DriftAnswer, "/v1/drift", {"days": days}, key)

    def rules_only(self, reason: str, key: str | None = None) -> judged.ModelStandings:
        """Take the model out of force."""
        return self._post(judged.ModelStandings, "/v1/models/rules-only", {"reason": reason}, key)

    # Profiles and the watch list.
