"""The queue of waiting vehicles and what changes it.

expiry            Records that vehicles have left the queue because a day has passed
find_gravity      Gravity of what acts found, by the seizures reported
match_outcomes    What became of what each profile and entry of the watch list matched, month by
                  month
mirror_alerts     The paired post's record that comes late
queue             What was decided at a post, what still waits there, and in which order
referrals         What a referral asks of an inspection act, and which act opens a decision to
                  its checkpoint
release_audits    Audits after release: vehicles on blue that are still to be audited
reviews           What supervisors said about decisions
"""
