"""What people wrote down before an arrival: profiles, watch list, indicator rules.

profiles         Risk profiles: their language, its checker, and the matcher
dual_control     What takes effect only once a second person agreed
indicator_rules  What sends a vehicle to officers when no model is in force
match            What somebody wrote down beforehand that fits an arrival
watchlist        Whom to look at whatever the score says
"""
