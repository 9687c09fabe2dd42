"""Common watch-list entries of two administrations, found without showing the lists.

detail_release    Release of details about a common entry: two people ask, two others release
match_exchange    Comparing watch lists over a link: requests, answers, hits and their details
match_limits      Limits of set intersections, told to both sides, and the alarm of an enumeration
match_state       State of the comparing of watch lists, replayed from the journal
oblivious_prf     Oblivious PRF over ristretto255 (RFC 9497, modes OPRF and VOPRF)
set_intersection  Set intersection of two lists of identifiers, as messages of kind ``match``
shared_entries    Identifiers of watch-list entries that are marked as shareable
"""
