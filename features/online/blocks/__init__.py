"""Blocks of counter states: those of one counter that a load writes, in one row of the table.

rows    Rows of blocks from a group's states, and states from blocks
kernel  The bytes of a block, written and read by compiled functions
"""
