"""What the tests of the Python package share: skips with a reason, and children that must end well."""
import os
import signal
import subprocess
import sys
import unittest

SKIPPED = 77

try:
    import numpy  # noqa: F401
except ImportError:
    print("skipped: numpy is not there for this python3 (Debian: python3-numpy)")
    sys.exit(SKIPPED)


def run_child(code, *arguments, timeout=60, **environment):
    """A Python program of its own; its status and what it said. A crash of the interpreter is a negative status."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class FakeCuda:
    """An array that says it is on a device."""

    def __init__(self, shape=(4,), typestr="<f4", strides=None, read_only=False):
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": typestr,
            "strides": strides,
            "data": (4096, read_only),
            "version": 3,
        }


class Case(unittest.TestCase):
    def fails(self, kind, *words):
        """Like assertRaises, and each of `words` is in what it says."""
        return _Fails(self, kind, words)


class _Fails:
    def __init__(self, case, kind, words):
        self.case, self.kind, self.words = case, kind, words

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        self.case.assertIsNotNone(kind, f"nothing was raised, expected {self.kind.__name__}")
        if not issubclass(kind, self.kind):
            return False
        for word in self.words:
            self.case.assertIn(word, str(error))
        self.error = error
        return True


def free_port():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def torchrun(ranks):
    """Redirecting and copying as little as possible: without -r and -t Debian's torchrun fails on Python 3.11. Its agent looks whether
    the ranks have ended every 5 s, if it is not told otherwise."""
    words = ["-r", "1", "-t", "1", "--monitor_interval", "0.1", "--master_port", str(free_port()), "--nproc_per_node", str(ranks)]
    return [sys.executable, "-B", "-m", "torch.distributed.run", *words]


def interrupt_soon(seconds):
    """Ctrl-C, once the main thread has come to where it waits."""
    import threading

    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer
