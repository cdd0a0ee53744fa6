-- herald.fallback_due: the source of the built-in rule "fallback": messages that failed for good lately, whose channel has a
-- fallback on which their recipient has an address: under the same name, or the number itself (a number is no email address).
-- Lately: since it was made, accepted, or last attempted, which may all be long after each other. Who has opted out of the one
-- is not told on the other.
CREATE OR REPLACE VIEW herald.fallback_due AS
SELECT n.id AS key,
       n.id || '/' || coalesce(n.attempt_id, 0) AS dedup_key,
       coalesce(p.name, n.target) AS recipient,
       CASE jsonb_typeof(n.payload) WHEN 'object' THEN n.payload ELSE '{}' END || jsonb_build_object('fallback_of', n.id) AS data,
       c.fallback AS channel,
       l.priority,
       n.locale,
       n.body
  FROM public.whatsapp_notifications n
  JOIN herald.channels c ON c.name = n.channel AND c.fallback IS NOT NULL
  LEFT JOIN herald.lanes l ON l.id = n.lane
  LEFT JOIN herald.recipients p ON p.name = n.recipient AND p.channel = c.fallback
  LEFT JOIN herald.attempts a ON a.attempt_id = n.attempt_id AND a.notification_id = n.id
 WHERE n.send_status = 'failed' AND n.body IS NOT NULL AND n.part_of IS NULL
   AND greatest(n.created_at, n.sent_at, a.at) > clock_timestamp() - interval '2 days'
   AND NOT EXISTS (SELECT FROM herald.holds h
                    WHERE h.kind = 'recipient' AND h.cause = 'opt-out' AND h.name IN (n.target, n.recipient))
   AND (p.name IS NOT NULL OR c.fallback <> 'email' AND n.target_kind = 'individual' AND n.target LIKE '+%');
COMMENT ON VIEW herald.fallback_due
    IS 'What the rule "fallback" tells: messages that failed for good, on the fallback of their channel';
