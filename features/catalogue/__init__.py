"""Declarations of all features and what compiles them.

catalogue            The features, and those that could stand in for a person's origin
encoder              Encoding of one crossing with its declaration as entities and facts
event_measures       Amounts that one record adds to the counters
event_streams        Streams of events and their measures
find_spread          Finds spread along the links between crossings and entities
mirror_features      Features from the paired post's record of the same vehicle
plan                 The catalogue, compiled
rate_evidence        Inspections behind each smoothed rate, from the reads of the rate itself
recency              Rates in which late inspections count more
reference_page       The catalogue as a page for analysts
spec                 Vocabulary in which features are declared
transforms           Operators that turn reads and facts into features
"""
