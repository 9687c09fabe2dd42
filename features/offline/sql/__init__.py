"""The same features by SQL engines: DuckDB and Spark.

assemble        Features from the answers that an SQL engine wrote as Parquet
duckdb_engine   The reads of a history by DuckDB: the independent checker of the kernels
national_job    Commands for a history that exceeds one machine
relations       A history as relations, for SQL engines
spark_engine    The reads of a history on Spark
window_queries  The reads of a plan as SQL
"""
