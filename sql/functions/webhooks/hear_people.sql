-- herald.hear_people(…): makes wishes of what people chose or typed; see herald.hear() for the arrays. A text is a wish where
-- all of it, without regard to case, is one of the words of the settings stop_words and start_words; one that is in both means
-- stop. What is older than nine days is passed over: it could be an old webhook that is sent once more, and what outdid it is
-- forgotten after ten (gateways repeat theirs for seven). Yields how many addresses opted out and in again, as
-- herald.receipt_counts has it.
CREATE OR REPLACE FUNCTION herald.hear_people(whats text[], gateways text[], accounts text[], subjects text[], details text[],
                                              moments timestamptz[])
RETURNS TABLE (kind text, n bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    names text[];
    wishes text[];
    times timestamptz[];
    reasons text[];
    speakers text[];
BEGIN
    WITH words AS MATERIALIZED (
        SELECT DISTINCT ON (w.word) w.word, w.wish
          FROM (SELECT CASE s.name WHEN 'stop_words' THEN 'stop' ELSE 'resume' END AS wish, lower(btrim(l.word, E' \t\r\n')) AS word
                  FROM herald.settings s CROSS JOIN LATERAL unnest(string_to_array(s.value, ',')) l (word)
                 WHERE s.name IN ('stop_words', 'start_words')) w
         ORDER BY w.word, w.wish DESC
    )
    SELECT array_agg(f.number), array_agg(x.wish), array_agg(x.at),
           array_agg(CASE x.what WHEN 'text' THEN 'typed a stop word' ELSE 'asked WhatsApp for no more marketing messages' END),
           array_agg(concat_ws(' ', x.gateway, x.account))
      INTO names, wishes, times, reasons, speakers
      FROM (SELECT u.what, u.gateway, u.account, u.subject, u.at, CASE u.what WHEN 'text' THEN w.wish
                                                                       WHEN 'preference' THEN u.detail END AS wish
              FROM unnest(whats, gateways, accounts, subjects, details, moments) u (what, gateway, account, subject, detail, at)
              LEFT JOIN words w ON w.word = lower(u.detail)) x
     CROSS JOIN LATERAL herald.number_forms(herald.e164('+' || ltrim(x.subject, '+'), '')) f (number)
     WHERE x.wish IN ('stop', 'resume') AND f.number IS NOT NULL AND x.at >= clock_timestamp() - interval '9 days';
    RETURN QUERY
        SELECT 'too old', count(*) FROM unnest(whats, moments) u (what, at)
         WHERE u.what <> 'template' AND u.at < clock_timestamp() - interval '9 days'
        UNION ALL
        SELECT v.kind, v.n FROM herald.take_wishes(names, wishes, times, reasons, speakers, false) t
         CROSS JOIN LATERAL (VALUES ('opted out', t.opted_out), ('opted in', t.opted_in)) v (kind, n);
END
$$;
