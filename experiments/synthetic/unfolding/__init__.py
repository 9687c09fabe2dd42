"""The world day by day: inspections, seizures, reactions.

historical_policy  How vehicles were chosen in the past
inspections        How a chosen vehicle is searched, and what the search finds
seizures           What was seized, at the post and inland
trader_reactions   What traders do when a wrong declaration of theirs was found
world_simulation   What happens, day by day
"""
