"""Declarations of all features and what compiles them.

catalogue        The features, and those that could stand in for a person's origin
encoder          Encoding of one crossing with its declaration as entities and facts
event_streams    Streams of events, and the amounts that one record adds to their measures
find_spread      Finds spread along the ties between crossings and entities
mirror_features  Features from the paired post's record of the same vehicle
plan             The catalogue, compiled
reference_page   The catalogue as a page for analysts
spec             Vocabulary in which features are declared
transforms       Operators that turn reads and facts into features, and recent rates
"""
