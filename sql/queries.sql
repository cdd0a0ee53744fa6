-- Every statement that pgherald runs, under its name; made into C by tools/queries.awk, each as one line.

-- The daemon.

-- name: join
select * from herald.join($1, $2::bigint, $3::bigint[], $4, $5::int, $6, $7, $8::bigint)

-- name: turn
select * from herald.turn($1::bigint, $2::int, $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::int[],
    $9::text[], $10::text[], $11::text[])

-- name: tell
select * from herald.tell($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[])

-- name: plan
select * from herald.plan($1, $2, $3::int)

-- name: plan_and_claim
select * from herald.plan_and_claim($1::bigint, $2::int, $3::int, $4::int)

-- name: plan_failed
select herald.plan_failed($1, $2, $3)

-- name: plan_time_limit
select pg_catalog.set_config('statement_timeout', $1, false)

-- name: attend
select herald.attend($1, $2::bigint, $3::int)

-- name: backstop
select herald.backstop($1, $2::bigint, $3::int, $4::bigint[])

-- name: horizon
select herald.horizon()

-- name: leave
select herald.leave($1, $2::bigint, $3::bigint[])

-- name: prove_bell
select herald.prove_bell($1)

-- A planner session: planning can be repeated, so its commits need not wait; and the formats that herald.pin_formats() wants.
-- name: asynchronous_commit
select pg_catalog.set_config('synchronous_commit', 'off', false), pg_catalog.set_config('lc_numeric', 'C', false),
    pg_catalog.set_config('lc_monetary', 'C', false), pg_catalog.set_config('lc_time', 'C', false),
    pg_catalog.set_config('extra_float_digits', '1', false),
    pg_catalog.set_config('bytea_output', 'hex', false)

-- What a lost session left running: a function that catches its cancellation goes on.
-- name: end_session
select pg_catalog.pg_terminate_backend(a.pid)
    from pg_catalog.pg_stat_activity a where a.pid = $1::int and a.usename = session_user and a.pid <> pg_catalog.pg_backend_pid()

-- The web process.

-- name: receive
select kind, n
    from herald.receive($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::text[])

-- name: hear
select herald.hear($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])

-- name: web_looks
select herald.web_looks($1::boolean)

-- name: web_senders
select * from herald.web_senders()

-- name: metrics
select * from herald.metrics()

-- Command line: connections, migrate, and one statement or two for each verb.

-- name: session
select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false),
    pg_catalog.set_config('default_transaction_isolation', 'read committed', false),
    pg_catalog.set_config('lock_timeout', '900ms', false),
    pg_catalog.set_config('idle_in_transaction_session_timeout', '30s', false),
    pg_catalog.set_config('statement_timeout', $1, false),
    pg_catalog.set_config('tcp_keepalives_idle', '10', false), pg_catalog.set_config('tcp_keepalives_interval', '3', false),
    pg_catalog.set_config('tcp_keepalives_count', '3', false), pg_catalog.set_config('timezone', 'UTC', false),
    pg_catalog.set_config('datestyle', 'ISO, YMD', false), pg_catalog.set_config('intervalstyle', 'postgres', false),
    pg_catalog.set_config('jit', 'off', false)

-- name: listen
listen herald

-- name: begin
begin

-- name: commit
commit

-- name: rollback
rollback

-- Whether there is a record yet, and whether it has this migration.
-- name: migrate_is_recorded
select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'herald' and c.relname = 'migrations' and c.relkind = 'r' and c.relowner = to_regrole('herald_owner')
    and n.nspowner = c.relowner)

-- name: migrate_is_applied
select exists (select from herald.migrations where version = $1::int)

-- One migrates at a time. Nobody who may only look can hold this lock; an advisory lock could be held by anybody.
-- name: migrate_lock
lock table herald.migrations, herald.code in share row exclusive mode

