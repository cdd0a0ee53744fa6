-- herald.opt_addresses(target): the addresses that an opt-out of target is about: those of the recipient of that name, on every
-- channel; else target itself: a number, in E.164 and all its forms, a group's id, an email address. Raises where it is none of
-- these.
CREATE OR REPLACE FUNCTION herald.opt_addresses(target text) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    asked text := btrim(coalesce(target, ''));
    channels text[];
    addresses text[];
    problem text;
BEGIN
    IF asked = '' THEN
        RAISE EXCEPTION 'nobody is named' USING HINT = 'Give a number (+8801712345678), or the name of a recipient.';
    END IF;
    SELECT coalesce(array_agg(p.channel),
                    ARRAY[CASE WHEN asked LIKE '%@%' AND NOT herald.is_group_id(asked) THEN 'email' ELSE 'whatsapp' END])
      INTO channels FROM herald.recipients p WHERE p.name = asked;
    SELECT array_agg(DISTINCT f.address) FILTER (WHERE f.address IS NOT NULL), min(r.problem) INTO addresses, problem
      FROM unnest(channels) c (channel)
     CROSS JOIN LATERAL herald.resolve(asked, c.channel, NULL, herald.setting('default_country')) r
     CROSS JOIN LATERAL herald.number_forms(r.target) f (address);
    IF addresses IS NULL THEN
        RAISE EXCEPTION '%', problem USING HINT = 'Give a number (+8801712345678), or the name of a recipient.';
    END IF;
    RETURN addresses;
END
$$;
