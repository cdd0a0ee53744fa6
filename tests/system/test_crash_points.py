"""Killed before each of the calls by which the world sees a daemon. `make torture` does it for all calls of its loop."""

import pytest

from crash_points import VISIBLE, CrashPoints, why_impossible
from load import receiving
from storm import faults


def test_killed_before_each_call_that_the_world_sees(db, tmp_path):
    if why_not := why_impossible():
        pytest.skip(f"system calls can't be counted here: {why_not}")
    with receiving() as sink:
        points = CrashPoints(tmp_path, db, sink)
        points.crash_everywhere(VISIBLE)
        if not points.repeats():  # by chance, between the last kill before the request and the first after the record
            points.crash_everywhere(VISIBLE)
        table = points.account()
    print(table)
    assert faults(table) == {}
    # Else the way was not walked: connecting, joining, planning, claiming, sending, recording.
    assert table["points"] >= 25
    # Claimed and not yet sent, and sent and not yet recorded: both are in doubt, the latter came twice.
    assert table["in doubt for a kill"] > table["came twice"] >= 1
