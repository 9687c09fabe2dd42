"""The same features by SQL engines: DuckDB and Spark.

assemble        Features of a history whose reads an SQL engine answered and left as Parquet
duckdb_engine   The reads of a history by DuckDB
national_job    A history that one machine does not hold
relations       A history as relations, for engines that speak SQL
source_queries  Where a question's events come from
spark_engine    The reads of a history on Spark, for a history that one machine does not hold
window_queries  The reads of a plan as SQL
"""
