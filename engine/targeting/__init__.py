"""The path of an arrival, and of what is reported.

context        Context of a decision: all that is read for an arrival, amendments among it
forecast       Provisional risk and channel of declarations whose vehicle has not come yet
report_writer  Writer of crossings, acts, seizures and releases that are reported
targeting      The path of an arrival
"""
