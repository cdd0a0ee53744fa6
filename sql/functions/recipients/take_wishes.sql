-- herald.take_wishes(addresses, wishes, moments, reasons, speakers, for_all): what people wish, in parallel arrays: 'stop' makes an
-- opt-out of the address, with the reason, 'resume' takes it back. speakers: to whom it was said, or who says it for them: a
-- webhook's account ("cloud SECRET 1065…"), the gateway in its answers ("pgherald"), a role. An opt-out holds of all accounts, and
-- lasts until each speaker of it has taken it back; for_all: this one speaks for everybody, and outdoes what anybody said
-- before.
--
-- Of each address and speaker the last counts, of two at the same time 'stop', however late and often the others come:
-- herald.heard remembers when it was said, for longer than webhooks are taken (herald.hear()). An opt-out is held since it was
-- first asked for. Returns how many opt-outs were new, and how many ended.
CREATE OR REPLACE FUNCTION herald.take_wishes(
    addresses text[],
    wishes text[],
    moments timestamptz[],
    reasons text[],
    speakers text[],
    for_all boolean,
    OUT opted_out bigint,
    OUT opted_in bigint
)
LANGUAGE plpgsql
AS $$
DECLARE
    stopped jsonb;
    resumed jsonb;
BEGIN
    WITH last AS (
        SELECT DISTINCT ON (u.name, s.speaker) u.name, s.speaker, u.wish, u.at, u.reason,
               CASE WHEN for_all THEN '' ELSE s.speaker END AS scope
          FROM unnest(addresses, wishes, moments, reasons, speakers) u (name, wish, at, reason, said_to)
         CROSS JOIN LATERAL (SELECT translate(u.said_to, ',', '_') AS speaker) s
         ORDER BY u.name, s.speaker, u.at DESC, u.wish DESC
    ), taken AS (
        INSERT INTO herald.heard AS h (kind, name, scope, said, at)
        SELECT 'recipient', l.name, l.scope, l.wish, l.at FROM last l
         WHERE NOT EXISTS (SELECT FROM herald.heard e
                            WHERE e.kind = 'recipient' AND e.name = l.name AND e.scope = '' AND e.at >= l.at AND NOT for_all)
         ORDER BY l.name, l.scope
        ON CONFLICT (kind, name, scope) DO UPDATE SET said = EXCLUDED.said, at = EXCLUDED.at
         WHERE (EXCLUDED.at, EXCLUDED.said) > (h.at, h.said)
        RETURNING h.name, h.scope
    )
    SELECT jsonb_agg(to_jsonb(l)) FILTER (WHERE l.wish = 'stop'), jsonb_agg(to_jsonb(l)) FILTER (WHERE l.wish = 'resume')
      INTO stopped, resumed
      FROM last l JOIN taken t ON t.name = l.name AND t.scope = l.scope;

    -- In statements of their own: they see what whoever held the rows of herald.heard before us has done.
    WITH put AS (
        INSERT INTO herald.holds AS h (kind, name, cause, reason, who, since)
        SELECT 'recipient', s.name, 'opt-out', (array_agg(s.reason ORDER BY s.at DESC))[1],
               string_agg(s.speaker, ', ' ORDER BY s.speaker), min(s.at)
          FROM jsonb_to_recordset(stopped) s (name text, speaker text, at timestamptz, reason text)
         GROUP BY s.name ORDER BY s.name
        ON CONFLICT (kind, name, cause) DO UPDATE
           SET reason = EXCLUDED.reason, who = herald.join_speakers(h.who, EXCLUDED.who)
         WHERE h.reason <> EXCLUDED.reason OR h.who <> herald.join_speakers(h.who, EXCLUDED.who)
        RETURNING xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE p.is_new) INTO opted_out FROM put p;
    UPDATE herald.holds h SET who = CASE WHEN for_all THEN '' ELSE herald.without_speakers(h.who, r.speakers) END
      FROM (SELECT x.name, array_agg(x.speaker) AS speakers
              FROM jsonb_to_recordset(resumed) x (name text, speaker text) GROUP BY x.name) r
     WHERE h.kind = 'recipient' AND h.cause = 'opt-out' AND h.name = r.name;
    DELETE FROM herald.holds h
     USING jsonb_to_recordset(resumed) r (name text)
     WHERE h.kind = 'recipient' AND h.cause = 'opt-out' AND h.name = r.name AND h.who = '';
    GET DIAGNOSTICS opted_in = ROW_COUNT;

    DELETE FROM herald.heard h
     USING (SELECT o.kind, o.name, o.scope FROM herald.heard o
             WHERE o.kind = 'recipient' AND o.at < clock_timestamp() - interval '10 days' LIMIT 1000 FOR UPDATE SKIP LOCKED) old
     WHERE (h.kind, h.name, h.scope) = (old.kind, old.name, old.scope);
END
$$;
