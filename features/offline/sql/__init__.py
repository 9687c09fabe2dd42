"""The same features by SQL engines: DuckDB and Spark."""
