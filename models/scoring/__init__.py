"""Evaluation of fitted models, in numpy alone.

linear         Linear part of a blend: plain data, exact to explain
novelty        Novelty blend for declarations whose fingerprint was never inspected
risk           Arithmetic from margins to risk, shared by training and serving
tree_arrays    Arrays of a tree ensemble: splits, cuts, and the share of training rows at each node
tree_ensemble  Margins of a tree ensemble for many rows at once, one level of all trees a step
"""
