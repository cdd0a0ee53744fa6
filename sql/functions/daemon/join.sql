-- herald.join(node, incarnation, in_flight, host, pid, version): a daemon has (re)connected and LISTENs: locks its node name for
-- this session (a second daemon of that name is refused), and settles what it and its predecessors had claimed:
--   rows that this incarnation holds and does not name in in_flight (attempt ids) were claimed in an answer that got lost: they
--   go back, with no attempt spent; rows of an earlier incarnation of the node are in doubt at once.
-- incarnation 0: the daemon has just started; a number is drawn, and all sweeps are due. The outcomes that it still has to
-- report it reports by herald.turn() before or after; their attempts must be in in_flight.
-- joins: to be told to herald.plan_and_claim().
--
-- known_timeline: what timeline was the last time; '': nothing is known. last_attempt: the highest that this daemon was given.
-- Where another server answers now (a standby that was promoted, or a restored backup), it may not have received all that the
-- last one had acknowledged. So what this daemon seems to hold may have been sent, and is in doubt too; and forgotten is how
-- many attempts at most it has never heard of, whose messages will be sent again without a mark (NULL: it is the same server).
CREATE OR REPLACE FUNCTION herald.join(
    node_name text,
    known_incarnation bigint,
    in_flight bigint[],
    host_name text,
    process_id int,
    daemon_version text,
    known_timeline text,
    last_attempt bigint,
    OUT incarnation bigint,
    OUT schema_version int,
    OUT given_back bigint,
    OUT in_doubt bigint,
    OUT joins int,
    OUT timeline text,
    OUT forgotten bigint
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '3s'
AS $$
DECLARE
    back bigint[];
    holder herald.incarnations;
BEGIN
    BEGIN
        PERFORM pg_advisory_lock(hashtext('herald.node'), hashtext(node_name));
    EXCEPTION WHEN lock_not_available THEN
        SELECT i.* INTO holder FROM herald.incarnations i WHERE i.node = node_name ORDER BY i.id DESC LIMIT 1;
        -- One without pid has left; a pooler keeps its session, and the lock with it. Of who could not be a daemon the lock says
        -- nothing, nor of another session of one, in which a view's function may have taken it: the dispatcher's own must be there.
        IF holder.pid IS NOT NULL AND EXISTS (
           SELECT FROM herald.listeners w
             LEFT JOIN pg_locks l ON w.backend IS NULL AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
                  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                  AND l.classid::bigint = hashtext('herald.node')::bigint & 4294967295
                  AND l.objid::bigint = hashtext(node_name)::bigint & 4294967295
             JOIN pg_stat_activity a ON a.pid = coalesce(w.backend, l.pid) AND a.datname = current_database()
            WHERE w.node = node_name
              AND has_function_privilege(a.usesysid, 'herald.join(text, bigint, bigint[], text, int, text, text, bigint)',
                                         'EXECUTE')) THEN
            RAISE EXCEPTION 'a daemon of node "%" is running already: pid % on %, since %', node_name, holder.pid, holder.host,
                    herald.local_time(holder.started_at)
                USING HINT = 'Give each daemon a node name of its own (node in pgherald.conf), or stop that one.',
                    ERRCODE = 'HR002';
        END IF;
    END;
    SELECT max(m.version) INTO schema_version FROM herald.migrations m;
    incarnation := known_incarnation;
    IF incarnation = 0 THEN
        INSERT INTO herald.incarnations (node, host, pid, version) VALUES (node_name, host_name, process_id, daemon_version)
        RETURNING id INTO incarnation;
        -- But those that somebody has locked, as while they are planned: nobody may keep a daemon from joining.
        UPDATE herald.rules r SET next_sweep_at = clock_timestamp()
         WHERE r.name IN (SELECT w.name FROM herald.rules w WHERE w.every IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED);
    END IF;
    timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    PERFORM herald.attend(node_name, incarnation, 0);
    DELETE FROM herald.listeners l WHERE l.node = '';

    LOCK TABLE herald.claim_lock IN EXCLUSIVE MODE;
    UPDATE herald.listeners l SET joins = l.joins + 1, backend = pg_backend_pid() WHERE l.node = node_name RETURNING l.joins
        INTO joins;
    in_doubt := 0;
    -- What somebody has locked is waited for a moment, and then left to the end of its lease: nobody may keep a daemon from
    -- joining.
    PERFORM set_config('lock_timeout', '900ms', true);
    BEGIN
        PERFORM FROM public.whatsapp_notifications n JOIN herald.incarnations i ON i.id = n.owner
          WHERE n.owner IS NOT NULL AND i.node = node_name AND NOT n.attempt_id = ANY (in_flight) FOR NO KEY UPDATE OF n;
    EXCEPTION WHEN lock_not_available THEN
        NULL;
    END;
    IF known_timeline NOT IN ('', timeline) THEN
        -- A sequence is up to 32 ahead of what was drawn, on a standby.
        SELECT greatest(last_attempt - q.last_value + 32, 0) INTO forgotten FROM herald.attempt_seq q;
        PERFORM setval('herald.attempt_seq', greatest(last_attempt, q.last_value)) FROM herald.attempt_seq q;
        in_doubt := herald.put_in_doubt(ARRAY(
            SELECT n.id FROM public.whatsapp_notifications n
             WHERE n.owner = incarnation AND NOT n.attempt_id = ANY (in_flight) FOR NO KEY UPDATE SKIP LOCKED),
            'another database server answers, which may not have received what became of it');
    END IF;
    WITH given AS (
        UPDATE public.whatsapp_notifications n
           SET send_status = 'pending', owner = NULL, attempts = n.attempts - 1,
               next_at = herald.not_below_floor(n.lane, n.created_at)
         WHERE n.id IN (SELECT w.id FROM public.whatsapp_notifications w
                         WHERE w.owner = incarnation AND NOT w.attempt_id = ANY (in_flight) FOR NO KEY UPDATE SKIP LOCKED)
        RETURNING n.id
    )
    SELECT coalesce(array_agg(g.id), '{}') INTO back FROM given g;
    given_back := cardinality(back);
    PERFORM herald.release_behind(back);
    in_doubt := in_doubt + herald.put_in_doubt(ARRAY(
        SELECT n.id FROM public.whatsapp_notifications n JOIN herald.incarnations i ON i.id = n.owner
         WHERE n.owner IS NOT NULL AND n.owner <> incarnation AND i.node = node_name FOR NO KEY UPDATE OF n SKIP LOCKED),
        'its daemon ended while the message was being sent');
END
$$;
