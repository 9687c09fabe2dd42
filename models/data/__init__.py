"""Data sets: rows, labels, selection, and temporal splits.

build_dataset    From a history to what models see
dataset          What does a model see? One row a crossing
lookup_baseline  What would a table have said? The rate of what looked most alike, backing off
                 where it is new
propensity_log   Which searches did the engine draw, how likely was each, and what did it show?
                 The log of draws
referral_log     Which arrivals did decisions send to officers? The draws, whether an act
                 followed or not
temporal_splits  Which rows may teach, and which come after? Folds cut by time
"""
