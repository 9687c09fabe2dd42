"""Tables as they came to be: Alembic versions, one set for SQLite and PostgreSQL.

Forward only, one file a step: nothing recorded is ever dropped.
"""
