"""Jobs beside others on one machine: containers that share /dev/shm, and what killed jobs leave there.

Usage: shared_machine_test.py GOSSAMER EXCHANGE_PEER [TEST...]. Ends with 77 where namespaces cannot be made.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

GOSSAMER = EXCHANGE_PEER = ""
EXIT_SKIPPED = 77
LIMIT_S = 60  # for anything that a test starts
# A container as `docker run --ipc=host` makes it: the program is process 1, and /dev/shm is everybody's.
CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def start(command, listener=None, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GOSSAMER_")}
    environment.update({f"GOSSAMER_{name.upper()}": str(value) for name, value in variables.items()})
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, env=environment, pass_fds=[listener] if listener is not None else [])


def start_session(rank_count, command, job, transport="ucx"):
    """The processes of one session, started together. Rank 0 listens on a socket from here: no two sessions meet."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = "127.0.0.1:%d" % listener.getsockname()[1]
        processes = []
        for rank in range(rank_count):
            first = {"rendezvous_fd": listener.fileno()} if rank == 0 else {}
            processes.append(start(command, listener.fileno() if rank == 0 else None, rank=rank, rank_count=rank_count,
                                   rendezvous=place, job=job, transport=transport, init_timeout_s=20, **first))
        return processes


def names_of(pids):
    """What is in shared memory under names of these processes."""
    return [name for name in os.listdir("/dev/shm") if re.search(r"^gossamer-.*-(%s)-\d+-" % "|".join(pids), name)]


def left_of(pids):
    """The same, when it is gone or five seconds have passed: another process's sweep may be in the middle of it."""
    end = time.monotonic() + 5
    while names_of(pids) and time.monotonic() < end:
        os.sched_yield()
    return names_of(pids)


class SharedMachineTest(unittest.TestCase):
    def expect_good(self, processes):
        outputs = [process.communicate(timeout=LIMIT_S)[0] for process in processes]
        for process, output in zip(processes, outputs):
            self.assertEqual(process.returncode, 0, "\n".join(outputs))
            self.assertIn("done", output)

    def test_ranks_in_containers_that_share_memory_find_each_other(self):
        # Goal: ranks that are all process 1, started in one tick, have folders of their own, and none takes another's
        # away. Method: sessions of four such ranks, one after the other.
        for _ in range(4):
            self.expect_good(start_session(4, [*CONTAINER, EXCHANGE_PEER, "--steps", "2"], "containers"))

    def test_jobs_in_containers_that_share_memory_do_not_meet(self):
        # Goal: unrelated jobs of one rank, all of the default name, do not disturb each other. Method: six at once.
        for _ in range(2):
            jobs = [start([*CONTAINER, EXCHANGE_PEER, "--steps", "2"]) for _ in range(6)]
            self.expect_good(jobs)

    def test_the_next_job_removes_what_a_killed_launcher_left(self):
        # Goal: when a launcher and its peers are killed, the next session on the machine removes what they left, whatever
        # its name. Method: kill a job in mid-exchange, over UCX and over libfabric's shared memory, then run one rank.
        for transport in ({"transport": "ucx"}, {"transport": "libfabric", "libfabric_provider": "shm"}):
            with self.subTest(**transport):
                launcher = start([GOSSAMER, "run", "-n", "2", "--", "sh", "-c",
                                  f"echo process $$; exec {EXCHANGE_PEER} --steps 1000000"], **transport)
                pids, seen = [], 0
                for line in launcher.stdout:
                    pids += re.findall(r"process (\d+)", line)
                    seen += re.search(r"step 100$", line) is not None
                    if seen == 2:
                        break
                self.assertEqual([len(pids), seen], [2, 2])
                self.assertNotEqual(names_of(pids), [])
                launcher.send_signal(signal.SIGKILL)
                launcher.stdout.read()  # until the peers have ended too, by the kernel's hand
                launcher.stdout.close()
                launcher.wait(LIMIT_S)
                self.expect_good([start([EXCHANGE_PEER, "--steps", "2"], job="another")])
                self.assertEqual(left_of(pids), [])


def main():
    global GOSSAMER, EXCHANGE_PEER
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    GOSSAMER, EXCHANGE_PEER = sys.argv[1:3]
    probe = subprocess.run([*CONTAINER, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        print(f"skipped: this system or user makes no process-id namespace: {probe.stderr.strip()}")
        return EXIT_SKIPPED
    program = unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2, exit=False)
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
