"""Movements that both sides of a link know, and by what the other side's are found.

movement_ledger  Movements that were announced to the other side, or by it, as tables
outcome_counts   Counts of what both sides told each other
"""
