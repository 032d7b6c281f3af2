"""Sessions of programs, for the tests of this folder."""
import os
import socket
import subprocess
import sys
import unittest

LIMIT_S = 60  # for anything that a test starts

_sessions = 0


class Rank:
    """A process that is one rank; `end` has its status and what it printed."""

    def __init__(self, command, environment, pass_fds, before):
        # Without a buffer, so that what wait_for leaves is there for `end`.
        self.process = subprocess.Popen(command, bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=environment, pass_fds=pass_fds, preexec_fn=before)
        self.output = b""

    def wait_for(self, line):
        """Until it prints `line`; raises with all that came where its output ends before."""
        while line.encode() not in self.output.split(b"\n")[:-1]:
            got = self.process.stdout.read(1)
            if not got:
                raise AssertionError(f"no line {line!r}: {self.output.decode()}")
            self.output += got

    def end(self, limit_s=LIMIT_S):
        """(status as of subprocess, text). A process that does not end is killed, and an error."""
        try:
            rest, _ = self.process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            rest, _ = self.process.communicate()
            raise AssertionError(f"it hangs after {limit_s} s, with: {(self.output + rest).decode()}") from error
        return self.process.returncode, (self.output + rest).decode()


class Session:
    """`ranks` processes of one command. Use as a context: what is left at its end is killed."""

    def __init__(self, command, ranks=1, before=None, **settings):
        global _sessions
        _sessions += 1
        listener = socket.create_server(("127.0.0.1", 0))
        environment = {**os.environ, "GOSSAMER_RANK_COUNT": str(ranks), "GOSSAMER_JOB": f"guest-{os.getpid()}-{_sessions}",
                       "GOSSAMER_RENDEZVOUS": f"127.0.0.1:{listener.getsockname()[1]}", **settings}
        self.ranks = []
        for rank in range(ranks):
            own = {"GOSSAMER_RANK": str(rank)}
            if rank == 0:
                own["GOSSAMER_RENDEZVOUS_FD"] = str(listener.fileno())
            self.ranks.append(Rank(command, {**environment, **own}, [listener.fileno()] if rank == 0 else [], before))
        listener.close()

    def __enter__(self):
        return self.ranks

    def __exit__(self, *_):
        for rank in self.ranks:
            rank.process.kill()
            rank.process.wait()
            rank.process.stdout.close()


def run(command, ranks=1, **settings):
    """[(status, text)] of all ranks at their ends."""
    with Session(command, ranks, **settings) as started:
        return [rank.end() for rank in started]


# Each transport, with both kinds of progress.
def ways():
    return [{"GOSSAMER_TRANSPORT": transport, "GOSSAMER_PROGRESS": progress}
            for transport in TRANSPORTS for progress in ("inline", "thread")]


PROGRAM, LIBRARY, TRANSPORTS = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3].split(",")


def main():
    """For a test's file: its arguments are PROGRAM LIBRARY TRANSPORTS [TEST...]."""
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
