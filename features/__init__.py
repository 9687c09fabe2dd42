"""Features as of an arrival: declared once, computed offline and online alike.

catalogue        Declarations of all features and what compiles them
history          The loaded past as validated tables, and labels
messages         Standard messages of customs and transport systems, as records
partners         Records that two administrations share through the messages of their link
intake           Loading of bulk files into a home
offline          Point-in-time feature matrices over a whole history
online           The online feature store: counters, links and look-ups
seizure_reports  Old reports of seizures as proposals that a person confirms
"""
