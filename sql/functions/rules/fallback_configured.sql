-- Trigger on herald.channels: the first fallback brings the rule "fallback" with it, which begins at once. A channel that would
-- fall back to itself, over however many others, is refused: a message nobody takes would never come to rest.
CREATE OR REPLACE FUNCTION herald.fallback_configured() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    circle text;
BEGIN
    WITH RECURSIVE way AS (
        SELECT c.name, c.fallback FROM herald.channels c WHERE c.fallback IS NOT NULL
        UNION
        SELECT w.name, c.fallback FROM way w JOIN herald.channels c ON c.name = w.fallback WHERE c.fallback IS NOT NULL
    )
    SELECT w.name INTO circle FROM way w WHERE w.fallback = w.name LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'channel "%" would fall back to itself', circle USING HINT = 'Let one of its fallbacks have none.';
    END IF;
    IF EXISTS (SELECT FROM herald.channels c WHERE c.fallback IS NOT NULL)
       AND NOT EXISTS (SELECT FROM herald.rules r WHERE r.name = 'fallback') THEN
        PERFORM herald.add_rule('fallback', 'herald.fallback_due', every => NULL);
        DELETE FROM herald.holds h WHERE h.kind = 'rule' AND h.name = 'fallback' AND h.cause = 'new';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER fallback_configured AFTER INSERT OR UPDATE OF fallback ON herald.channels
    FOR EACH STATEMENT EXECUTE FUNCTION herald.fallback_configured();
