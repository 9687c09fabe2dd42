"""Files and databases of one home.

database         Access to the store on SQLite and PostgreSQL: snapshots, one writer, statements
dialect          Differences of SQLite and PostgreSQL
files            Files: flushed, digested, secret, safe in a spreadsheet, read ahead
home             Paths of one home directory
statement_queue  Statements on PostgreSQL's driver: kept cursors, insertions that go together
worker_process   Work in a process of its own, one of a kind at a time in a home
"""
