"""Counter rows of the latest events, written behind.

merge    Merge of the log's rows into the table of counters, in slices sorted by key
overlay  Memory of the log in this process, so that every look-up sees its rows
tables   Tables of the log and of its merge, and the binary layout of an event's rows
"""
