"""The world day by day: inspections, seizures, reactions.

historical_policy  How vehicles were chosen in the past
inspections        How a chosen vehicle is searched, and what the search finds
seizures           What was seized, at the post and inland
world_simulation   Simulation of the world day by day, with reactions to finds
"""
