-- herald.without_speakers(who, speakers): the list of speakers without these. See herald.take_wishes().
CREATE OR REPLACE FUNCTION herald.without_speakers(who text, speakers text[]) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT array_to_string(ARRAY(SELECT w FROM unnest(string_to_array(who, ', ')) w WHERE w <> ALL (speakers)), ', ');
$$;
