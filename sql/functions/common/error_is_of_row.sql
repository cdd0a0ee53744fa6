-- herald.error_is_of_row(state): whether an error while a rule was planned may be one row's fault, and its words may quote that
-- row. Not those about objects, rights, the server's state, or a flood: these are about the rule as a whole, and name no value.
CREATE OR REPLACE FUNCTION herald.error_is_of_row(state text) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT left(state, 2) NOT IN ('25', '40', '42', '53', '55', '57', '58', 'HR');
$$;
