"""To each recipient one message at a time, in the order in which they were handed in, whatever fails. `make torture` has the long form."""

import contextlib

from order import Conversations
from storm import faults


def test_messages_to_one_recipient_keep_their_order(db, tmp_path):
    with contextlib.closing(Conversations(tmp_path, db, recipients=60)) as conversations:
        conversations.talk(3000)
        table = conversations.account()
        assert [node.stop() for node in conversations.nodes] == [0, 0]
    print(table)
    assert faults(table) == {}
    assert table["failures"] > 300 and table["recipients"] == 60
