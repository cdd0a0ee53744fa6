-- herald.gateway_languages: under which name and in which languages, in lower case with _, gateways know our templates. See
-- herald.gateway_template().
CREATE OR REPLACE VIEW herald.gateway_languages AS
SELECT t.name AS template, t.gateway_name,
       lower(replace(coalesce(t.gateway_locale, nullif(t.locale, ''), 'en'), '-', '_')) AS language
  FROM herald.templates t WHERE t.gateway_name IS NOT NULL;
COMMENT ON VIEW herald.gateway_languages IS 'Under which name and in which languages gateways know our templates';
