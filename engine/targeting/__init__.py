"""The path of a declaration, and of what is reported.

advance            Declarations ahead of the vehicles of a batch
amendments         Declarations that changed after the decision on their vehicle
context            Context of a decision: all that is read for an arrival
corrections        Corrections of acts and seizures, and who may take back a find
find_confirmation  Finds that a checkpoint reported by plate on a vehicle of another post, until
                   they are confirmed
forecast           Provisional risk and channel of declarations whose vehicle has not come yet
reports            Reports without a decision: crossings, acts, seizures, releases
targeting          The path of an arrival
"""
