-- herald.resolve(recipient, channel, default_recipient, country): where a message for this recipient goes: a name in
-- herald.recipients, then a group's id, then a number (for email: an address). default_recipient stands in for a missing or
-- unknown name, never for a malformed number. problem: why there is no address (then the others are NULL). A target has 256
-- bytes at most: it stands in indexes, whose rows have a limit, and one that did not fit would end every turn that meets it.
CREATE OR REPLACE FUNCTION herald.resolve(
    recipient text,
    channel text,
    default_recipient text,
    country text,
    OUT target text,
    OUT target_kind text,
    OUT sender text,
    OUT locale text,
    OUT problem text
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    asked text := btrim(coalesce(recipient, ''));
    named herald.recipients;
BEGIN
    IF octet_length(asked) > 256 THEN
        problem := 'recipient is longer than 256 bytes, which no name, group id or number is';
        RETURN;
    END IF;
    SELECT r.* INTO named FROM herald.recipients r WHERE r.name = asked AND r.channel = resolve.channel;
    IF NOT FOUND AND asked !~ '^\+?[-0-9\s()./]*[0-9][-0-9\s()./]*$' AND asked !~ '@' AND NOT herald.is_group_id(asked)
       AND default_recipient IS NOT NULL THEN
        SELECT r.* INTO named FROM herald.recipients r WHERE r.name = default_recipient AND r.channel = resolve.channel;
        asked := default_recipient;
    END IF;
    sender := named.sender;
    locale := named.locale;
    target_kind := coalesce(named.kind, 'individual');
    asked := coalesce(named.address, asked);
    IF asked = '' THEN
        problem := 'no recipient: the row names none, and the rule has no default';
    ELSIF channel = 'email' THEN
        IF target_kind = 'group' THEN
            problem := 'email knows no groups: make the recipient an individual, with the address of a mailing list';
        ELSE
            target := herald.email_address(asked);
            problem := CASE WHEN target IS NULL THEN 'recipient is no email address and no name in herald.recipients' END;
        END IF;
    ELSIF target_kind = 'group' OR (channel = 'whatsapp' AND herald.is_group_id(asked)) THEN
        target_kind := 'group';
        target := asked;
    ELSE
        target := herald.e164(asked, country);
        IF target IS NULL AND asked ~ '^\+?[-0-9\s()./]*[0-9][-0-9\s()./]*$' THEN
            problem := CASE WHEN coalesce(country, '') = '' AND asked !~ '^\s*(\+|00)'
                            THEN 'number without a country code: write it with +, or set default_country in herald.settings'
                            ELSE 'malformed telephone number' END;
        ELSIF target IS NULL THEN
            problem := format('"%s" is no name in herald.recipients for channel %s, no group id and no number', left(asked, 60),
                              channel);
        END IF;
    END IF;
    IF problem IS NOT NULL THEN
        target_kind := NULL;
    END IF;
END
$$;
