-- herald.is_group_id(text): whether it is a WhatsApp group's id: of WhatsApp Web (120363…@g.us, or the older
-- creator-time@g.us), or of the Cloud API's Groups API (base64 of "capi_group:"). None is longer than 256 bytes.
CREATE OR REPLACE FUNCTION herald.is_group_id(id text) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT id ~ '^([0-9]{5,16}-[0-9]{10}|120363[0-9]{12,26})@g\.us$'
        OR octet_length(id) <= 256 AND id ~ '^Y2FwaV9ncm91cD[A-Za-z0-9+/=_-]+$'
$$;
