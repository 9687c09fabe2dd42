"""Training of officers: a home of its own, exercises, picks, debriefings.

desk   Exercises of a training home: blind picks, their end, debriefings
maker  Training homes made from a synthetic network that the engine decided on
store  Training homes, opened
"""
