-- herald.check(): what is wrong or unwise in this database's configuration, each with its remedy; no row: all is well.
CREATE OR REPLACE FUNCTION herald.check() RETURNS TABLE (subject text, problem text, remedy text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        SELECT format('recipient "%s"', p.name), format('there is no time zone "%s"', p.timezone),
            'SELECT name FROM pg_timezone_names lists them.'
          FROM herald.recipients p
         WHERE p.timezone IS NOT NULL AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = p.timezone);
    RETURN QUERY
        SELECT format('channel "%s"', c.name), format('no sender of its fallback "%s" is enabled', c.fallback),
            'Add one to herald.senders.'
          FROM herald.channels c
         WHERE c.fallback IS NOT NULL AND NOT EXISTS (SELECT FROM herald.senders x WHERE x.channel = c.fallback AND x.enabled);
    RETURN QUERY
        SELECT format('rule "%s"', r.name), p.problem, p.remedy
          FROM herald.rules r
         CROSS JOIN LATERAL (
               SELECT CASE WHEN herald.relation(r.source) IS NULL
                           THEN format('its source %s does not exist any more', r.source) END,
                      'Create it again, or take the rule out with herald.drop_rule().'
                WHERE herald.relation(r.source) IS NULL
               UNION ALL
               SELECT s.problem, s.remedy FROM herald.source_problem(herald.relation(r.source)) s
                WHERE herald.relation(r.source) IS NOT NULL AND s.problem IS NOT NULL
               UNION ALL
               SELECT format('there is no template "%s"', r.template), 'INSERT INTO herald.templates (name, body) VALUES (…)'
                WHERE r.template IS NOT NULL AND NOT EXISTS (SELECT FROM herald.templates t WHERE t.name = r.template)
               UNION ALL
               SELECT x.problem, 'Mend the template, or the source''s data; pgherald preview shows the text.'
                 FROM (SELECT n.payload FROM public.whatsapp_notifications n
                        WHERE n.rule = r.name AND n.template = r.template AND n.payload IS NOT NULL LIMIT 1) l
                 JOIN herald.templates t ON t.name = r.template
                CROSS JOIN LATERAL (SELECT coalesce((herald.render(t, l.payload)).problem,
                                                    (herald.gateway_template(t, l.payload)).problem) AS problem) x
                WHERE x.problem IS NOT NULL
               UNION ALL
               SELECT format('its default recipient "%s" is not in herald.recipients', r.default_recipient), 'Add it there.'
                WHERE r.default_recipient IS NOT NULL
                  AND NOT EXISTS (SELECT FROM herald.recipients x WHERE x.name = r.default_recipient AND x.channel = r.channel)
               UNION ALL
               SELECT format('no sender of its channel "%s" is enabled', r.channel), 'Add one to herald.senders.'
                WHERE r.name <> 'fallback' AND NOT EXISTS (SELECT FROM herald.senders x WHERE x.channel = r.channel AND x.enabled)
               UNION ALL
               SELECT format('somebody has altered %s', p.oid::regprocedure), 'pgherald migrate makes it anew.'
                 FROM pg_proc p
                WHERE p.pronamespace = 'herald'::regnamespace
                  AND (p.proname IN ('source_' || r.id, 'still_' || r.id, 'keys_' || r.id)
                       OR p.proname IN (SELECT format('capture_%s_%s', w.id, x)
                                        FROM herald.watches w, unnest('{insert,update,row}'::text[]) x
                                         WHERE w.rule = r.name))
                  AND (NOT p.prosecdef OR NOT 'search_path=pg_catalog, pg_temp' = ANY (p.proconfig))
               UNION ALL
               SELECT 'it failed: ' || r.error, 'Mend its source; it is tried again by itself.' WHERE r.error IS NOT NULL
               UNION ALL
               SELECT format('%s of its rows can never be planned: dedup_key null, empty or over 512 bytes; one has the data %s',
                             r.bad_keys, r.bad_key_example),
                      'Mend the source''s dedup_key.' WHERE r.bad_keys > 0
               UNION ALL
               SELECT format('%s of its keys are set aside, the last with: %s', x.n, x.error),
                   'See herald.set_aside; delete its rows when mended.'
                 FROM (SELECT count(*) AS n, (array_agg(a.error ORDER BY a.id DESC))[1] AS error FROM herald.set_aside a
                       WHERE a.rule = r.name) x
                WHERE x.n > 0
               UNION ALL
               SELECT format('its last sweep took %s', r.took), 'A source should yield what may still be owed, not all of history.'
                WHERE r.took > interval '10 s'
         ) p (problem, remedy);
    RETURN QUERY
        SELECT coalesce('rule "' || l.rule || '"', 'messages without a rule'),
               format('%s of its messages wait for %s, and will expire', sum(w.n),
                      CASE WHEN l.sender IS NULL THEN format('channel "%s", which no enabled sender serves', l.channel)
                           ELSE format('sender "%s" of channel "%s", which does not exist or is not enabled', l.sender,
                                       l.channel) END),
               CASE WHEN l.sender IS NULL THEN 'Add a sender to herald.senders, or mend the name of the channel.'
                    ELSE 'Add that sender to herald.senders, enable it, or mend its name or channel.' END
          FROM herald.lanes l
         CROSS JOIN LATERAL (SELECT count(*) AS n FROM public.whatsapp_notifications m
                              WHERE m.lane = l.id AND m.next_at IS NOT NULL AND m.owner IS NULL AND NOT m.behind) w
         WHERE w.n > 0 AND NOT EXISTS (SELECT FROM herald.senders s
                                        WHERE s.enabled AND s.channel = l.channel AND (l.sender IS NULL OR s.name = l.sender))
         GROUP BY l.rule, l.channel, l.sender ORDER BY 1, 2;
    RETURN QUERY
        SELECT format('watch of %s for rule "%s"', w.tab, w.rule), p.problem, p.remedy
          FROM herald.watches w
         CROSS JOIN LATERAL (
               SELECT 'the table does not exist any more', format('DELETE FROM herald.watches WHERE id = %s', w.id)
                   WHERE herald.relation(w.tab) IS NULL
               UNION ALL
               SELECT format('%s has no capture trigger', x.leaf), format('SELECT herald.watch(%L, %L, %L)', w.tab, w.rule, w.key)
                 FROM (SELECT herald.relation(w.tab) AS leaf WHERE herald.relation(w.tab) IS NOT NULL
                       UNION (WITH RECURSIVE part AS (  -- not pg_partition_tree(), which waits for locks
                                  SELECT herald.relation(w.tab)::oid AS relid
                                  UNION SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.relid)
                              SELECT c.oid::regclass FROM part JOIN pg_class c ON c.oid = part.relid
                               WHERE c.relispartition AND c.relkind <> 'f')) x
                WHERE NOT EXISTS (SELECT FROM pg_trigger t
                                  WHERE t.tgrelid = x.leaf AND t.tgname = format('herald_capture_%s_insert', w.id)
                                  AND t.tgenabled <> 'D')
         ) p (problem, remedy);
    RETURN QUERY
        SELECT 'standby servers', 'replication is asynchronous: a failover may forget what was sent, and it would be sent again',
               'Set synchronous_standby_names, or accept it.'
         WHERE EXISTS (SELECT FROM pg_stat_replication) AND current_setting('synchronous_standby_names') = '';
    -- The history stands in it, so that everybody finds it there.
    RETURN QUERY
        SELECT 'schema public', format('it belongs to %s, who could replace the history in it, and with it run anything as '
                                       'herald_owner', o.rolname),
               format('ALTER SCHEMA public OWNER TO %I; GRANT ALL ON SCHEMA public TO %I;  or trust them with the credentials of '
                      'all senders: GRANT herald_owner TO %2$I',
                      (SELECT s.rolname FROM pg_roles s WHERE s.rolsuper ORDER BY s.oid LIMIT 1), o.rolname)
          FROM pg_namespace n
          JOIN pg_roles r ON r.oid = n.nspowner
          JOIN pg_database d ON d.datname = current_database()
          JOIN pg_roles o ON o.oid = CASE WHEN r.rolname = 'pg_database_owner' THEN d.datdba ELSE r.oid END
         WHERE n.nspname = 'public' AND NOT o.rolsuper AND NOT pg_has_role(o.oid, 'herald_owner', 'MEMBER');
    RETURN QUERY
        SELECT 'prepared transactions',
            'max_prepared_transactions is above 0, so changes do not ring: they are found within a second',
               'Nothing, or herald.watch(…, may_ring => true) where PREPARE TRANSACTION is never used on that table.'
         WHERE current_setting('max_prepared_transactions') <> '0'
           AND EXISTS (SELECT FROM herald.watches w WHERE w.may_ring IS NOT TRUE);
END
$$;
