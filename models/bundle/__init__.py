"""A model as signed data files, verified before use.

bundle     Is this model the one that was signed? A bundle
documents  What may be read of a bundle without loading its model
scorer     How risky is this arrival, and which features say so? A bundle in force
"""
