-- herald.check_held(kind, name): raises, with what there is instead, where nothing of that name can be paused or resumed.
CREATE OR REPLACE FUNCTION herald.check_held(kind text, name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known text[];
BEGIN
    CASE kind
        WHEN 'all' THEN
            IF name <> '' THEN
                RAISE EXCEPTION 'kind "all" takes no name' USING HINT = 'Kinds with a name: rule, sender, channel, recipient.';
            END IF;
            RETURN;
        WHEN 'rule' THEN known := ARRAY(SELECT r.name FROM herald.rules r ORDER BY 1);
        WHEN 'sender' THEN known := ARRAY(SELECT s.name FROM herald.senders s ORDER BY 1);
        WHEN 'channel' THEN known := ARRAY(SELECT c.name FROM herald.channels c ORDER BY 1);
        WHEN 'template' THEN known := ARRAY(SELECT DISTINCT t.name FROM herald.templates t ORDER BY 1);
        WHEN 'recipient' THEN RETURN;
        ELSE
            RAISE EXCEPTION 'there is no kind "%"', kind USING HINT = 'Kinds: all, rule, sender, channel, recipient.';
    END CASE;
    IF NOT name = ANY (known) THEN
        RAISE EXCEPTION 'there is no % "%"', kind, name
            USING HINT = CASE WHEN known = '{}' THEN 'There is none at all yet.'
                              ELSE 'There is: ' || array_to_string(known[:20], ', ') || '.' END;
    END IF;
END
$$;
