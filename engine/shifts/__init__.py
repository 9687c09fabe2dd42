"""A shift: its seed, its minutes, its load.

handovers       Handovers of a shift, signed by two people
rosters         Rosters that supervisors put
running_totals  Running totals of a post's decisions
seed_chains     Seeds of shifts that are committed to ahead
seed_marks      Places of seeds that were used, outside of the store
shift_state     Seed and table of percentiles in force at a post
workload        Workload behind a post's cut: roster, minutes used, arrivals expected
"""
