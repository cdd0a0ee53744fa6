-- herald.take_refusals(ids, reasons): the gateway says of these messages, in parallel arrays, that their recipients have opted
-- out of all: recorded as if they had typed a stop word now, so that nothing more is sent to them, on any channel by that
-- number.
CREATE OR REPLACE FUNCTION herald.take_refusals(ids bigint[], reasons text[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM herald.take_wishes(array_agg(f.number), array_agg('stop'::text), array_agg(clock_timestamp()),
                               array_agg('the gateway says so: ' || coalesce(u.reason, 'opted out')), array_agg('pgherald'::text),
                                   false)
       FROM unnest(ids, reasons) u (id, reason) JOIN public.whatsapp_notifications n ON n.id = u.id
      CROSS JOIN LATERAL herald.number_forms(n.target) f (number)
      WHERE n.target_kind = 'individual'
     HAVING count(*) > 0;
END
$$;
