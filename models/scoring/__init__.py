"""Evaluation of fitted models, in numpy alone.

linear         What does a straight line say? A linear part of a blend
novelty        Of what kind was nothing ever inspected? There, other trees have a say
risk           How do margins become a risk? The small arithmetic that training and serving
               share
tree_arrays    What are an ensemble's trees, as plain arrays? Splits, cuts, and how training
               rows parted there
tree_ensemble  What do an ensemble's trees say of many rows at once? All rows walk all trees, a
               level a step
"""
