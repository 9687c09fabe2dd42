"""Alembic's connection to the store: the one that ``upgrade`` holds, in its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
