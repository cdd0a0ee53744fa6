-- herald.cancel(id): it is not sent. Refused when it is in flight or final.
CREATE OR REPLACE FUNCTION herald.cancel(id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    status text;
BEGIN
    SELECT n.send_status INTO status FROM public.whatsapp_notifications n WHERE n.id = cancel.id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no notification %', cancel.id USING HINT = 'pgherald list shows what there is.';
    ELSIF status NOT IN ('pending', 'in_doubt') THEN
        RAISE EXCEPTION 'notification % is % and can''t be cancelled', cancel.id, status
            USING HINT = CASE status WHEN 'sending' THEN 'Its request has left; see what becomes of it.'
                              ELSE 'Nothing more will be sent of it.' END;
    END IF;
    UPDATE public.whatsapp_notifications n
       SET send_status = 'cancelled', next_at = NULL, behind = false, error = 'cancelled by ' || session_user
     WHERE n.id = cancel.id;
    PERFORM herald.cancel_parts(cancel.id);
END
$$;
