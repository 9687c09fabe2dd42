"""Exercises of officers, in journals of their own.

area  The area of exercises
"""
