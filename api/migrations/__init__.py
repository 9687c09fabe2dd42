"""Tables as they came to be: Alembic versions, one set for SQLite and PostgreSQL.

upgrade   bring a store to the newest version
env       how Alembic reaches the store
versions  one file a step, forward only: nothing recorded is ever dropped
"""
