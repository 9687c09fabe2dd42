"""Estimates, intervals and tests.

drift            Does today's traffic look like what the model learnt from? Told without waiting
                 for labels
intervals        How sure may we be of a figure? Estimates with intervals, and the right not to
                 know
ranking_metrics  How good is a ranking, at a post that can search a few vehicles in a hundred
sequential_test  Do inspections still find what was stated? An alarm that may be looked at as
                 often as one likes
thompson_race    Who chooses when the world has changed? Old knowledge and new, each by what it
                 finds
"""
