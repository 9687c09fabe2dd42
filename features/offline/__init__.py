"""Point-in-time feature matrices over a whole history.

column_encoder    The encoder for a whole history, column by column
column_file       Features of a long history in a temporary file
compact_columns   Texts, keys and facts of a long history in narrow columns, without loss
derived_measures  Measures of events that depend on the past, in bulk
encoded_history   A history as one event log
feature_matrix    The feature matrix of a whole history, and its Parquet file
kernel            The bulk kernel, compiled, with its partition of rows by key
memory_release    Memory and garbage collection of a load, an export or a training
reference_kernel  Second implementation of the bulk kernel, in numpy
spread_snapshots  Snapshots of finds spread along ties, of a whole history
sql               The same features by SQL engines: DuckDB and Spark
"""
