"""Names of codes on the analysts' desk: proposals, watch list, models and their reports."""

from collections.abc import Mapping
from typing import Final

from api.pages.phrases import N_

Labels = Mapping[str, str]

STATES: Final[Labels] = {
    "proposed": N_("proposed"),
    "in_force": N_("in force"),
    "shadow": N_("in the shadow"),
    "expired": N_("expired"),
    "retired": N_("retired"),
    "candidate": N_("candidate"),
    "challenger": N_("on trial"),
}
TARGETS: Final[Labels] = {"discrepancy": N_("Discrepancy"), "seizure": N_("Seizure")}
VIEWS: Final[Labels] = {
    "random_stream": N_("random checks"),
    "inverse_propensity": N_("drawn by the engine, weighted to all arrivals"),
    "inspected": N_("all inspected, as they were selected"),
}
"""Whom a figure of a report is about."""
FIGURES: Final[Labels] = {
    "hit_rate_at_capacity": N_("Hit rate at capacity"),
    "recall_at_capacity": N_("Recall at capacity"),
    "base_rate": N_("Hit rate over all"),
    "lift": N_("Lift over random"),
    "average_precision": N_("Average precision"),
    "auc": N_("AUC"),
}
EVENTS: Final[Labels] = {
    "model_registered": N_("registered"),
    "model_shadowed": N_("let into the shadow"),
    "model_approved": N_("approved"),
    "model_in_force": N_("put into force"),
    "model_retired": N_("taken out of force"),
    "model_challenged": N_("its trial approved"),
}
GROUPS_OF_REPORT: Final[Labels] = {
    "post": N_("Post"),
    "shift": N_("Shift"),
    "vehicle_class": N_("Vehicle class"),
    "plate_country": N_("Plate country"),
}
PICKS: Final[Labels] = {
    "both": N_("Both would have picked"),
    "shadow": N_("The shadow alone"),
    "in_force": N_("The model that decided, alone"),
}
SIDES: Final[Labels] = {
    "champion": N_("the model in force"),
    "challenger": N_("the challenger"),
}
"""Both sides of a trial."""
FIELDS: Final[Labels] = {
    "code": N_("Code"),
    "title": N_("Title"),
    "expression": N_("What it asks"),
    "channel": N_("Channel"),
    "percentage": N_("Selected of 100 that fit"),
    "post": N_("Post"),
    "valid_from": N_("Valid from"),
    "valid_until": N_("Valid until"),
    "validity": N_("Validity"),
    "note": N_("Note"),
    "instead_of": N_("Instead of"),
    "reason": N_("Reason"),
    "identifier": N_("Identifier"),
    "expiry": N_("Expires"),
    "outcome": N_("Outcome"),
    "methods": N_("Methods"),
    "places_searched": N_("Places searched"),
    "team": N_("Who did it"),
    "minutes": N_("Minutes it took"),
    "substance_class": N_("Kind"),
    "substance": N_("Substance"),
    "quantity_g": N_("Quantity, g"),
    "place": N_("Where"),
    "concealment": N_("How it was hidden"),
    "verdict": N_("Verdict"),
    "reason_code": N_("Reason"),
}
"""Fields of forms, as their pages call them."""
NAMES: Final[Labels] = {
    "plate": N_("Plate"),
    "trailer": N_("Trailer"),
    "vin": "VIN",
    "container": N_("Container"),
    "party": N_("Party"),
    "carrier": N_("Carrier"),
    "consignee": N_("Consignee"),
    "consignor": N_("Consignor"),
    "declarant": N_("Declarant"),
    "driver_ref": N_("Driver"),
}
"""What an entry of the watch list names."""
DESK: Final[Mapping[str, Labels]] = {
    "state": STATES,
    "target": TARGETS,
    "seen_in": VIEWS,
    "figure": FIGURES,
    "event": EVENTS,
    "column": GROUPS_OF_REPORT,
    "picks": PICKS,
    "side": SIDES,
    "field": FIELDS,
    "named": NAMES,
}
"""Tables by the name that pages call them."""
