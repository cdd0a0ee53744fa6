#!/usr/bin/env python3
"""The benchmarks of pgherald, on a private cluster with fsync on. `make bench`, or:

    bench.py [a] [b] [c] [d] [e] [--quick] [--runs N] [--json FILE] [--strict]

a  from an INSERT to its request at the gateway, idle
b  50,000 messages to 50,000 recipients: planned beforehand, and from captured events; gateway at 0 and at 50 ms
c  what the capture trigger costs the application, beside no trigger and beside an outbox trigger that notifies each time
d  all at once: 4 clients insert as fast as they can while the daemon delivers
e  what an idle daemon asks of the database

Daemon, PostgreSQL, application and gateway share this machine's cores. Figures go to build/bench.json, with all their runs.
--strict exits 1 where a target is missed; without it, only a failure to measure does."""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time

from harness import BUILD, Cluster, application, wait_until

INSERT = "INSERT INTO {table} (meter) VALUES ('M1');\n"

OUTBOX = """
CREATE TABLE plain (id bigserial PRIMARY KEY, meter text NOT NULL,
    created_usec bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
CREATE TABLE noisy (LIKE plain INCLUDING DEFAULTS);
ALTER TABLE noisy ADD PRIMARY KEY (id);
CREATE TABLE outbox (id bigserial PRIMARY KEY, reading bigint NOT NULL);
CREATE FUNCTION to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (reading) VALUES (NEW.id);
    PERFORM pg_notify('outbox', NEW.id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER to_outbox AFTER INSERT ON noisy FOR EACH ROW EXECUTE FUNCTION to_outbox();
"""


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def latencies(values_usec):
    """p50, p95, p99 and max in milliseconds."""
    return {"p50": percentile(values_usec, 0.50) / 1000, "p95": percentile(values_usec, 0.95) / 1000,
            "p99": percentile(values_usec, 0.99) / 1000, "max": max(values_usec) / 1000}


def wall_usec():
    return time.time_ns() // 1000


class Report:
    """Figures by name, a value a run."""

    def __init__(self):
        self.figures = {}

    def add(self, name, unit, value, target=None):
        """target: ("<", x) or (">", x), held against the median."""
        figure = self.figures.setdefault(name, {"unit": unit, "runs": [], "target": target})
        figure["runs"].append(round(value, 3))
        print(f"    {name}: {value:,.2f} {unit}", flush=True)

    @staticmethod
    def is_met(figure):
        if not figure["target"]:
            return None
        sign, bound = figure["target"]
        median = statistics.median(figure["runs"])
        return median < bound if sign == "<" else median >= bound

    def print(self):
        print(f"\n{'figure':<58} {'median':>10} {'min .. max':>23} {'target':>12}")
        for name, figure in self.figures.items():
            runs, target = figure["runs"], figure["target"]
            spread = f"{min(runs):,.2f} .. {max(runs):,.2f}"
            wanted = "" if not target else f"{'< ' if target[0] == '<' else '>= '}{target[1]:,}"
            verdict = {None: "", True: "met", False: "MISSED"}[self.is_met(figure)]
            label = f"{name} [{figure['unit']}]"
            print(f"{label:<58} {statistics.median(runs):>10,.2f} {spread:>23} {wanted:>12} {verdict}".rstrip())

    def is_all_met(self):
        return all(self.is_met(figure) is not False for figure in self.figures.values())


def part_a(cluster, report, options):
    """Commit to arrival, idle."""
    count = 60 if options.quick else 300
    with application(cluster, "bench_a") as app, app.daemon():
        for _ in range(options.runs):
            app.sink.reset()
            before, after = {}, {}
            for _ in range(count):
                time.sleep(random.uniform(0.020, 0.060))
                start = wall_usec()
                row = app.sql("INSERT INTO readings (meter) VALUES ('M1') RETURNING id")[0]
                before[row], after[row] = start, wall_usec()
            app.sink.wait_distinct(count, 30)
            arrived = {int(text.split()[0]): usec for usec, _, _, text in app.sink.dump()}
            from_commit = latencies([arrived[row] - after[row] for row in after])
            from_insert = latencies([arrived[row] - before[row] for row in before])
            targets = {"p50": ("<", 1.5), "p99": ("<", 10)}
            for name, value in from_commit.items():
                report.add(f"a commit to arrival, {name}", "ms", value, targets.get(name))
            for name, value in from_insert.items():
                report.add(f"a before INSERT to arrival, {name}", "ms", value)


