"""Help on a page: what it is for, what can be done on it, and the words that pages share."""

from collections.abc import Mapping
from typing import Final

from api.web.i18n import N_

HELP: Final[Mapping[str, str]] = {
    "queue.html": N_(
        "Vehicles that officers are to inspect, in the order of the search. Take the first one, or "
        "open a row to read about it. The line marks where the minutes of the shift end."
    ),
    "decisions.html": N_(
        "Every decision, the newest first. Choose days, a post, where the vehicle was sent, and "
        "what its search found."
    ),
    "decision.html": N_(
        "One vehicle: what is known of it, and what was done. File the act here after the search; "
        "a correction keeps both statements. A supervisor agrees or sends it elsewhere."
    ),
    "shift.html": N_(
        "What waits, what was found and which minutes were used in one shift. Rates are of 28 days "
        "and of the vehicles that arrived in them. Hand over at the end of the shift."
    ),
    "handover.html": N_(
        "What the next shift takes over. The one who leaves signs first, the one who comes signs "
        "second; the lists are recorded as they were at the first signature."
    ),
    "posts.html": N_("Posts that you reach, those in trouble first. Open one for its queue."),
    "network.html": N_(
        "All posts together, those that fall behind first. The folds hold eight weeks, hours of "
        "the week, and finds by place."
    ),
    "period.html": N_(
        "What was searched, found and released in a month, a quarter or any days, beside the "
        "period before. A difference is stated where chance alone would hardly bring it."
    ),
    "complaints.html": N_(
        "What traders object to. A supervisor files a complaint from the page of the decision; "
        "another person answers it."
    ),
    "notifications.html": N_(
        "What waits for you. An approval leaves when it is given, a vehicle when it is inspected "
        "or has a verdict, an alarm after a day."
    ),
    "cases.html": N_(
        "What follows a find, from its opening to its end. Open a case for its steps."
    ),
    "case.html": N_(
        "The first box says what is due and who acts. Report what happened by its kind; custody "
        "and controlled deliveries wait for a second person, and can be withdrawn."
    ),
    "watchlist.html": N_(
        "Plates, firms and other identifiers that send a vehicle to officers. One person proposes "
        "an entry, another approves it; it ends on its last day."
    ),
    "watch_lists.html": N_(
        "Lists of the watch list, and what each of them did. A file becomes one proposal; another "
        "person approves it, and it is renewed and withdrawn as a whole."
    ),
    "register.html": N_(
        "Everything that chooses vehicles: who answers for it, what it did, and when it is to be "
        "reviewed. One person records a review; it changes nothing of what is chosen."
    ),
    "profiles.html": N_(
        "Rules of the service that send vehicles to officers. Each was tried on the history and "
        "approved by a second person."
    ),
    "profile_new.html": N_(
        "Choose conditions; the history shows at once how many vehicles each one leaves. Propose "
        "the profile when it finds what it is meant to find."
    ),
    "models.html": N_(
        "Models that rank vehicles. Two people put one into force; a trial runs it beside the one "
        "in force, and nobody sees its ranks."
    ),
    "model.html": N_(
        "The first box says what the model is worth against picking at random. An interval that "
        "holds 1 means that it cannot be told from chance yet."
    ),
    "queries.html": N_(
        "One SELECT statement over what the home knew at a time. Each is recorded with your name "
        "and its purpose."
    ),
    "jobs.html": N_(
        "Work that takes minutes: a file is checked and loaded, a candidate trained or judged. A "
        "second person approves a load."
    ),
    "drift.html": N_(
        "Whether arrivals and finds are still like those that the model learnt from. Act on an "
        "alarm; a figure alone is none."
    ),
    "integrity.html": N_(
        "Who dealt with which vehicles, against what drawing teams at random would give. An alarm "
        "accuses nobody; it says where to look."
    ),
    "integrity_overview.html": N_(
        "All posts in a line each. Open a post for the figures behind its line."
    ),
    "journal.html": N_(
        "Every record in its order. Opening one is recorded with your name. Check the chain here, "
        "and compare receipts that are kept elsewhere."
    ),
    "people.html": N_(
        "Who signs in, and which machines send. One administrator proposes, another approves, and "
        "both codes are needed to take up an account or a key. One alone removes."
    ),
    "webhooks.html": N_(
        "Addresses to which events are sent, signed. A receiver is told no more than its role may "
        "see. What is not acknowledged is sent again for days."
    ),
    "expected.html": N_("Declarations of vehicles that have not arrived, by the time announced."),
    "entity.html": N_(
        "A vehicle or a party: its passages, finds, entries and cases, and who it travels with. "
        "Each look is recorded with its purpose."
    ),
    "connections.html": N_(
        "Who took part in the same passages, and who in theirs. A hub has so many passages that "
        "it says little; it is named and not followed."
    ),
    "search.html": N_(
        "Finds vehicles by plate, seal, container, firm, document or decision, in Latin or "
        "Cyrillic letters. Each search is recorded with your name."
    ),
    "quality.html": N_("How complete and consistent the records of each post are, night by night."),
    "proposals.html": N_("What one person proposed and a second person has to approve."),
}
"""What a page is for, by its template."""
WORDS: Final[Mapping[str, str]] = {
    N_("random check"): N_("drawn by lot; it keeps every figure honest"),
    N_("discrepancy"): N_("goods or papers differ from what was declared"),
    N_("seizure"): N_("something was taken: drugs, weapons, goods that were not declared"),
    N_("second person"): N_("someone else than the one who proposed or reported it"),
    N_("hard fact"): N_("what no lawful passage shows, such as empty there and laden here"),
    N_("k of n"): N_("so many of so many; below 30 no share is stated"),
}
"""Words that pages share, each with its meaning."""
RISK_WORDS: Final[Mapping[str, str]] = {
    N_("●●●, ●●○, ●○○"): N_(
        "high, medium or low risk; before a reason, how much it raises the risk"
    ),
}
"""Words of what a checkpoint does not see."""
