"""The path of a declaration, and of what is reported.

amendments         Declarations that changed after the decision on their vehicle
context            Context of a decision: all that is read for an arrival
find_confirmation  Finds that a checkpoint reported by plate on a vehicle of another post, until
                   they are confirmed
reports            Reports without a decision: crossings, acts, seizures, releases
targeting          The path of an arrival
"""
