"""Files and databases of one home.

csv_cells        Cells of the CSV files that people open in a spreadsheet
database         Access to the store on SQLite and PostgreSQL: snapshots, one writer, statements
dialect          Differences of SQLite and PostgreSQL
durable_files    Files that survive a power cut
file_digests     Digests of files
home             Paths of one home directory
read_ahead       SQLite's file, read ahead into the system's memory by a process of its own
secret_files     Secrets of a home as files
statement_queue  Statements on PostgreSQL's driver: kept cursors, insertions that go together
worker_process   Work in a process of its own, one of a kind at a time in a home
"""
