"""Selection criteria set before an arrival: profiles, watch list, indicator rules.

profiles         Risk profiles: their language, its checker, and the matcher
dual_control     Approval by two persons: states, steps and rules
indicator_rules  Indicator rules, which select vehicles when no model is in force
match            Matches of profiles and watch list entries with an arrival
watchlist        Watch list: identifiers that force an inspection until they expire
"""
