"""The path of a declaration, and of what is reported.

amendments         A declaration that was changed after its vehicle had been decided on
context            All that is read for an arrival before it is decided on
find_confirmation  Finds that a checkpoint reported by plate on a vehicle of another post, until
                   they are confirmed
reports            What else the world reports
targeting          The path of an arrival
"""
