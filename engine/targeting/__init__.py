"""The path of an arrival, and of what is reported.

context        Context of a decision: all that is read for an arrival, amendments among it
forecast       Provisional risk and channel of declarations whose vehicle has not come yet
late_records   Vehicles that wait and are decided on again after a late record
report_writer  Writer of crossings, acts, seizures and releases that are reported
targeting      The path of an arrival
"""
