"""Figures of a profile's backtest, as one answers."""

from typing import Any

RATE: dict[str, Any] = {"value": 0.31, "low": 0.21, "high": 0.43, "n": 61, "positives": 19,
                        "knowable": True, "why": ""}  # fmt: skip
CHOSEN: dict[str, Any] = {
    "searches": 120.0, "inverse_propensity": RATE, "self_normalised": RATE,
    "doubly_robust": RATE | {"value": None, "low": None, "high": None, "knowable": False},
    "hits_per_hour": RATE | {"value": 0.47, "low": 0.32, "high": 0.66},
    "hits": RATE | {"value": 37.2, "low": 25.2, "high": 51.6},
    "diagnostics": {"drawn": 61, "effective": 48.0, "largest_weight": 0.07, "covered": 0.96,
                    "covered_low": 0.5, "covered_high": 1.6, "not_carried_out": 0.04,
                    "faults": [], "doubts": [], "messages": []},
}  # fmt: skip
FIGURES: dict[str, Any] = {
    "synthetic": True, "history": "h", "since": "2026-01-01T00:00:00Z",
    "until": "2026-03-31T00:00:00Z", "days": 89.0, "arrivals": 4000, "matches": 120,
    "matches_per_day": 1.3, "matches_per_1000": 30.0, "cleared_per_1000": 7.75,
    "selected_per_day": 1.3, "minutes_per_day": 61.0,
    "inspected": 40, "hits": 9, "seizures": 0, "finds_elsewhere": 2,
    "hit_rate": {"value": 0.225, "low": 0.108, "high": 0.385, "n": 40, "positives": 9,
                 "knowable": False, "why": "the interval is wider than 0.25"},
    "seizure_rate": {"value": 0.0, "low": 0.0, "high": 0.088, "n": 40, "positives": 0,
                     "knowable": True, "why": ""},
    "random": {"inspected": 300, "matched": 0,
               "share_matched": {"value": 0.0, "low": 0.0, "high": 0.012, "n": 300,
                                 "positives": 0, "knowable": True, "why": ""},
               "hit_rate": {"value": None, "low": None, "high": None, "n": 0, "positives": 0,
                            "knowable": False, "why": "nothing was counted"},
               "not_carried_out": 0},
    "base_rate": {"value": 0.05, "low": 0.028, "high": 0.081, "n": 300, "positives": 15,
                  "knowable": True, "why": ""},
    "failed": 0, "steps": 12, "reads": ["crossing.carrier_id"], "proxies": [], "examples": [],
    "missed": [], "cleared": [],
    "daily_matches": [0, 5, 1], "had_it_chosen": CHOSEN,
    "conditions": [],
}  # fmt: skip
"""As a backtest answers; what one computes is tested where it is made."""
