"""What checkpoints report without asking for a decision.

routes    Crossings that ask for no decision, and vehicles that have left
"""
