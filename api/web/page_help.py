"""Help on a page: what it is for, what can be done on it, and the words that pages share."""

from collections.abc import Mapping
from typing import Final

from api.web.i18n import N_

_CHECKED = N_(
    "What you typed, as it was read. Nothing is recorded yet: compare it with what you meant, then "
    "record it or go back."
)
_PICTURES = N_(
    "Photographs and images of the scanner. Tap the place to look at, or say that nothing is seen; "
    "every mark stays, with its author."
)
_EVENT = N_("Write no name of a person. What you typed is shown once more before it is recorded.")
_LINKS = N_(
    "Services that work together with this one, and what waits for a receipt. Steps are commands "
    "of the operator."
)
_REPORT = N_(
    "What a model found in searches that it did not learn from, each figure with its interval."
)
_LISTS = N_(
    "Lists of the watch list, and what each of them did. A file becomes one proposal; another "
    "person approves it, and it is renewed and withdrawn as a whole."
)
_WORK = N_(
    "Work that takes minutes: a file is checked and loaded, a candidate trained or judged. A "
    "second person approves a load."
)
_WEBHOOKS = N_(
    "Addresses to which events are sent, signed. A receiver is told no more than its role may "
    "see. What is not acknowledged is sent again for days."
)
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
    "watch_lists.html": _LISTS,
    "watch_rows.html": _LISTS,
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
    "jobs.html": _WORK,
    "job.html": _WORK,
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
    "key.html": N_(
        "When this machine called last, how many of its calls today were refused, and why. A new "
        "key in its place leaves the old one open for seven days."
    ),
    "webhooks.html": _WEBHOOKS,
    "webhook.html": _WEBHOOKS,
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
    "account.html": N_(
        "Your password, your open sessions, and the language, the appearance and the clock of this "
        "browser."
    ),
    "order.html": N_(
        "The search order on paper, with lines for times, seals and signatures. It states "
        "what differs from the other side, but no risk and no reason."
    ),
    "take_over.html": N_(
        "Another officer has this vehicle. Ask first whether the search has begun."
    ),
    "act.html": _CHECKED,
    "case_check.html": _CHECKED,
    "correction.html": N_(
        "State the act as it should read, and why. The first statement stays, and the later one "
        "counts."
    ),
    "release.html": N_(
        "The vehicle leaves without a search. Say why: the report of the shift counts it, and it "
        "cannot be taken back."
    ),
    "documents_asked.html": N_(
        "Vehicles on which documents were asked for, and until when. Record what came; the act on "
        "the vehicle answers the question."
    ),
    "vehicle_files.html": _PICTURES,
    "vehicle_picture.html": _PICTURES,
    "audits.html": N_(
        "Vehicles released on blue whose goods or books are looked at later. The act ends the "
        "audit; a supervisor may close it with a reason."
    ),
    "finds.html": N_(
        "Finds that another post reported by plate. Confirm one if it is the same vehicle: from "
        "then on it counts for it."
    ),
    "circulars.html": N_(
        "What posts should know until its last day. Those who wrote it see who has read it."
    ),
    "case_new.html": _EVENT,
    "case_event.html": _EVENT,
    "old_report.html": N_(
        "The text of an old report, read into values beside the passages that state them. Correct "
        "what is wrong, then confirm."
    ),
    "roster.html": N_(
        "Minutes, equipment and teams of the shift. The next arrival follows what you save."
    ),
    "known_lawful.html": N_(
        "Trade that the score picks less often because it is known. Some of it is still searched "
        "by lot, and smuggled goods in it suspend the entry."
    ),
    "look_purpose.html": N_(
        "Say truly what the look is for. It is recorded with your name and with what it shows."
    ),
    "recomputation.html": N_(
        "The decision, made again from its record. The page says that both are the same, or what "
        "differs."
    ),
    "attentions.html": N_(
        "What this side asked of partners, and what they ask of it: who has to act, and until when."
    ),
    "link.html": _LINKS,
    "links.html": _LINKS,
    "policy.html": N_(
        "Settings that steer selection. One person proposes a value; the page counts what it would "
        "have changed before another approves it."
    ),
    "profile.html": N_(
        "One rule: what its trial on the history found, and what it did since. Two people put it "
        "into force."
    ),
    "report.html": _REPORT,
    "comparison.html": _REPORT,
    "draws.html": N_(
        "Random numbers of each shift. Twelve hours after its end the seed is shown, and the "
        "numbers are drawn again from it."
    ),
    "record.html": N_("One record, as it is stored. That you opened it is a record too."),
}
"""What a page is for, by its template."""
WORDS: Final[Mapping[str, str]] = {
    N_("random check"): N_("drawn by lot; it keeps every figure honest"),
    N_("discrepancy"): N_("goods or papers differ from what was declared"),
    N_("seizure"): N_("something was taken: drugs, weapons, goods that were not declared"),
    N_("second person"): N_("someone else than the one who proposed or reported it"),
    N_("hard fact"): N_("what no lawful passage shows, such as empty there and laden here"),
    N_("k of n"): N_(
        "so many of so many; instead of a share that is too uncertain, or if nothing was found"
    ),
}
"""Words that pages share, each with its meaning."""
RISK_WORDS: Final[Mapping[str, str]] = {
    N_("●●●, ●●○, ●○○"): N_(
        "high, medium or low risk; before a reason, how much it raises the risk"
    ),
}
"""Words of what a checkpoint does not see."""
