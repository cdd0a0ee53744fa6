"""The storm, in short: kills at random moments, two nodes, a gateway that misbehaves at random. `make torture` has the long form."""

import contextlib

import pytest

from storm import Storm, StormWithReceipts, faults

KILLS = 30


@pytest.mark.parametrize("kind", [Storm, StormWithReceipts])
def test_nothing_is_lost_and_every_repeat_is_marked_and_explained(kind, db, tmp_path):
    with contextlib.closing(kind(tmp_path, db)) as storm:
        storm.rage(KILLS)
        table = storm.account()
    print(table)
    assert faults(table) == {}
