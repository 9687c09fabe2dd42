"""A shift: its seed, its minutes, its load.

rosters         The rosters that supervisors put
running_totals  What the decisions of a post add up to, without adding all of them up for every
                batch
shift_state     Which seed and which table of percentiles are in force at a post, the same for
                every process
workload        What stands behind a post's cut, what is left of a shift's inspection minutes, and
                what share of arrivals may spend it
"""
