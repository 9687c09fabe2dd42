"""The queue of waiting vehicles and what changes it.

expiry            Records that vehicles have left the queue because a day has passed
mirror_alerts     The paired post's record that comes late
profile_outcomes  What became of what each profile matched
queue             What was decided at a post, what still waits there, and in which order
referrals         What a referral asks of an inspection act, and which act opens a decision to
                  its checkpoint
reviews           What supervisors said about decisions
"""
