"""The same features by SQL engines: DuckDB and Spark.

duckdb_engine   The reads of a history by DuckDB: the independent checker of the kernels
national_job    Commands for a history that exceeds one machine, and their last step
spark_engine    The reads of a history on Spark
window_queries  A history as relations, and the reads of a plan as SQL over them
"""
