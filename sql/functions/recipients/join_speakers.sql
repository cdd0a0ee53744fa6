-- herald.join_speakers(who, more): both lists of speakers, with commas between, as one, each speaker once. See
-- herald.take_wishes().
CREATE OR REPLACE FUNCTION herald.join_speakers(who text, more text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT array_to_string(ARRAY(SELECT unnest(string_to_array(who, ', '))
                                  UNION
                                 SELECT unnest(string_to_array(more, ', ')) ORDER BY 1), ', ');
$$;
