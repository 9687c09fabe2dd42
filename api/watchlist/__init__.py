"""The watch list over HTTP and as pages.

page      The watch list for people
routes    The watch list, and the notices that a counterpart puts onto it
"""
