"""Common watch-list entries of two administrations, found without showing the lists.

list_comparison   Comparison of watch lists over a link: requests, answers, hits and their details
match_state       State of the comparing of watch lists: limits, hits and the release of details
set_intersection  Set intersection of two lists of identifiers, by an oblivious PRF (RFC 9497)
"""
