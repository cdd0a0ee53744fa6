"""A gateway is out of order while a thousand messages wait for it: it is probed now and then, and trusted bit by bit when it works again."""

import threading
import time

from conftest import wait_until
from hostile import http
from world import World

MESSAGES = 1000
PLACES = 16
PAUSE_SEC = (0.75 * 0.25, 0.5)  # the world's probe_base less its jitter, and probe_cap


class Gateway:
    """Out of order until it is repaired. Tells of each request when it came, and with how many others; and how many were taken before."""

    def __init__(self):
        self.is_repaired = False
        self.lock = threading.Lock()
        self.came, self.flying, self.taken = [], 0, 0

    def __call__(self, request):
        with self.lock:
            self.flying += 1
            self.came.append((request.at, self.flying, self.taken))
        time.sleep(0.005)  # so that what is sent together is here together
        with self.lock:
            self.flying -= 1
            self.taken += self.is_repaired
            return http({"id": "x"}) if self.is_repaired else http(b"", 429)


def test_it_is_probed_now_and_then_and_trusted_bit_by_bit(cluster, template, tmp_path):
    world, gateway = World(cluster, template, tmp_path, max_in_flight=2 * PLACES), Gateway()
    try:
        world.hostile.routes["out"] = gateway
        world.add_sender("out", url=f"{world.hostile.url}/out", max_in_flight=PLACES)
        world.db.sql("SELECT count(herald.send('+88018' || to_char(n, 'FM00000000'), n::text, sender => 'out')) FROM generate_series(1, %s) n", MESSAGES)
        world.wait_for_hold("out", "429")
        wait_until(lambda: world.hold("out")["failures"] >= 6, "probes")
        world.wait_for(world.send("good"), "sent")
        held = [at for at, *_ in gateway.came]
        burst = sum(at < held[0] + PAUSE_SEC[0] for at in held)
        assert burst <= PLACES
        pauses = [later - earlier for earlier, later in zip(held[burst - 1:], held[burst:])]
        assert len(pauses) >= 5 and min(pauses) >= PAUSE_SEC[0] - 0.02, pauses

        gateway.is_repaired = True
        repaired, before = time.time(), len(gateway.came)
        wait_until(lambda: not world.db.value("SELECT count(*) FROM whatsapp_notifications WHERE sender = 'out' AND send_status <> 'sent'"),
                   "all of them", 60)
        after = gateway.came[before:]
        assert after[0][0] - repaired < PAUSE_SEC[1] + 1  # on a machine that is busy
        assert all(flying <= taken + 1 for _, flying, taken in after)
        assert PLACES // 2 < max(flying for _, flying, _ in after) <= PLACES  # in the end as many as ever
        assert len(after) == MESSAGES
        assert world.db.value("SELECT max(attempts) FROM whatsapp_notifications WHERE sender = 'out'") == 1
        assert len(world.logged("this sender fails and is held", "sender=out ")) == len(world.logged("this sender works again", "sender=out")) == 1
    finally:
        world.close()
