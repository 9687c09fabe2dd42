"""A synthetic border network.

Everything is drawn from four numbers: first the plan of a world, then its days, then its records.
"""
