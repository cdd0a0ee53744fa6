-- herald.gateways: what this version knows of each gateway. limits, gap, max_in_flight: what a sender gets that says nothing of
-- them. An unofficial gateway is a person's telephone in WhatsApp's eyes: one that writes like a machine is barred.
-- tells_health: it can be asked how it is, without a message. must_acknowledge: where it acknowledges nothing for a minute,
-- having done so before, it has lost WhatsApp, whatever it says itself. (Meta's Cloud API has not: then its webhooks are late.)
-- account_key: where a sender's account has the name that webhooks call it by; NULL: it sends none. pairs: its senders are
-- sessions of WhatsApp Web, each paired with a telephone.
CREATE OR REPLACE VIEW herald.gateways (name, limits, gap, max_in_flight, tells_health, must_acknowledge, account_key, pairs) AS
VALUES ('cloud', '{}'::text[], interval '0', NULL::int, true, false, 'phone_number_id', false),
       ('evolution', '{1000/1 day}', '3 s', 1, true, true, 'instance', true),
       ('smtp', '{}', '0', NULL, false, false, NULL, false),
       ('twilio', '{}', '0', NULL, false, false, 'account_sid', false),
       ('waha', '{1000/1 day}', '3 s', 1, true, true, 'session', true),
       ('webhook', '{}', '0', NULL, false, false, NULL, false),
       ('webjs', '{1000/1 day}', '3 s', 1, true, true, 'session', true),
       ('wppconnect', '{1000/1 day}', '3 s', 1, true, true, 'session', true);
COMMENT ON VIEW herald.gateways
    IS 'The gateways, and what a sender of each gets that says nothing of limits, gap and max_in_flight';
