"""Inspection orders on paper.

page  The sheet of one vehicle's order, with a code that leads back to it
"""
