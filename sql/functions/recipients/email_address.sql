-- herald.email_address(text): the address as it is kept, with its host in lower case, or NULL where it is none that mails go to:
-- ADDRESS@HOST of ASCII, of bounded parts, without quotes, comments and spaces (as src/gateway/target.c has it).
CREATE OR REPLACE FUNCTION herald.email_address(address text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN octet_length(address) <= 254
                 AND address ~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+([.][A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*'
                               '@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$'
                 AND length(split_part(address, '@', 1)) <= 64 AND length(split_part(address, '@', 2)) <= 189
                 AND split_part(address, '@', 2) !~ '[^.]{64}'
                THEN split_part(address, '@', 1) || '@' || lower(split_part(address, '@', 2)) END
$$;
