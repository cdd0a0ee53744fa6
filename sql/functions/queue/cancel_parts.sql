-- herald.cancel_parts(id, why): this message, or part, will not be sent: nor will the parts that wait for it.
CREATE OR REPLACE FUNCTION herald.cancel_parts(id bigint, why text DEFAULT 'what it belongs to was not sent') RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH RECURSIVE after AS (
        SELECT n.next_part FROM public.whatsapp_notifications n WHERE n.id = cancel_parts.id
        UNION
        SELECT n.next_part FROM after a JOIN public.whatsapp_notifications n ON n.id = a.next_part
    )
    UPDATE public.whatsapp_notifications n
       SET send_status = 'cancelled', next_at = NULL, behind = false, error = cancel_parts.why
      FROM after a WHERE n.id = a.next_part AND n.send_status = 'pending' AND n.owner IS NULL;
END
$$;
