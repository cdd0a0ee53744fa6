-- herald.e164(number, country): a telephone number as people write it, in E.164 with its '+'; NULL where it is none.
--
-- Spaces and - ( ) . / are dropped, a leading 00 is a '+'. A number without '+' gets country, the calling code, unless it
-- begins with it already and is too long to be a national number; a national number loses its leading zeros first. With
-- country empty, only international numbers are numbers. (ITU-T E.164: at most 15 digits.)
--
-- Without backslashes: a rule's view may call it first in a session, under a standard_conforming_strings of its own, and what
-- that made of them would stay.
CREATE OR REPLACE FUNCTION herald.e164(number text, country text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    digits text := regexp_replace(number, '[-[:space:]()./]', '', 'g');
BEGIN
    IF digits LIKE '00%' THEN
        digits := '+' || substr(digits, 3);
    END IF;
    IF digits !~ '^[+]?[0-9]{4,15}$' THEN
        RETURN NULL;
    END IF;
    IF digits NOT LIKE '+%' THEN
        IF coalesce(country, '') = '' THEN
            RETURN NULL;
        ELSIF starts_with(digits, country) AND length(digits) >= length(country) + 9 THEN
            digits := '+' || digits;
        ELSE
            digits := '+' || country || ltrim(digits, '0');
        END IF;
    END IF;
    RETURN CASE WHEN digits ~ '^[+][1-9][0-9]{6,14}$' THEN digits END;
END
$$;
