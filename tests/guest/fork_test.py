"""A forked child has the parent's session in its memory, and can do nothing to it.

Usage: fork_test.py PROGRAM LIBRARY TRANSPORTS [TEST...], with guest_program, libgossamer and "ucx,libfabric".
"""
import unittest

import guest


class ForkTest(unittest.TestCase):
    def test_a_child_that_finalizes_leaves_the_parents_session_alone(self):
        # Goal: destructors that run in a child neither hang nor abort there, nor break the parent. Method: each of two
        # ranks forks with an operation in flight; the child finalizes and exits; the parents exchange on.
        for way in guest.ways():
            with self.subTest(way):
                self.assertEqual(guest.run([guest.PROGRAM, "fork", "finalize"], 2, **way), [(0, "child: 0\n")] * 2)

    def test_every_call_of_a_child_is_refused_with_a_sentence(self):
        # Goal: INVALID_ARGUMENT that says what to do, where a call would wait for threads that the child has not.
        # Method: as above, the child calls all there is.
        for way in guest.ways():
            with self.subTest(way):
                self.assertEqual(guest.run([guest.PROGRAM, "fork", "calls"], 2, **way), [(0, "child: 0\n")] * 2)


if __name__ == "__main__":
    guest.main()
