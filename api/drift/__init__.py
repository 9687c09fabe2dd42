"""Drift over HTTP and as a page.

measurement  Drift measured for a caller
page         Drift for people
routes       How far traffic has moved from what the model in force learnt, as last measured
"""
