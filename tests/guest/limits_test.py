"""Where the system gives no thread or no descriptor more, gossamer_init says so; nothing aborts, and no mask stays.

Usage: limits_test.py PROGRAM LIBRARY TRANSPORTS [TEST...], with guest_program, libgossamer and "ucx,libfabric".
"""
import os
import re
import unittest

import guest

DONE = re.compile(r"init: GOSSAMER_DONE \nblocked signals: 0\n")


def refusal(words):
    """Of the rank that met the limit, or of one that was told of it by another."""
    return re.compile(rf"init: GOSSAMER_(OUT_OF_RESOURCES|MISMATCH) .*{words}.*\nblocked signals: 0\n")


class LimitsTest(unittest.TestCase):
    def expect(self, ended, words):
        """Each rank joined and exchanged, or was refused with these words; how many joined."""
        for status, output in ended:
            pattern = DONE if status == 0 else refusal(words)
            self.assertIn(status, (0, 1), output)
            self.assertIsNotNone(pattern.fullmatch(output), output)
        return sum(status == 0 for status, _ in ended)

    def test_too_few_descriptors_are_a_sentence(self):
        # Goal: neither an abort nor a peer that is lost in the first step. Method: ulimit -n from what the program has
        # open to what suffices, with one and two ranks, which exchange where they joined.
        for transport in guest.TRANSPORTS:
            for ranks, limits in ((1, (4, 10, 14, 18, 22, 26, 30, 50)), (2, (4, 8, 14, 20, 24, 28, 32, 35, 38, 50))):
                joined = {}
                for limit in limits:
                    with self.subTest(transport, ranks=ranks, limit=limit):
                        ended = guest.run([guest.PROGRAM, "descriptors", str(limit)], ranks,
                                          GOSSAMER_TRANSPORT=transport, GOSSAMER_INIT_TIMEOUT_S="10")
                        joined[limit] = self.expect(ended, r"ulimit -n")
                self.assertEqual((joined.get(4), joined.get(50)), (0, ranks))

    def test_too_few_threads_are_a_sentence(self):
        # Goal: OUT_OF_RESOURCES that names the limit, from whichever thread there is none for: the control plane's,
        # UCX's, the pool's, the progress thread. Method: RLIMIT_NPROC of a user that nobody else is; two ranks share it.
        if os.geteuid() != 0:
            self.skipTest("only root can become another user, and the limit counts all processes of one")
        for transport in guest.TRANSPORTS:
            for ranks, limits in ((1, (1, 2, 3, 4, 30)), (2, (1, 30))):
                joined = {}
                for limit in limits:
                    with self.subTest(transport, ranks=ranks, limit=limit):
                        user = 100_000 + os.getpid() % 1_000_000
                        ended = guest.run([guest.PROGRAM, "processes", str(limit), str(user)], ranks,
                                          GOSSAMER_TRANSPORT=transport, GOSSAMER_PROGRESS="thread",
                                          GOSSAMER_THREADS="2", GOSSAMER_INIT_TIMEOUT_S="10")
                        joined[limit] = self.expect(ended, r"no thread for .*ulimit -u")
                self.assertEqual((joined.get(1), joined.get(30)), (0, ranks))


if __name__ == "__main__":
    guest.main()
