"""Names of codes, as the catalogues know them.

Names of codes on the analysts' desk: proposals, watch list, models and their reports.
"""

from collections.abc import Mapping
from typing import Final

from api.web.i18n import N_

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

CHANNELS: Final[Labels] = {
    "red": N_("Red"),
    "yellow": N_("Yellow"),
    "blue": N_("Blue"),
    "green": N_("Green"),
}
MEANS: Final[Labels] = {
    "red": N_("physical inspection"),
    "yellow": N_("documents and scan"),
    "blue": N_("release, audit afterwards"),
    "green": N_("release"),
}
CLASSES: Final[Labels] = {
    "car": N_("Car"),
    "van": N_("Van"),
    "bus": N_("Bus"),
    "truck": N_("Truck"),
    "rail_wagon": N_("Rail wagon"),
    "other": N_("Other"),
}
DIRECTIONS: Final[Labels] = {"entry": N_("entry"), "exit": N_("exit")}
METHODS: Final[Labels] = {
    "documents": N_("documents"),
    "weighing": N_("weighing"),
    "xray": N_("scanner"),
    "canine": N_("dog"),
    "physical": N_("physical search"),
}
OUTCOMES: Final[Labels] = {
    "clear": N_("nothing found"),
    "discrepancy": N_("a discrepancy"),
    "seizure": N_("a seizure"),
}
SUBSTANCES: Final[Labels] = {
    "narcotic": N_("narcotic"),
    "psychotropic": N_("psychotropic"),
    "precursor": N_("precursor"),
    "other": N_("other goods"),
}
BASES: Final[Labels] = {
    "random": N_("random check"),
    "score": N_("score"),
    "profile": N_("profile or rule"),
    "watchlist": N_("watch list"),
    "officer": N_("officer"),
    "counterpart": N_("counterpart"),
}
BANDS: Final[Labels] = {"low": N_("low"), "medium": N_("medium"), "high": N_("high")}
MODES: Final[Labels] = {
    "model": N_("model in force"),
    "last_good": N_("last good model: the one in force cannot be loaded"),
    "rules_only": N_("rules and random checks alone: no model is in force"),
}
VERDICTS: Final[Labels] = {"uphold": N_("agrees"), "override": N_("sends elsewhere")}
REVIEW_CODES: Final[Labels] = {
    "agreed": N_("I agree with the reasons"),
    "officer_observation": N_("an officer saw something"),
    "known_lawful": N_("known lawful traffic"),
    "data_error": N_("the data are wrong"),
    "capacity": N_("no staff or bay free"),
    "intelligence": N_("information received"),
    "other": N_("another reason"),
}
RELEASE_CODES: Final[Labels] = {
    "capacity": N_("no staff or bay free"),
    "known_lawful": N_("known lawful traffic"),
    "papers_sufficient": N_("the documents were sufficient"),
    "handed_over": N_("handed over to another service"),
    "ordered": N_("ordered by a supervisor"),
    "drove_off": N_("it drove off without permission"),
    "other": N_("another reason"),
}
"""Why a vehicle left without inspection."""
GAPS: Final[Labels] = {
    "no_plate": N_("The plate was not read."),
    "no_driver_ref": N_("No driver reference came."),
    "no_carrier": N_("No carrier was named."),
    "not_weighed": N_("It was not weighed."),
    "no_declaration": N_("No declaration came with it."),
    "declaration_not_received": N_("A declaration was named but did not arrive."),
    "container_check_digit": N_("A container number fails its check digit."),
    "no_mirror_record": N_("The paired post's record of this vehicle is missing."),
    "short_hs_code": N_("An HS code has fewer than six digits."),
    "no_value": N_("No goods item has a value."),
}
GROUPS: Final[Labels] = {
    "cab": N_("cab"),
    "engine": N_("engine"),
    "fuel": N_("fuel"),
    "chassis": N_("chassis"),
    "trailer": N_("load space"),
    "cargo": N_("cargo"),
    "person": N_("person"),
}
PLACES: Final[Labels] = {
    "cab.seat": N_("seats"),
    "cab.dash": N_("dashboard"),
    "cab.roof": N_("cab roof lining"),
    "cab.bunk": N_("bunk"),
    "cab.bags": N_("luggage"),
    "engine.bay": N_("engine bay"),
    "fuel.tank": N_("fuel tank"),
    "fuel.false_tank": N_("false tank"),
    "chassis.frame": N_("frame rails"),
    "chassis.underbody": N_("underbody"),
    "chassis.spare_wheel": N_("spare wheel"),
    "chassis.tyre": N_("tyres"),
    "chassis.axle": N_("axles"),
    "chassis.air_tank": N_("air tanks"),
    "trailer.front_wall": N_("front wall"),
    "trailer.floor": N_("floor"),
    "trailer.roof": N_("roof"),
    "trailer.doors": N_("doors"),
    "trailer.sides": N_("side walls"),
    "trailer.refrigeration": N_("cooling unit"),
    "cargo.among": N_("among the goods"),
    "cargo.inside": N_("inside the goods"),
    "cargo.packaging": N_("packaging"),
    "cargo.disguised": N_("disguised as goods"),
    "person": N_("on a person"),
}
STREAMS: Final[Labels] = {
    "score": N_("Targeted by score"),
    "profile": N_("Profiles and rules"),
    "watchlist": N_("Watch list"),
    "random": N_("Random checks"),
    "override": N_("Overrides by supervisors"),
    "officer": N_("Officers' own picks"),
}
WHOSE: Final[Labels] = {
    "plate": N_("Vehicle"),
    "trailer": N_("Trailer"),
    "driver": N_("Driver"),
    "carrier": N_("Carrier"),
    "consignee": N_("Consignee"),
    "declarant": N_("Declarant"),
}
FAMILIES: Final[Labels] = {
    "timing": N_("timing"),
    "conveyance": N_("the vehicle"),
    "documents": N_("papers"),
    "declared": N_("what was declared"),
    "parties": N_("parties"),
    "links": N_("links"),
    "mirror": N_("the paired post's record"),
    "route": N_("route"),
    "goods": N_("goods"),
    "fingerprints": N_("goods seen before"),
    "other": N_("other facts"),
}
KINDS: Final[Labels] = {
    "decision": N_("decision"),
    "crossing": N_("crossing"),
    "inspection": N_("inspection act"),
    "seizure": N_("seizure"),
    "find_confirmed": N_("find confirmed"),
    "release": N_("release from the queue"),
    "review": N_("verdict of a supervisor"),
    "roster": N_("roster"),
    "shift_opened": N_("shift opened"),
    "shift_closed": N_("shift's seed revealed"),
    "percentiles": N_("table of percentiles"),
    "profile_proposed": N_("profile proposed"),
    "profile_backtested": N_("profile's backtest"),
    "profile_approved": N_("profile approved"),
    "profile_leaving": N_("profile's leaving proposed"),
    "profile_left": N_("profile retired"),
    "profile_counted": N_("profiles' hits counted"),
    "profile_failed": N_("profile failed"),
    "watchlist_proposed": N_("watch list entry proposed"),
    "watchlist_noticed": N_("notice of a counterpart"),
    "watchlist_approved": N_("watch list entry approved"),
    "watchlist_leaving": N_("watch list entry's leaving proposed"),
    "watchlist_left": N_("watch list entry retired"),
    "model_registered": N_("model registered"),
    "model_shadowed": N_("model in shadow"),
    "model_approved": N_("model approved"),
    "model_in_force": N_("model put into force"),
    "model_retired": N_("model retired"),
    "model_challenged": N_("trial of a model approved"),
    "trial_measured": N_("trial measured"),
    "shadow_scores": N_("shadow's scores"),
    "drift_measured": N_("drift measured"),
    "history": N_("history loaded"),
    "load_begun": N_("load of history begun"),
    "network_declared": N_("network file declared"),
    "secrets_dropped": N_("secrets dropped by a rebuild"),
    "quarantine_declared": N_("quarantine file declared"),
    "key_created": N_("key made"),
    "key_revoked": N_("key revoked"),
    "user_created": N_("user made"),
    "user_left": N_("user removed"),
    "password_changed": N_("password made anew"),
    "signed_in": N_("sign-in"),
    "signed_out": N_("sign-out"),
    "sensitive_read": N_("record opened"),
    "verified": N_("journal checked"),
    "erasure": N_("erasure"),
    "tick": N_("tick of the clock"),
    "queue_expired": N_("left the queue after a day"),
    "clock_accepted": N_("clock accepted"),
}
MEASURES: Final[Labels] = {
    "handled": N_("vehicles dealt with"),
    "taken_over": N_("taken over from the team drawn"),
    "let_go": N_("let go without a full search"),
}
ALERTS: Final[Labels] = {
    "mass": N_("Weighbridge mass"),
    "plate": N_("Plate"),
    "trailer": N_("Trailer"),
    "driver": N_("Driver"),
    "vin": N_("VIN"),
    "seals": N_("Seals"),
    "load": N_("Load"),
}
TABLES: Final[Mapping[str, Labels]] = {
    "channel": CHANNELS,
    "means": MEANS,
    "class": CLASSES,
    "direction": DIRECTIONS,
    "method": METHODS,
    "outcome": OUTCOMES,
    "substance": SUBSTANCES,
    "basis": BASES,
    "band": BANDS,
    "mode": MODES,
    "verdict": VERDICTS,
    "review": REVIEW_CODES,
    "release": RELEASE_CODES,
    "gap": GAPS,
    "group": GROUPS,
    "place": PLACES,
    "stream": STREAMS,
    "alert": ALERTS,
    "whose": WHOSE,
    "family": FAMILIES,
    "kind": KINDS,
    "measure": MEASURES,
    **DESK,
}
