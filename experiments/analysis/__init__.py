"""Questions of analysts about a home: its records as known at a time, by SQL and as tables.

data_quality   Quality of the data by post, field and week, and what stands out in it
home_history   A home opened as of a time: its records, decisions, reviews and features as tables
model_bench    Judgement of own scores, next to those of the configuration in force
sql_query      One read-only SQL statement over those tables
"""
