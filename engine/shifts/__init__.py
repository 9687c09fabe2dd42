"""A shift: its seed, its minutes, its load.

handovers    Handovers of a shift, signed by two people
shift_state  Seed and table of percentiles in force at a post, and seeds committed to ahead
workload     Workload behind a post's cut: rosters, minutes used, arrivals expected
"""
