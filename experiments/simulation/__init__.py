"""Policies simulated over a year.

baseline_policies     Policies that learn little
candidate_records     Every record that a planned world could leave, encoded once for all
                      policies
capacity_allocation   Allocation of inspection capacity, the same for every policy
drift_regimes         Champion and challenger under regimes of drift
incremental_features  Records of one policy's world so far, and features of its arrivals
learning_policies     Policies that learn from what they searched
plots                 Two plots of a simulation in one SVG
results               Results of a policy's year, and comparison of policies
run                   Policies in closed loop over the same worlds
world_setup           Setting that all policies of one synthetic world share
world_snapshots       Finds spread along links in one policy's world so far
"""
