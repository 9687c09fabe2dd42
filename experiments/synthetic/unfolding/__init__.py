"""The world day by day: inspections, seizures, reactions.

historical_policy  Policy by which vehicles were chosen in the past
inspections        Searches of chosen vehicles, and what they find
seizures           Seizures, at the post and inland
world_simulation   Simulation of the world day by day, with reactions to finds
"""
