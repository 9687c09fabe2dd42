"""Verification of the journal and replay of decisions.

decision_replay    Whether a stored decision comes out the same when it is made again from the
                   journal
draw_verification  Whether every number that decided about chance was drawn as it had to be
erasures           Signed erasures
file_anchors       Files of a home that records anchor
foreign_objects    Objects of the database that are not ours, and ours that are gone
projection_replay  The journal replayed
store_comparison   Two stores compared, table by table
table_structure    Columns, keys and constraints of tables, held against their definitions
verification       Whether the journal still is what it was when its records were acknowledged
"""
