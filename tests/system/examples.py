"""What the tests of the examples share: loading them as their comments say, and running the statements that those show."""

import re
import subprocess

from conftest import ROOT, environment

EXAMPLES = ROOT / "sql" / "examples"
SUPERVISOR, ADMINISTRATOR = "+8801711000001", "+8801711000002"
# What each wants to be given to be whole.
VARIABLES = {"over_history": {"supervisor": SUPERVISOR, "administrator": ADMINISTRATOR},
             "rc_meters": {"supervisor": SUPERVISOR},
             "test_completion": {"administrator": ADMINISTRATOR}, "fee_reminders": {"administrator": ADMINISTRATOR}}


def psql(db, *arguments, text=None):
    """Runs psql as the files' comments say; its output."""
    done = subprocess.run([db.cluster.bin / "psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", db.dsn(), *arguments], input=text,
                          capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(db, name, **variables):
    """Loads an example."""
    options = [word for key, value in variables.items() for word in ("-v", f"{key}={value}")]
    psql(db, "-q", *options, "-f", EXAMPLES / f"{name}.sql")


def commented(name, beginning):
    """The statement in an example's comments that begins so, without its comment signs."""
    text = (EXAMPLES / f"{name}.sql").read_text(encoding="utf-8")
    found = re.search(r"^ *--  +(" + re.escape(beginning.removesuffix(";")) + (";)" if beginning.endswith(";") else "[^;]*;)"), text, re.M)
    assert found, f"{name}.sql has no commented statement that begins with {beginning!r}"
    return re.sub(r"^ *-- ?", "", found[1], flags=re.M)


def plan(db, rule, kind="sweep"):
    """What the planner would do, without a daemon."""
    return db.row("SELECT * FROM herald.plan(%s, %s, 100)", rule, kind)


def plan_at(db, rule, moment):
    """A sweep as at another time, for sources that ask herald.now(); its figures."""
    db.sql("SELECT set_config('herald.now', %s, false)", moment)
    try:
        done = plan(db, rule)
    finally:
        db.sql("SELECT set_config('herald.now', '', false)")
    assert done["result"] == "done", done
    return done


def dump(db):
    """All that an example configures, for comparison."""
    return {table: db.sql(f"SELECT to_jsonb(t) - 'next_sweep_at' FROM {table} t ORDER BY 1::text")
            for table in ("herald.rules", "herald.watches", "herald.templates", "herald.senders", "herald.recipients",
                          "herald.settings", "herald.channels", "herald.holds", "pg_trigger")}


def attended(db):
    """As if a daemon attended and were awake, so that triggers capture keys."""
    db.sql("SELECT herald.attend('nobody', 0, 0)")
