"""A decision as data: how it is made, stored and shown.

decision            A decision as data, the pure function that makes it, and what each role may
                    see of it
inspection_minutes  How many minutes an inspection of a vehicle takes, learnt from the acts that
                    gave theirs
placement           The merit that a referred vehicle queues with
record_codec        How a decision is written down, and read back to be made again
role_views          What each role may see of a decision, from the record alone
"""
