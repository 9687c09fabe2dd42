"""The queue of waiting vehicles and what changes it.

corrections       Corrections of acts and seizures: who may state them, and what holds since
identifier_index  Index of decisions by identifiers of vehicle, parties and papers, written behind
match_outcomes    Outcomes of what profiles and the watch list matched, by month, and their gravity
mirror_alerts     Records of the paired post that come late
queue             Decisions of a post and the vehicles that still wait, in their order
release_audits    Audits after release: vehicles on blue that are still to be audited
reviews           Reviews of decisions by supervisors
takings           Officers who have taken a waiting vehicle
"""
