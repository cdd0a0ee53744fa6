-- herald.pause_flood(rule, why): a rule that would make too much pauses itself, and asks.
CREATE OR REPLACE FUNCTION herald.pause_flood(rule herald.rules, why text) RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO herald.holds (kind, name, cause, reason, who)
    VALUES ('rule', rule.name, 'flood',
            why || ': look at it with pgherald sweep ' || quote_ident(rule.name)
                || ' --dry-run, then resume it (--discard begins with the future)', 'pgherald')
    ON CONFLICT (kind, name, cause) DO NOTHING;
    UPDATE herald.rules r SET next_sweep_at = herald.next_sweep(r) WHERE r.name = rule.name;
$$;
