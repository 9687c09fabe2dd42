"""Point-in-time feature matrices over a whole history.

encoding          The encoder for a whole history, column by column
sql               The same features by SQL engines: DuckDB and Spark
column_file       Features of a long history in a temporary file
compilation       Compilation of functions over arrays, kept on disk
compact_columns   Keys and facts of a long history in narrow columns, without loss
derived_measures  Measures of events that depend on the past, in bulk
encoded_history   A history as one event log
export            The feature matrix of a bulk folder or a home, as one Parquet file
feature_matrix    All reads of a whole history, and the feature matrix computed from them
hash_index        Dense numbers for entities, so that a part can be sorted by counting
kernel            The bulk kernel
memory_release    Memory and garbage collection of a load, an export or a training
radix_partition   Radix partition of rows by key, so that one entity's rows fit a cache
reference_kernel  Second implementation of the bulk kernel, in numpy
spread_events     Snapshots of finds spread along links, of a whole history
spread_kernel     Values of finds spread along links as of the cuts of a history, compiled
"""
