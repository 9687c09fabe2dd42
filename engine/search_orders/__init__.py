"""Search orders: the places of a vehicle to search first.

equipment     Equipment that works at a post, and the method by which each place is searched with it
priors        Prior of the places where loads are hidden
search_order  Search order of a vehicle, learnt from every place searched
"""
