"""What was known, as numbers.

intake      bulk files to validated rows: contract and KCS formats, quarantine
history     validated rows on disk, and back as event tables
loaded      which acts and seizures it holds, by name
anchored    whether they still are what the journal says was loaded
encode      one crossing with its declaration, as integers: entity keys, measures, facts
columns     keys and facts of a long history, held small
streams     which events there are, what they measure, by whom they are counted
definitions the operators an analyst declares features with
matching    the paired post's record, by whichever key leads to it
finishers   how reads and facts become one number
catalogue   the features
plan        the catalogue, compiled to reads and finishers
dealing     rows dealt into parts by key, so that each fits a cache
kernel      the reads of one group, compiled; reference is its numpy twin
numbering   entities numbered as they appear, for the kernel
bulk        all reads of a whole history at once, by a compiled kernel or its numpy twin
derived     what events take from the past: first of a pair, hits passed along links
export      the matrix as one Parquet file, never whole in memory
sql         the same reads as SQL, by frames or by counters carried forward
sql_streams what its events are made of
duck        that SQL on DuckDB: the independent checker
relations   a history laid out for SQL engines
spark       that SQL on a cluster, for a history that one machine does not hold
answers     what it answered, finished into features
evidence    the inspections behind each rate, from the reads that made it
layout      how one group's counters are packed into a row
counters    the same reads online, on the store
projection  what each record adds to them
recount     the same counters from one backfill, to hold the store's against
past        what was known of a vehicle and its parties, for people who look
fellows     who else is linked to them, for the same
places      where vehicles were searched and something was found, in the store
links       who is linked since when, in the store
"""
