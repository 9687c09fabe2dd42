"""Policies simulated over a year.

baseline_policies     The policies that learn little
candidate_records     Every record that a planned world could leave, encoded once for all
                      policies
capacity_allocation   Who is searched today
drift_regimes         Does one way of forgetting serve whatever shifts? A simulation of champion
                      and challenger
incremental_features  What one policy's world has recorded so far, and features as of each
                      arrival in it
learning_policies     The policies that learn from what they searched
plots                 Two plots of a simulation in one SVG
results               What a policy's year came to, and how policies compare over the same years
run                   Which way of choosing finds more in the same hours? Policies side by side
                      in closed loop
world_setup           What all policies of one synthetic world share
"""
