"""A decision as data: how it is made, stored and shown.

decision            A decision as data, and the pure function that makes it
inspection_minutes  Expected minutes of an inspection, learnt from acts
placement           Merit that a referred vehicle queues with
record_codec        Record codec: a decision written down, and read back
role_views          Views of a decision by role
"""
