"""Evaluation of fitted models, in numpy alone.

linear         Linear part of a blend: plain data, exact to explain
novelty        Novelty blend for declarations whose fingerprint was never inspected
risk           Arithmetic from margins to risk, shared by training and serving
tree_ensemble  Tree ensemble as arrays, and its margins for many rows at once
"""
