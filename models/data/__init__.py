"""Data sets: rows, labels, selection, and temporal splits.

build_dataset    Assembly of a data set: features as of each arrival, labels with their times
dataset          Data set: one row a crossing, with features as known at arrival and a label if any
lookup_baseline  Lookup-table baseline: the smoothed rate of the most particular key, with back-off
propensity_log   Propensity log: searches that the engine drew, their probabilities and their
                 outcomes
referral_log     Referral log: arrivals that decisions sent to officers, whether an act followed or
                 not
temporal_splits  Temporal splits: rows that teach, and later rows that calibrate
"""
