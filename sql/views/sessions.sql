-- herald.sessions: the senders whose gateway keeps a session of WhatsApp Web, paired with a telephone, and how that is:
-- 'connected', 'pairing' (code is what the QR code to scan says, until code_until), 'disconnecting', 'disconnected' (reason says
-- why), or 'unknown': nobody asked, or its gateway was to log it out and did not say that it did (reason says why). until: when
-- the time is up for pairing and logging out; it stays until a daemon has said what came of it. The code is as good as a key to
-- the account: herald_reader may not see it.
CREATE OR REPLACE VIEW herald.sessions (sender, gateway, state, code, code_until, reason, asked_at, until) AS
SELECT s.name, s.gateway,
       CASE WHEN h.purpose = 'pair' AND h.purpose_until > clock_timestamp() THEN 'pairing'
            WHEN h.purpose = 'unpair' AND h.purpose_until > clock_timestamp() THEN 'disconnecting'
            WHEN h.purpose = 'unpair' THEN 'unknown'
            WHEN o.kind IS NOT NULL OR NOT h.is_well THEN 'disconnected'
            WHEN h.is_well THEN 'connected'
            ELSE 'unknown' END,
       CASE WHEN h.code_until > clock_timestamp() THEN h.code END, h.code_until, coalesce(h.reason, o.reason), h.asked_at,
       h.purpose_until
  FROM herald.senders s
  JOIN herald.gateways g ON g.name = s.gateway AND g.pairs
  LEFT JOIN herald.health h ON h.sender = s.name
  LEFT JOIN herald.holds o ON o.kind = 'sender' AND o.name = s.name AND o.cause = 'unpaired';
COMMENT ON VIEW herald.sessions IS 'Sessions of WhatsApp Web: connected, pairing (and the code to scan), disconnected';
