"""Data sets: rows, labels, selection, and temporal splits.

build_dataset    Assembly of a data set: features as of each arrival, labels with their times
dataset          Data set, one row a crossing, and its splits into teaching and later rows
lookup_baseline  Lookup-table baseline: the smoothed rate of the most particular key, with back-off
propensity_log   Propensity log: searches that the engine drew and sent, and their outcomes
"""