-- The first three columns are whether pgherald was here; the fourth whether a table that is not ours has the history's name. What
-- somebody else has put into a schema of our name is not looked into: a view of theirs would run as who migrates.
-- name: migrate_state
select to_regnamespace('herald') is not null, ours.migrations, ours.code,
    to_regclass('public.whatsapp_notifications') is not null and not ours.migrations,
    current_setting('server_version_num')::int, current_setting('server_version'), current_database()
    from (select count(*) filter (where c.relname = 'migrations') > 0 as migrations,
            count(*) filter (where c.relname = 'code') > 0 as code
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'herald' and c.relkind = 'r' and c.relowner = to_regrole('herald_owner')
        and n.nspowner = c.relowner) ours

-- name: migrate_applied
select version, name, checksum from herald.migrations order by version

-- name: migrate_code
select checksum from herald.code

-- name: migrate_checksum
select encode(sha256(convert_to($1, 'UTF8')), 'hex')

-- name: migrate_lock_timeout
set local lock_timeout = '900ms'

-- Functions may name tables and functions that come after them.
-- name: migrate_functions_unchecked
set local check_function_bodies = off

-- name: migrate_as_oneself
reset role

-- name: migrate_as_owner
set local role herald_owner

-- name: migrate_drop_undefined
select object, kept_for from herald.drop_undefined($1, $2::int)

-- name: migrate_regenerate
select herald.regenerate()

-- Who holds locks on pgherald's tables and functions, in words; the oldest transaction first.
-- name: migrate_blockers
select format('process %s (%s, %s%s) has held a lock on %s since %s', a.pid, a.usename, nullif(a.application_name, '') || ', ',
        a.state, l.relation::regclass, to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'))
    from pg_locks l join pg_stat_activity a using (pid) join pg_class c on c.oid = l.relation
    join pg_namespace n on n.oid = c.relnamespace
    where l.granted and l.database = (select oid from pg_database where datname = current_database())
    and a.pid <> pg_backend_pid() and (n.nspname = 'herald' or starts_with(c.relname::text, 'whatsapp_notifications'))
    order by a.xact_start nulls last, l.relation limit 1

-- name: migrate_record
insert into herald.migrations (version, name, checksum) values ($1::int, $2, $3)

-- name: migrate_record_code
insert into herald.code (checksum) values ($1)
    on conflict (only_row) do update set checksum = excluded.checksum, applied_at = clock_timestamp()

-- name: uninstall
select * from herald.uninstall($1::boolean)

-- name: cli_status
select item, value, attention from herald.status

-- name: cli_list
select * from herald.list($1, $2, $3, $4, $5::int)

-- name: cli_show
select * from herald.explain($1::bigint)

-- name: cli_row
select * from herald.show($1::bigint)

-- name: cli_retry
select herald.retry($1::bigint)

-- name: cli_retry_all
select herald.retry_all($1, $2)

-- name: cli_cancel
select herald.cancel($1::bigint)

-- name: cli_send
select herald.send($1, $2)

-- name: cli_sweep
select herald.sweep($1)

-- name: cli_sweep_dry_run
select * from herald.sweep_dry_run($1)

-- name: cli_replay
select * from herald.replay($1, $2)

-- name: cli_rules
select name from herald.rules order by name

-- name: cli_pause
select herald.pause($1, coalesce($2, ''), coalesce($3, 'paused by hand'))

-- name: cli_pair
select herald.pair($1)

-- name: cli_unpair
select herald.unpair($1)

-- name: cli_session
select state, code, reason, ceil(extract(epoch from until - clock_timestamp()))::int from herald.sessions where sender = $1

-- name: cli_resume
select herald.resume($1, coalesce($2, ''), $3::boolean)

-- name: cli_preview
select herald.preview($1, $2::jsonb)

-- name: cli_check
select subject, problem, remedy from herald.check()

-- name: cli_senders
select * from herald.sender_accounts()

-- name: cli_groups
select * from herald.list_groups($1, $2::text[], $3::text[])

-- name: cli_check_groups
select * from herald.check_groups($1, $2::text[])
