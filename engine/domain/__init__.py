"""What the world reports: records, identifiers, the network, and their validation.

identifiers   Plates, containers and VINs
network       Which posts there are, and which post across the line each one faces
plausibility  What an arrival cannot say, whatever else it says
records       What the world reports
time_units    One clock face
validation    What a refused record is told
"""