def prepare_planned(app, daemon, count):
    """Planned, and held back by a pause of the channel. Returns what lets them go."""
    del daemon
    app.sql("SELECT herald.pause('channel', 'whatsapp', 'bench')")
    app.insert(count)
    app.wait_messages("pending", count)
    app.sql("VACUUM ANALYZE whatsapp_notifications")
    app.sql("CHECKPOINT")
    return lambda: app.sql("SELECT herald.resume('channel', 'whatsapp')")


def prepare_captured(app, daemon, count):
    """Captured while the daemon stands still, so that events wait and nothing is planned."""
    daemon.suspend()
    app.insert(count)
    events = app.sql("SELECT count(*) FROM herald.events")[0]
    if events < count:
        raise SystemExit(f"bench: only {events} of {count} rows were captured as events")
    app.sql("CHECKPOINT")
    return daemon.proceed


def drain(app, report, count, label, prepare, max_in_flight, target, rss_target):
    """One run: all messages out, and recorded."""
    app.sql("TRUNCATE readings, whatsapp_notifications, herald.events")
    with app.daemon(max_in_flight) as daemon:
        release = prepare(app, daemon, count)
        app.sink.reset()
        cpu_sec, start_usec = daemon.cpu_sec(), wall_usec()
        release()
        app.sink.wait_distinct(count, 300)
        app.wait_messages("sent", count)
        cpu_sec = daemon.cpu_sec() - cpu_sec
        arrivals = [usec for usec, _, _, _ in app.sink.dump()]
        if app.sink.stats()["duplicates"]:
            raise SystemExit("bench: messages arrived twice")
        report.add(f"{label}: drained", "/s", count / (arrivals[-1] - start_usec) * 1e6, target)
        report.add(f"{label}: daemon's CPU per 1,000", "s", cpu_sec / count * 1000)
        report.add(f"{label}: daemon's peak RSS", "MB", daemon.peak_rss_mb(), rss_target)


def part_b(cluster, report, options):
    """Drains."""
    count = 10000 if options.quick else 50000
    for latency_ms, max_in_flight, rss_mb in ((0, 64, 16), (50, 500, 32)):
        with application(cluster, f"bench_b{latency_ms}", latency_ms) as app:
            for _ in range(options.runs):
                for prepare, what, fast in ((prepare_planned, "planned", 12000), (prepare_captured, "captured", 6000)):
                    target = fast if latency_ms == 0 else 8000 if what == "planned" else None
                    drain(app, report, count, f"b {what}, {latency_ms} ms, {max_in_flight} in flight", prepare,
                          max_in_flight, target and (">", target), ("<", rss_mb))


def part_c(cluster, report, options):
    """The application's inserts, side by side. No one listens to the outbox: that flatters it."""
    seconds = 2 if options.quick else 5
    variants = {"no trigger": "plain", "capture trigger": "readings", "outbox trigger": "noisy"}
    rates = {}
    with application(cluster, "bench_c") as app, app.daemon():
        app.sql(OUTBOX)
        app.sql("SELECT herald.pause('rule', 'bench', 'bench')")
        for round_number in range(options.rounds):
            for clients in (1, 4, 16, 64):
                names = list(variants)
                first = round_number % len(names)
                for name in names[first:] + names[:first]:
                    script = INSERT.format(table=variants[name])
                    rates[name] = cluster.pgbench("bench_c", script, clients, seconds)
                    report.add(f"c {clients} clients, {name}", "inserts/s", rates[name])
                for name in names[1:]:
                    target = (">", 75 if clients < 16 else 80) if name == "capture trigger" else None
                    report.add(f"c {clients} clients, {name} to none", "%", 100 * rates[name] / rates["no trigger"],
                               target)
            app.sql("TRUNCATE plain, noisy, outbox, readings, herald.events")


