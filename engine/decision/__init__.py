"""A decision as data: how it is made, stored and shown.

decision            A decision as data, the pure function that makes it, and its merit in the queue
inspection_minutes  Expected minutes of an inspection, learnt from acts; place in the queue
record_codec        Record codec: a decision written down, and read back
role_views          Views of a decision by role
"""
