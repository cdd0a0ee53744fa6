"""What plpgsql_check finds in the functions: names that are not there, types that do not fit, variables that nobody uses."""

import pytest

from player import add_rule

# Beside errors and warnings, what lies in the extension's own limits: it does not know what a record of dynamic SQL will be.
FINDINGS = """
SELECT p.oid::regprocedure::text, c.lineno, c.level, c.message
  FROM pg_proc p
  JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
  LEFT JOIN LATERAL (SELECT * FROM pg_trigger t WHERE t.tgfoid = p.oid ORDER BY t.oid LIMIT 1) t ON true
 CROSS JOIN LATERAL plpgsql_check_function_tb(p.oid, coalesce(t.tgrelid, 0), oldtable => t.tgoldtable, newtable => t.tgnewtable,
                                              extra_warnings => true, performance_warnings => false) c
 WHERE p.pronamespace = 'herald'::regnamespace AND (p.prorettype <> 'trigger'::regtype OR t.oid IS NOT NULL)
   AND c.level <> 'performance' AND c.message NOT LIKE '%dynamic SQL%' AND NOT (c.sqlstate = '42804' AND c.level LIKE 'warning%')
   AND c.message <> 'name of parameter "offset" is reserved keyword'
"""
KNOWN = {("herald.plan_whole(herald.rules)", 'record "chunk" is not assigned yet'),  # by a FOR over EXECUTE
         ("herald.plan_events(herald.rules,integer)", 'composite OUT variable "done" is not single argument')}  # returned by name


@pytest.fixture
def checked(db):
    """A database with everything that rules and watches generate, and the extension."""
    if not db.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'plpgsql_check'"):
        pytest.skip("this PostgreSQL has no plpgsql_check; Debian's, which make check installs, has")
    db.sql("CREATE EXTENSION plpgsql_check")
    db.sql("CREATE TABLE public.reading (id int PRIMARY KEY, value int)")
    add_rule(db, "readings", "SELECT id AS key, id::text AS dedup_key, '+8801700000001'::text AS recipient, '{}'::jsonb AS data, 'b'::text AS body FROM public.reading")
    db.sql("SELECT herald.watch('public.reading', 'readings', columns => '{value}')")
    return db


def test_nothing_is_found(checked):
    found = [row for row in checked.sql(FINDINGS) if (row[0], row[3]) not in KNOWN]
    assert found == []


def test_it_would_be_found(checked):
    checked.sql("""CREATE FUNCTION herald.wrong() RETURNS int LANGUAGE plpgsql
                   AS 'BEGIN RETURN (SELECT no_such FROM herald.rules LIMIT 1); END';
                   CREATE FUNCTION herald.idle() RETURNS int LANGUAGE plpgsql AS 'DECLARE unused int; BEGIN RETURN 1; END';
                   CREATE FUNCTION herald.mistyped() RETURNS TABLE (a int, b text) LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT 1::bigint, 2; END'""")
    assert {(row[0], row[2]) for row in checked.sql(FINDINGS)} >= {("herald.wrong()", "error"), ("herald.idle()", "warning"),
                                                                         ("herald.mistyped()", "error")}
