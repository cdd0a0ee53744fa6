-- herald.too_large(channel, sender, template, body, data, message): what of a message is larger than it may be, or NULL. Names
-- stand in indexes, whose rows have a limit; text and template go to the daemon, whose memory has one, with those of all others
-- in flight.
CREATE OR REPLACE FUNCTION herald.too_large(channel text, sender text, template text, body text, data jsonb,
                                            message jsonb) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN octet_length(channel) > 256 THEN 'its channel has a name of more than 256 bytes'
                WHEN octet_length(sender) > 256 THEN 'its sender has a name of more than 256 bytes'
                WHEN octet_length(template) > 256 THEN 'its template has a name of more than 256 bytes'
                WHEN pg_column_size(data) > 262144 THEN 'its data takes more than 262144 bytes'
                WHEN octet_length(body) > 65536 THEN 'its text has more than 65536 bytes'
                WHEN octet_length(message::text) > 65536 THEN 'its template''s parameters have more than 65536 bytes' END
$$;
