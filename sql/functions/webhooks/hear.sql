-- herald.hear(…): what webhooks tell beside receipts. The arrays run in parallel, one element a notice:
--
--   whats      'preference': somebody chose in WhatsApp; 'text': somebody typed; 'template': a template's status changed
--   gateways, accounts  to whom it was said, as in herald.receive(); of a template 'cloud' and the name of the app secret that
--              signed it
--   subjects   the person's number in international form, with or without '+'; the template's name at the gateway
--   details    of a preference 'stop' or 'resume'; what was typed; the template's event
--   languages  of a template, as the gateway writes it; else NULL
--   seconds    when, since 1970; NULL: now
--
-- Idempotent, in any order: of each person and template the last that was said counts. See herald.hear_people() and
-- herald.hear_templates(). Texts that are no word of herald.settings are forgotten.
CREATE OR REPLACE FUNCTION herald.hear(whats text[], gateways text[], accounts text[], subjects text[], details text[],
                                       languages text[], seconds bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
    moments timestamptz[];
BEGIN
    -- Foreign clocks: nothing is later than now, or it would outdo what is said hereafter.
    SELECT array_agg(least(to_timestamp(nullif(greatest(least(s, 4102444800), 0), 0)), clock_timestamp()) ORDER BY place)
        INTO moments
      FROM unnest(seconds) WITH ORDINALITY u (s, place);
    PERFORM herald.acknowledged(gateways, accounts, false);
    WITH counted AS (
        SELECT p.kind, p.n FROM herald.hear_people(whats, gateways, accounts, subjects, details, moments) p
        UNION ALL
        SELECT t.kind, t.n FROM herald.hear_templates(whats, accounts, subjects, details, languages, moments) t
    )
    INSERT INTO herald.receipt_counts AS c (kind, n) SELECT k.kind, k.n FROM counted k WHERE k.n > 0 ORDER BY k.kind
    ON CONFLICT (kind) DO UPDATE SET n = c.n + EXCLUDED.n;
END
$$;
