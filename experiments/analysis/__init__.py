"""Questions of analysts about a home: its records as known at a time, by SQL and as tables.

data_quality   Quality of the data by post, field and week, and what stands out in it
home_history   A home as of a time: its tables, and one SQL statement over them
own_scores     Own scores, judged next to the configuration in force
view_backtest  Backtest of administrations alone, linked by messages, or in one database
"""
