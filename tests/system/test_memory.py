"""Memory stays flat, whatever waits, and whatever is answered. `make torture` has the long form."""

import contextlib

from load import receiving
from memory import ANSWERS, Feast
from storm import faults


def test_memory_and_descriptors_are_bounded(db, tmp_path):
    with receiving() as sink, contextlib.closing(Feast(tmp_path, db, sink)) as feast:
        mb = feast.eat(rounds=4, messages=8000, monsters=4 * len(ANSWERS), waiting=8000)
        table = feast.account(mb)
        assert feast.daemon.stop() == 0
    print(table)
    assert faults(table) == {}
    assert set(feast.served.values()) == set(ANSWERS) and table["waiting"] == 8000
