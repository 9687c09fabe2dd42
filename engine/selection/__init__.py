"""From probabilities and committed random numbers to a channel and its propensity.

champion_challenger  Champion and challenger, which share what the score may pick
percentiles          Percentile of a risk among the recent ones of its post
policy               Channel from a score and draws, with its propensity
randomization        Random numbers in [0, 1) of decisions, which no person can steer
team_assignment      Assignment of a team to a vehicle
"""