def part_d(cluster, report, options):
    """Everything at once."""
    seconds = 5 if options.quick else 20
    with application(cluster, "bench_d") as app:
        for _ in range(options.runs):
            app.sql("TRUNCATE readings, whatsapp_notifications, herald.events")
            with app.daemon() as daemon:
                app.sink.reset()
                inserted_per_sec = cluster.pgbench("bench_d", INSERT.format(table="readings"), 4, seconds)
                end_usec = wall_usec()
                count, first_usec, last_usec = app.sql("SELECT count(*), min(created_usec), max(created_usec) FROM readings")
                app.sink.wait_distinct(count, 120)
                rows = app.sink.dump()
                created = [int(text.split()[1]) for _, _, _, text in rows]
                lag = latencies([row[0] - made for row, made in zip(rows, created)])
                during = sum(1 for row in rows if row[0] <= last_usec)
                report.add("d inserted", "/s", inserted_per_sec, (">", 3500))
                report.add("d delivered while inserting", "/s", during / (last_usec - first_usec) * 1e6, (">", 3500))
                report.add("d lag of a message, p50", "ms", lag["p50"])
                report.add("d lag of a message, p99", "ms", lag["p99"])
                report.add("d caught up after the last insert", "s", max(0, rows[-1][0] - min(last_usec, end_usec)) / 1e6,
                           ("<", 1))
                report.add("d daemon's CPU per 1,000", "s", daemon.cpu_sec() / count * 1000)
                report.add("d daemon's peak RSS", "MB", daemon.peak_rss_mb(), ("<", 16))


def part_e(cluster, report, options):
    """Idle. Read from another database, so that no query of ours counts; the rest is the daemon's and autovacuum's."""
    seconds = 15 if options.quick else 60
    with application(cluster, "bench_e") as app, app.daemon() as daemon:
        watcher = cluster.connect()

        def transactions():
            with watcher.cursor() as cursor:
                cursor.execute("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'bench_e'")
                return cursor.fetchone()[0]

        app.connection.close()  # a session that ends reports what it did
        settled = transactions()

        def is_settled():
            nonlocal settled
            before, settled = settled, transactions()
            return before == settled

        wait_until(is_settled, "an idle database", 60, 3)
        before, cpu_sec = transactions(), daemon.cpu_sec()
        time.sleep(seconds)
        report.add("e transactions a minute, idle", "/min", (transactions() - before) * 60 / seconds)
        report.add("e daemon's CPU in a minute, idle", "s", (daemon.cpu_sec() - cpu_sec) * 60 / seconds)
        watcher.close()


PARTS = {"a": part_a, "b": part_b, "c": part_c, "d": part_d, "e": part_e}


def machine(cluster):
    with cluster.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
    connection.close()
    return {"cores": os.cpu_count(), "kernel": platform.release(), "architecture": platform.machine(),
            "postgresql": version}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="a b c d e; all where none is named")
    parser.add_argument("--quick", action="store_true", help="one short run of each: shows that it works, not how fast")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", default=str(BUILD / "bench.json"), metavar="FILE")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    if options.quick:
        options.runs = 1
    options.rounds = options.runs
    return options


def main():
    options = arguments()
    report = Report()
    cluster = Cluster()
    try:
        cluster.start()
        about = machine(cluster)
        for name in options.parts or list(PARTS):
            print(f"{name}: {PARTS[name].__doc__}", flush=True)
            PARTS[name](cluster, report, options)
    finally:
        cluster.stop()
    report.print()
    result = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "quick": options.quick, "machine": about,
              "figures": report.figures}
    with open(options.json, "w", encoding="utf-8") as out:
        json.dump(result, out, indent=2)
        out.write("\n")
    return 1 if options.strict and not report.is_all_met() else 0


if __name__ == "__main__":
    sys.exit(main())
