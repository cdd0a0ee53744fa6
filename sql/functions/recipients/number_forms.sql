-- herald.number_forms(number): the number, in E.164, and the other form in which WhatsApp may know it: the numbers of mobiles in
-- Mexico (+52 1), Argentina (+54 9) and Brazil (a 9 after the area's code) are written with and without that digit.
CREATE OR REPLACE FUNCTION herald.number_forms(number text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT number
    UNION
    SELECT regexp_replace(number, f.written, f.also)
      FROM (VALUES ('^\+521([0-9]{10})$', '+52\1'), ('^\+52([0-9]{10})$', '+521\1'),
                   ('^\+549([0-9]{10})$', '+54\1'), ('^\+54([1-8][0-9]{9})$', '+549\1'),
                   ('^\+55([0-9]{2})9([0-9]{8})$', '+55\1\2'), ('^\+55([0-9]{2})([6-9][0-9]{7})$', '+55\19\2')) f (written, also)
     WHERE number ~ f.written
$$;
