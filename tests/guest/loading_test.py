"""UCX and libfabric are loaded by who uses them, when they are used.

Usage: loading_test.py PROGRAM LIBRARY TRANSPORTS [TEST...], with guest_program, libgossamer and "ucx,libfabric".
"""
import os
import subprocess
import sys
import tempfile
import unittest

import guest

FILES = {"ucx": "libucp.so", "libfabric": "libfabric.so"}


class LoadingTest(unittest.TestCase):
    def test_a_program_loads_neither_library_before_it_asks_for_one(self):
        # Goal: what Debian's libfabric does as it is loaded (handlers, .2 s) is no concern of a program that uses UCX,
        # nor of one that has only been started. Method: the libraries in /proc/self/maps in main and with a session.
        for transport, file in FILES.items():
            if transport not in guest.TRANSPORTS:
                continue
            with self.subTest(transport):
                [(status, output)] = guest.run([guest.PROGRAM, "loaded"], GOSSAMER_TRANSPORT=transport)
                self.assertEqual(status, 0, output)
                self.assertNotIn("in main", output)
                self.assertIn(f"with a session: {file}", output)
                for other in set(FILES.values()) - {file}:
                    self.assertNotIn(other, output)

    def test_the_library_needs_neither(self):
        # Goal: nor are they loaded by the dynamic linker for anybody. Method: what it would load for libgossamer.
        done = subprocess.run(["ldd", guest.LIBRARY], capture_output=True, text=True, check=True)
        self.assertIn("libhwloc", done.stdout)
        for file in FILES.values():
            self.assertNotIn(file, done.stdout)

    def test_the_library_stays_where_a_program_closes_it(self):
        # Goal: nothing points at code that is gone: UCX's log, handlers of forks and of the exit. Method: ctypes; a
        # session, dlclose, what is mapped then, a fork, the end.
        script = ("import ctypes, _ctypes, os, sys\nlibrary = ctypes.CDLL(sys.argv[1])\nsession = ctypes.c_void_p()\n"
                  "status = library.gossamer_init(None, ctypes.byref(session))\nlibrary.gossamer_finalize(session)\n"
                  "_ctypes.dlclose(library._handle)\n"
                  "assert os.path.basename(sys.argv[1]) in open('/proc/self/maps').read()\nchild = os.fork()\nif child == 0:\n    sys.exit(0)\n"
                  "sys.exit(status or os.waitpid(child, 0)[1])\n")
        for transport in guest.TRANSPORTS:
            with self.subTest(transport):
                ended = guest.run([sys.executable, "-c", script, guest.LIBRARY], GOSSAMER_TRANSPORT=transport)
                self.assertEqual(ended, [(0, "")])

    def test_a_library_that_cannot_be_loaded_is_a_sentence(self):
        # Goal: UNAVAILABLE that says what to install, for that transport alone. Method: an empty file of its name before it.
        for transport, file in FILES.items():
            if transport not in guest.TRANSPORTS:
                continue
            with self.subTest(transport), tempfile.TemporaryDirectory() as folder:
                for name in (f"{file}.0", f"{file}.1"):
                    open(os.path.join(folder, name), "w", encoding="utf-8").close()
                [(status, output)] = guest.run([guest.PROGRAM, "loaded"], GOSSAMER_TRANSPORT=transport,
                                               LD_LIBRARY_PATH=folder)
                self.assertEqual(status, 1, output)
                self.assertRegex(output, rf"init: GOSSAMER_UNAVAILABLE cannot load {file}.* install ")
                for other in set(guest.TRANSPORTS) - {transport}:
                    [(status, output)] = guest.run([guest.PROGRAM, "loaded"], GOSSAMER_TRANSPORT=other,
                                                   LD_LIBRARY_PATH=folder)
                    self.assertEqual(status, 0, output)


if __name__ == "__main__":
    guest.main()
