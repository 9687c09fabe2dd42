"""Point-in-time feature matrices over a whole history.

sql               The same features by SQL engines: DuckDB and Spark
compact_columns   The keys and facts of a long history, held small and without loss
derived_measures  What events take from the past, in bulk
encoded_history   A history as one event log
export            The feature matrix of a bulk folder or a home, as one Parquet file
feature_matrix    All reads of a whole history at once, and the feature matrix made of them
hash_index        Entities numbered as they appear, so that a part can be sorted by counting
kernel            The bulk kernel
radix_partition   Rows dealt into parts by their keys, so that all of one entity happens within
                  a cache
reference_kernel  The numpy twin of the bulk kernel
"""
