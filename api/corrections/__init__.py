"""Corrections of acts and seizures, and the page by which an act is stated again.

form   Form by which an act and its seizure are stated again
page   The page of an act's correction
steps  Corrections of acts and seizures, for one caller
"""
