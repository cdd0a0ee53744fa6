-- herald.hear_templates(…): holds our templates while the gateway does not send them; see herald.hear() for the arrays. A
-- template of the gateway is known by name and language, and what was last said of it counts; ours is held as a whole while one
-- of its languages is not sent, for the senders of the app secrets that said so, and goes on by itself when all are. Languages
-- are compared without regard to case, and of - and _. Yields how many of ours were held and released, as herald.receipt_counts
-- has it.
CREATE OR REPLACE FUNCTION herald.hear_templates(whats text[], app_secrets text[], subjects text[], details text[],
                                                 languages text[], moments timestamptz[])
RETURNS TABLE (kind text, n bigint)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    sent CONSTANT text[] := '{APPROVED,REINSTATED}';
    not_sent CONSTANT text[] := '{PAUSED,DISABLED,REJECTED,FLAGGED}';
    told text[];
    news text[];
    held bigint;
    released bigint;
BEGIN
    WITH last AS (
        SELECT DISTINCT ON (g.gateway_name, k.scope) g.gateway_name, k.scope, u.event, u.at
          FROM unnest(whats, app_secrets, subjects, details, languages, moments) u (what, app_secret, subject, event, language, at)
          JOIN herald.gateway_languages g ON g.gateway_name = u.subject AND g.language = lower(replace(u.language, '-', '_'))
         CROSS JOIN LATERAL (SELECT g.language || ' ' || coalesce(u.app_secret, '') AS scope) k
         WHERE u.what = 'template' AND u.event = ANY (sent || not_sent)
         ORDER BY g.gateway_name, k.scope, u.at DESC, u.event = ANY (not_sent) DESC
    ), taken AS (
        INSERT INTO herald.heard AS h (kind, name, scope, said, at)
        SELECT 'template', l.gateway_name, l.scope, l.event, l.at FROM last l ORDER BY l.gateway_name, l.scope
        ON CONFLICT (kind, name, scope) DO UPDATE SET said = EXCLUDED.said, at = EXCLUDED.at
         WHERE EXCLUDED.at > h.at OR EXCLUDED.at = h.at AND h.said = ANY (sent) AND EXCLUDED.said = ANY (not_sent)
        RETURNING h.name, h.scope
    )
    SELECT array_agg(DISTINCT g.template), array_agg(DISTINCT g.template) FILTER (WHERE t.name IS NOT NULL) INTO told, news
      FROM last l JOIN herald.gateway_languages g ON g.gateway_name = l.gateway_name AND g.language = split_part(l.scope, ' ', 1)
      LEFT JOIN taken t ON t.name = l.gateway_name AND t.scope = l.scope;
    IF told IS NULL THEN
        RETURN;
    END IF;

    -- In statements of their own: they see what whoever held the rows of herald.heard before us has done. What is no news holds
    -- nothing, as a person may have resumed it since.
    INSERT INTO herald.holds (kind, name, cause, reason, who, since, app_secrets)
    SELECT 'template', g.template, 'template',
           'the gateway says: ' || string_agg(DISTINCT format('%s (%s) is %s', h.name, g.language, h.said), ', '), 'pgherald',
           max(h.at), array_agg(DISTINCT substr(h.scope, length(g.language) + 2))
      FROM herald.gateway_languages g
        JOIN herald.heard h ON h.kind = 'template' AND h.name = g.gateway_name AND split_part(h.scope, ' ', 1) = g.language
     WHERE g.template = ANY (news) AND h.said = ANY (not_sent)
     GROUP BY g.template ORDER BY g.template
    ON CONFLICT (kind, name, cause) DO UPDATE SET until = NULL, reason = EXCLUDED.reason, app_secrets = EXCLUDED.app_secrets;
    GET DIAGNOSTICS held = ROW_COUNT;
    DELETE FROM herald.holds o
     USING (SELECT g.template, max(h.at) AS at
              FROM herald.gateway_languages g
                JOIN herald.heard h
                  ON h.kind = 'template' AND h.name = g.gateway_name AND split_part(h.scope, ' ', 1) = g.language
             WHERE g.template = ANY (told) GROUP BY g.template HAVING bool_and(h.said = ANY (sent))) r
     WHERE o.kind = 'template' AND o.cause = 'template' AND o.name = r.template AND o.since <= r.at;
    GET DIAGNOSTICS released = ROW_COUNT;

    SELECT array_agg(t.name) INTO told FROM unnest(told) t (name)
     WHERE NOT EXISTS (SELECT FROM herald.holds h WHERE h.kind = 'template' AND h.name = t.name AND h.app_secrets IS NULL);
    PERFORM herald.ask_to_wake(told) WHERE told IS NOT NULL;
    RETURN QUERY VALUES ('template held', held), ('template released', released);
END
$$;
