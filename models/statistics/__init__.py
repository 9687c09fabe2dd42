"""Estimates, intervals and tests.

drift            Drift of features and scores from a reference, measured without labels
intervals        Estimates with confidence intervals, or the reason why they are not yet knowable
ranking_metrics  Quality of a ranking and of stated chances, at a post that can search a few
                 vehicles in 100
sequential_test  Sequential test of whether inspections still find what was stated (an e-detector)
"""
