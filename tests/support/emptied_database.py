"""A migrated database that is emptied, to be as its migrations left it."""

_CUT_OFF = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_EMPTY = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT quote_ident(tablename) FROM pg_tables
                WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE 'DELETE FROM ' || name;
    END LOOP;
END $$
"""
"""In any order, whatever refers to what; truncated, each table and index would be a new file."""
_NEW_IDENTITY = "INSERT INTO journal_identity VALUES (gen_random_uuid()::text, 0)"


def empty_database(url: str) -> None:
    """Leave a database as its migrations did: ten times as fast as making another."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as admin:
        for statement in (_CUT_OFF, _EMPTY, _NEW_IDENTITY):
            admin.execute(statement)
