"""Policies simulated over a year.

capacity       What policies share, and the desk that spends their minutes
comparison     Policies side by side over the same years: results and plots
drift_regimes  Champion and challenger under regimes of drift
policies       Policies: random, profiles, an officer, and two that learn
world_records  Records of one policy's world so far, and features as of an arrival
"""
