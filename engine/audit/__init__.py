"""Verification of the journal and replay of decisions.

decision_replay    Recomputation of stored decisions from the journal
draw_verification  Verification of random numbers by the revealed seeds
erasures           Signed erasures
figure_comparison  Comparison of what was recorded with what was computed again
file_anchors       Digests of a home's files in the journal
foreign_objects    Foreign and missing objects of the database
projection_replay  The journal replayed through the projections into an empty store
store_comparison   Two stores compared, table by table
store_damage       Pages of the store that hold what was not written there
subject_records    Records grouped as they are erased, and the subjects that they name
table_structure    Columns, keys and constraints of tables, held against their definitions
verification       Verification of the journal's chain, bodies, erasures and receipts
"""
