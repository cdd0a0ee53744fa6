"""Kills a daemon before the N-th system call of one message's way, for every N: connect, join, plan, claim, send, answer, record."""

import signal
import subprocess

from conftest import wait_until
from daemon import Daemon
from load import CREDENTIALS, Application

# What the world sees of a daemon, and what the daemon sees of the world. Between two of these it may die wherever it wants: nobody can
# tell the difference.
VISIBLE = ("connect", "sendto", "recvfrom")
# All that its loop is made of.
WHOLE_LOOP = (*VISIBLE, "sendmsg", "epoll_wait", "epoll_ctl", "timerfd_settime", "close")
# So many in a row that were not killed before their message was recorded: its way has no further points. It is not the same each time.
SURVIVORS = 4


def why_impossible():
    """Why system calls can't be counted here; None: they can."""
    try:
        tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return tried.stderr.strip() if tried.returncode != 0 else None


def killed_before(call, number):
    """The start of a command line whose process is killed before it makes that call for the so-manieth time."""
    return ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]


class CrashPoints(Application):
    """A message for each point. hold: whether what is in doubt is left to a person."""

    def __init__(self, directory, db, sink, hold=False):
        super().__init__(db, sink, in_doubt="hold" if hold else "resend", grace="1 ms")
        self.directory = directory
        self.killed = 0

    def start(self, **options):
        return Daemon(self.directory, self.db.dsn(), credentials=CREDENTIALS, wait=False, planners=1, log_level="warning", **options)

    def crash(self, call, number):
        """Whether the daemon was killed before the message was recorded; what it left is then settled by its successor."""
        reading, = self.insert(1)
        daemon = self.start(within=killed_before(call, number))
        wait_until(lambda: not daemon.is_running() or self.status_of(reading) == "sent", "its end, or the message's", 30, 0.002)
        is_killed = self.status_of(reading) != "sent"
        daemon.stop(signal.SIGKILL)
        self.wait_backends_gone()
        successor = self.start()
        self.wait_settled()
        successor.stop(signal.SIGKILL)
        self.wait_backends_gone()
        return is_killed

    def status_of(self, reading):
        return self.db.value("SELECT send_status FROM whatsapp_notifications WHERE dedup_key = %s", str(reading))

    def crash_everywhere(self, calls):
        """Before each of the calls of these kinds, until there is none left."""
        for call in calls:
            number = survivors = 0
            while survivors < SURVIVORS:
                number += 1
                is_killed = self.crash(call, number)
                survivors = 0 if is_killed else survivors + 1
                self.killed += is_killed

    def account(self):
        """What became of them; figures that end with '!' must be 0."""
        came = set(self.arrivals())
        repeats = self.repeats()
        counts = self.counts()
        return {
            "points": self.killed,
            **counts,
            "in doubt for a kill": self.db.value("SELECT count(*) FROM herald.attempts WHERE outcome = 'in_doubt'"),
            "came twice": sum(times == 2 for times in repeats.values()),
            "came more often!": sum(times > 2 for times in repeats.values()),
            "repeats not marked in their row!": len(self.unmarked(repeats)),
            "lost!": self.db.value("""SELECT count(*) FROM readings r LEFT JOIN whatsapp_notifications n ON n.dedup_key = r.id::text
                                       WHERE n.send_status IS NULL OR n.send_status NOT IN ('sent', 'in_doubt')
                                          OR n.send_status = 'sent' AND NOT r.id = ANY (%s)""", list(came)),
        }
