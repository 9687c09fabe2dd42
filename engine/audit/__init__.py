"""Verification of the journal and of its store, and replay of decisions.

decision_replay    Recomputation of stored decisions from the journal
erasures           Signed erasures, the records that are erased together, and the subjects they name
file_anchors       Digests of a home's files in the journal
projection_replay  The journal replayed through the projections into an empty store
store_check        Check of the store itself: foreign objects, altered tables, damaged pages
store_comparison   Two stores compared, table by table
verification       Verification of the journal: chain, bodies, erasures, random numbers, receipts
"""
