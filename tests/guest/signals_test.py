"""A program's signals are its own, whatever it loads and whichever transport it uses.

Usage: signals_test.py PROGRAM LIBRARY TRANSPORTS [TEST...], with guest_program, libgossamer and "ucx,libfabric".
"""
import signal
import sys
import tempfile
import time
import unittest

import guest

PYTHON = """
import ctypes, os, signal, sys
{before}
library = ctypes.CDLL({library!r})
session = ctypes.c_void_p()
if {joins} and library.gossamer_init(None, ctypes.byref(session)) != 0:
    sys.exit("no session")
try:
    os.kill(os.getpid(), signal.{signal})
    signal.pause()
except KeyboardInterrupt:
    print("KeyboardInterrupt")
finally:
    print("finally")
"""


def python(name, before="", joins=True):
    return [sys.executable, "-c", PYTHON.format(library=guest.LIBRARY, before=before, joins=joins, signal=name)]


class SignalsTest(unittest.TestCase):
    def test_every_disposition_stays_as_the_program_was_given_it(self):
        # Goal: no signal is taken from a program that never set one; what nohup ignores stays ignored. Method: SIGHUP
        # ignored by the parent, all others at their default; looked at in main, after init, a step and finalize.
        for way in guest.ways():
            with self.subTest(way):
                ended = guest.run([guest.PROGRAM, "dispositions", "given"],
                                  before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN), **way)
                self.assertEqual(ended, [(0, "")])

    def test_every_disposition_stays_as_the_program_set_it(self):
        # Goal: neither handlers, flags, masks nor the alternate stack change. Method: a handler or SIG_IGN for each
        # signal before init; compared after init, a step and finalize. libfabric's shm sets handlers of its own.
        ways = guest.ways()
        if "libfabric" in guest.TRANSPORTS:
            ways.append({"GOSSAMER_TRANSPORT": "libfabric", "GOSSAMER_LIBFABRIC_PROVIDER": "shm"})
        for way in ways:
            with self.subTest(way):
                self.assertEqual(guest.run([guest.PROGRAM, "dispositions", "own"], ranks=2, **way), [(0, "")] * 2)

    def test_no_thread_of_the_library_gets_a_signal(self):
        # Goal: signals meet the program's own threads only, and its mask stays. Method: SigBlk of every thread in
        # /proc/self/task, with two ranks, a pool of two, and each transport and progress.
        for way in guest.ways():
            with self.subTest(way):
                for status, output in guest.run([guest.PROGRAM, "threads"], ranks=2, GOSSAMER_THREADS="2", **way):
                    self.assertEqual(status, 0, output)
                    self.assertNotIn("other threads: 0", output)

    def test_a_program_can_read_its_signals(self):
        # Goal: sigwait and signalfd work beside a session. Method: signals to the process, blocked in its only thread.
        for way in guest.ways():
            with self.subTest(way):
                for status, output in guest.run([guest.PROGRAM, "read-signals"], ranks=2, **way):
                    self.assertEqual((status, output), (0, f"sigwait {signal.SIGUSR1:d}\nsignalfd {signal.SIGTERM:d}\n"))

    def test_a_signal_ends_the_program_with_that_signal(self):
        # Goal: crashes and requests to end are seen as what they are (139, 134, 143 in a shell), and leave no file.
        # Method: each in a program with a session, in a folder of its own.
        cases = [("write", signal.SIGSEGV), ("abort", signal.SIGABRT)] + [
            (str(int(each)), each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGBUS)]
        for transport in guest.TRANSPORTS:
            for how, number in cases:
                with self.subTest(how, transport=transport), tempfile.TemporaryDirectory() as folder:
                    command = ["sh", "-c", f"ulimit -c 0; cd {folder}; exec \"$0\" \"$@\"", guest.PROGRAM, "end", how]
                    [(status, output)] = guest.run(command, GOSSAMER_TRANSPORT=transport)
                    self.assertEqual((status, output), (-number, ""))

    def test_a_program_that_allocates_ends_at_once(self):
        # Goal: a signal that comes inside malloc ends the process as well as elsewhere. Method: ten times each signal to
        # a program with a session that does nothing else than allocate, once it says that it does.
        for number in (signal.SIGTERM, signal.SIGINT):
            for _ in range(10):
                with guest.Session([guest.PROGRAM, "wait"]) as [rank]:
                    rank.wait_for("ready")
                    rank.process.send_signal(number)
                    self.assertEqual(rank.end(10)[0], -number)

    def test_peers_hear_at_once_of_a_rank_that_a_signal_ended(self):
        # Goal: PEER_LOST with the rank, long before the lease (5 s). Method: rank 1 allocates and gets SIGTERM while
        # rank 0 waits for it.
        for transport in guest.TRANSPORTS:
            with self.subTest(transport), guest.Session([guest.PROGRAM, "wait"], 2, GOSSAMER_TRANSPORT=transport) as ranks:
                for rank in ranks:
                    rank.wait_for("ready")
                begin = time.monotonic()
                ranks[1].process.terminate()
                self.assertEqual(ranks[0].end(), (0, "ready\nGOSSAMER_PEER_LOST 1\n"))
                self.assertLess(time.monotonic() - begin, 2)
                self.assertEqual(ranks[1].end()[0], -signal.SIGTERM)

    def test_python_keeps_its_signals(self):
        # Goal: Ctrl-C is KeyboardInterrupt, a handler that was set runs, SIGHUP ends, and what is ignored is ignored.
        # Method: ctypes, loaded only and with a session over each transport; the interpreter signals itself.
        handler = ("def handle(*_):\n    print('handler')\n    sys.exit(7)\n"
                   "signal.signal(signal.SIGTERM, handle)")
        ignored = "signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.alarm(1)"
        cases = [("SIGINT", "", (0, "KeyboardInterrupt\nfinally\n")), ("SIGTERM", handler, (7, "handler\nfinally\n")),
                 ("SIGHUP", "", (-signal.SIGHUP, "")), ("SIGHUP", ignored, (-signal.SIGALRM, ""))]
        for transport in ["", *guest.TRANSPORTS]:
            for name, before, expected in cases:
                with self.subTest(name, before=before, transport=transport):
                    [ended] = guest.run(python(name, before, transport != ""), GOSSAMER_TRANSPORT=transport or "ucx")
                    self.assertEqual(ended, expected)


if __name__ == "__main__":
    guest.main()
