-- herald.deal(wanted, actions, names, channels, free): gives each message that is taken its sender: the one that alone may carry it
-- (wanted is its name), or, where any of a channel may (wanted is '#' and the channel), the one of them that has most room left;
-- names come in order of priority. NULL for a message that is not taken, or that no sender has room for any more.
CREATE OR REPLACE FUNCTION herald.deal(wanted text[], actions text[], names text[], channels text[], free int[]) RETURNS text[]
LANGUAGE plpgsql
AS $$
DECLARE
    best int;
BEGIN
    FOR i IN 1 .. cardinality(wanted) LOOP
        best := NULL;
        IF actions[i] = 'take' THEN
            FOR k IN 1 .. cardinality(names) LOOP
                IF free[k] > 0 AND (wanted[i] = names[k] OR wanted[i] = '#' || channels[k])
                   AND (best IS NULL OR free[k] > free[best]) THEN
                    best := k;
                END IF;
            END LOOP;
        END IF;
        wanted[i] := CASE WHEN best IS NOT NULL THEN names[best] END;
        IF best IS NOT NULL THEN
            free[best] := free[best] - 1;
        END IF;
    END LOOP;
    RETURN wanted;
END
$$;
