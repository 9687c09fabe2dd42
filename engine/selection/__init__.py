"""From probabilities and committed random numbers to a channel and its propensity.

champion_challenger  Two models share what the score may pick
percentiles          Where a risk stands among the recent ones of its post
policy               From a score and draws to a channel, with the probability that it could
                     have come out so
randomization        Random numbers in [0, 1) of decisions, which no person can steer
team_assignment      Which team inspects a vehicle
"""
