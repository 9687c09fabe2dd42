"""Declarations of all features and what compiles them.

catalogue        The features
encoder          One crossing with its declaration, as entities (who and what) and facts (how
                 much and when)
event_measures   What one record adds to the counters
event_streams    Which events there are, and what they measure
mirror_features  The other half of a movement
plan             The catalogue, compiled
proxy_features   Which of what a rule reads could stand for a person's origin? An approver is
                 told
rate_evidence    The inspections behind each smoothed rate, taken from the reads that the rate
                 was made of
reference_page   The catalogue as a page for analysts
spec             The operators a feature is declared with
transforms       How the reads and facts of features become numbers
"""
