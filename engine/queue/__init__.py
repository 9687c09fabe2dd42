"""The queue of waiting vehicles and what changes it.

corrections       Corrections of inspection acts and seizures, and what holds since
expiry            Records that vehicles have left the queue because a day has passed
find_gravity      Gravity of what acts found, by the seizures reported
identifier_index  Index of decisions by the identifiers of vehicle, parties and papers
identifier_log    Identifiers of the latest decisions, written behind
match_outcomes    Outcomes of what profiles and the watch list matched, by month
mirror_alerts     Records of the paired post that come late
queue             Decisions of a post and the vehicles that still wait, in their order
referrals         Inspection acts that answer a referral
release_audits    Audits after release: vehicles on blue that are still to be audited
reviews           Reviews of decisions by supervisors
takings           Officers who have taken a waiting vehicle
"""
