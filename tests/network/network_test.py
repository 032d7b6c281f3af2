"""Sessions between hosts that are network namespaces (tools/net-lab), and tools/net-lab itself.

Usage: network_test.py NET_LAB GOSSAMER EXCHANGE_PEER [TEST...]. Ends with 77 where namespaces cannot be made.
"""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import net_lab
from net_lab import lab

GOSSAMER = EXCHANGE_PEER = ""
EXIT_SKIPPED = 77
LIMIT_S = 60  # for anything that a test starts

TRAIN = ["train", "--dataset", "synthetic", "--samples", "512", "--hidden", "256", "--batch", "48", "--steps", "8",
         "--algorithm", "gs-sgd,shared-top-k,top-k,dense"]


class Running:
    """net-lab in the background, with its lines."""

    def __init__(self, name, *words, environment=None):
        self.lines, self.changed = [], threading.Condition()
        self.process = subprocess.Popen([net_lab.PROGRAM, words[0], "--name", name, *words[1:]],
                                        stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env={**os.environ, **(environment or {})})
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def wait_for(self, pattern, count=1):
        """Until so many lines match; raises with all that came where they do not come."""
        def enough():
            return sum(re.search(pattern, line) is not None for line in self.lines) >= count
        with self.changed:
            if not self.changed.wait_for(enough, LIMIT_S):
                raise AssertionError(f"not {count} lines with {pattern!r}:\n" + "\n".join(self.lines))

    def end(self, limit_s=LIMIT_S):
        """Exit status; kills what runs longer."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"it still runs after {limit_s} s:\n" + "\n".join(self.lines)) from error
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join()
            self.process.stdout.close()


class NetworkTest(unittest.TestCase):
    """Each test has a lab of its own name, which is gone afterwards."""

    def setUp(self):
        self.name = f"test-{os.getpid()}"
        self.addCleanup(lambda: lab(self.name, "down"))

    def up(self, hosts, *options):
        status, _, errors = lab(self.name, "up", str(hosts), *options)
        self.assertEqual(status, 0, errors)

    def test_training_between_hosts_ends_with_the_bits_of_one_host(self):
        # Goal: what moves the bytes does not change a bit of the result, for any algorithm. Method: the same training
        # between three hosts and within this one, by one schedule, which otherwise goes by the links and by who shares
        # memory; every rank's final weights.
        self.up(3)
        train = [GOSSAMER, *TRAIN, "--schedule", "circulant"]
        with tempfile.TemporaryDirectory() as folder:
            status, _, errors = lab(self.name, "run", "--", *train, "--dump", f"{folder}/lab")
            self.assertEqual(status, 0, errors)
            one = subprocess.run([*train, "--ranks", "3", "--dump", f"{folder}/one"], capture_output=True,
                                 text=True, timeout=LIMIT_S, check=False)
            self.assertEqual(one.returncode, 0, one.stderr)
            names = sorted(os.path.basename(path) for path in glob.glob(f"{folder}/one/*.f32"))
            self.assertEqual(len(names), 12)
            for name in names:
                with open(f"{folder}/lab/{name}", "rb") as ours, open(f"{folder}/one/{name}", "rb") as theirs:
                    self.assertEqual(ours.read(), theirs.read(), name)

    def test_schedules_go_by_the_links_between_hosts(self):
        # Goal: over a network a small payload takes the schedule that sends least, and the log says what was predicted
        # and what it took. Method: a sketch of 8-bit cells of 11 KiB between four hosts; the log of rank 0.
        self.up(4)
        status, _, errors = lab(self.name, "run", "--", "env", "GOSSAMER_LOG=info", GOSSAMER, "train", "--dataset",
                                "synthetic", "--features", "784", "--samples", "2048", "--hidden", "250", "--batch",
                                "64", "--steps", "20", "--algorithm", "gs-sgd", "--cells", "i8", "--values", "i16")
        self.assertEqual(status, 0, errors)
        self.assertRegex(errors, "schedules for tcp-1g")
        self.assertRegex(errors, r"sketch all-reduce over 4 ranks, 1\d\.\d KiB: circulant")
        self.assertRegex(errors, r"predicted to take [\d.]+ \w+, and the median of 16 took [\d.]+ \w+")

    def test_ranks_that_share_hosts_take_two_levels(self):
        # Goal: two ranks on each of two hosts choose a schedule of two levels, whose sums are right. Method: near and
        # far links as they are set; the log of rank 0; dense, whose sums are exact here, ends with the weights of a
        # schedule that knows no hosts.
        self.up(2)
        weights = set()
        for cost, schedule in (("near shared-memory; far tcp-1g", "(rails|leaders) of "), ("tcp-1g", "circulant")):
            status, output, errors = lab(self.name, "run", "--ranks-per-host", "2", "--", "env",
                                         f"GOSSAMER_COST={cost}", EXCHANGE_PEER, "--algorithm", "4", "--steps", "5",
                                         "--log", "1")
            self.assertEqual(status, 0, output + errors)
            self.assertRegex(output, rf"all-reduce over 4 ranks, .*: {schedule}")
            self.assertEqual(len(re.findall("done 5", output)), 4, output)
            weights.update(re.findall(r"weights (\w+)", output))
        self.assertEqual(len(weights), 1, weights)

    def test_every_schedule_works_between_hosts(self):
        # Goal: ranks on several hosts, some of them on one, exchange with each schedule and end with equal weights,
        # which the peers compare. Method: two ranks on each of two hosts, for the numbers of gossamer_schedule.
        self.up(2)
        for schedule in range(1, 10):
            with self.subTest(schedule=schedule):
                status, output, errors = lab(self.name, "run", "--ranks-per-host", "2", "--", EXCHANGE_PEER,
                                             "--schedule", str(schedule), "--steps", "5")
                self.assertEqual(status, 0, output + errors)
                self.assertEqual(sorted(re.findall(r"\[(\d)\] done 5", output)), ["0", "1", "2", "3"])

    def test_a_host_whose_own_name_is_loopback_is_found_by_its_name(self):
        # Goal: a job meets at the name of rank 0's host although that host itself has its name as 127.0.1.1, as Debian's
        # installer writes it, whether bind_host is the host's address or the wildcard. Method: two ranks on each of two
        # hosts with such hosts files.
        self.up(2)
        with tempfile.TemporaryDirectory() as folder:
            for host in range(2):
                with open(f"{folder}/hosts.{host}", "w", encoding="ascii") as file:
                    file.write("127.0.0.1 localhost\n")
                    file.writelines(f"{'127.0.1.1' if other == host else f'10.77.0.{other + 1}'} node{other}\n"
                                    for other in range(2))
            for bind_host in ("$GOSSAMER_BIND_HOST", "0.0.0.0"):
                with self.subTest(bind_host=bind_host):
                    status, output, errors = lab(
                        self.name, "run", "--ranks-per-host", "2", "--", "sh", "-ec",
                        f"mount --bind {folder}/hosts.$((GOSSAMER_RANK / 2)) /etc/hosts\n"
                        f"GOSSAMER_RENDEZVOUS=node0:29400 GOSSAMER_BIND_HOST={bind_host} exec {EXCHANGE_PEER} --steps 3")
                    self.assertEqual(status, 0, output + errors)
                    self.assertEqual(len(re.findall("done 3", output)), 4, output)

    def test_a_cut_link_ends_every_rank_and_names_the_lost_one(self):
        # Goal: when a host falls off the network, in which no packet tells of it, every rank ends within the lease with
        # an error that names a rank, the right one where it is to be known; once the link is back, a new session works.
        # Method: three hosts in mid-exchange, the last one's link cut at the switch.
        lease_s = 2
        self.up(3)
        running = Running(self.name, "run", "--", EXCHANGE_PEER, "--steps", "1000000",
                          environment={"GOSSAMER_LEASE_S": str(lease_s)})
        try:
            running.wait_for(r"step 100$", 3)
        except AssertionError:
            running.end(0)
            raise
        self.assertEqual(lab(self.name, "link", "cut", "2")[0], 0)
        begin = time.monotonic()
        self.assertEqual(running.end(20), 10)
        self.assertLess(time.monotonic() - begin, lease_s + 6)
        text = "\n".join(running.lines)
        found = {int(rank): (code, int(lost)) for rank, code, lost in
                 re.findall(r"^\[(\d)\] error (\w+) at \w+, rank (-?\d+),", text, re.MULTILINE)}
        self.assertEqual({rank: code for rank, (code, _) in found.items()}, dict.fromkeys(range(3), "GOSSAMER_PEER_LOST"), text)
        self.assertEqual([found[0][1], found[1][1]], [2, 2], text)
        self.assertIn(found[2][1], (0, 1), text)
        self.assertEqual(lab(self.name, "link", "restore", "2")[0], 0)
        status, output, errors = lab(self.name, "run", "--", EXCHANGE_PEER, "--steps", "3")
        self.assertEqual(status, 0, output + errors)

    def test_a_firewall_between_hosts_ends_in_a_deadline(self):
        # Goal: where attempts to connect are dropped in silence, as a firewall does it, init still ends at its deadline,
        # and every rank says between which two nothing came. Method: host 0 drops all that comes but to the rendezvous,
        # by its routing rules.
        self.up(2)
        status, _, errors = lab(self.name, "run", "--host", "0", "--", "sh", "-ec",
                                "ip rule add pref 100 lookup local; ip rule del pref 0\n"
                                "ip rule add pref 5 ipproto tcp dport 29400 lookup local\n"
                                "ip rule add pref 10 iif e0 ipproto tcp blackhole")
        if status != 0:
            self.skipTest(f"this kernel has no rules by port: {errors}")
        running = Running(self.name, "run", "--", EXCHANGE_PEER, "--steps", "1",
                          environment={"GOSSAMER_INIT_TIMEOUT_S": "2"})
        self.assertEqual(running.end(30), 10)
        text = "\n".join(running.lines)
        self.assertEqual(len(re.findall(r"GOSSAMER_DEADLINE at init", text)), 2, text)
        self.assertRegex(text, r"the data path between rank \d and rank \d does not work: no message came within 1\.5 s")
        self.assertIn("firewall", text)

    def each_host(self, hosts, *commands):
        for host in range(hosts):
            for command in commands:
                subprocess.run(["ip", "-n", f"gossamer-{self.name}-{host}", *command.format(host + 1).split()],
                               check=True, timeout=LIMIT_S)

    def expect_exchange(self, hosts, wrap, environment):
        running = Running(self.name, "run", "--", "sh", "-c", f'{wrap} exec "$0" "$@"', EXCHANGE_PEER, "--steps", "3",
                          environment={"GOSSAMER_INIT_TIMEOUT_S": "10", **environment})
        status = running.end()
        text = "\n".join(running.lines)
        self.assertEqual(status, 0, text)
        self.assertEqual(len(re.findall(r"done 3$", text, re.MULTILINE)), hosts, text)

    def test_the_data_path_takes_the_network_of_the_session(self):
        # Goal: where every host has a bridge of containers with the same address, which leads nowhere, bytes go the way
        # that the session's addresses tell, said outright or found by the route to the rendezvous. Method: such a bridge
        # with something on it on each of two hosts; both transports, some starts each, since the choice of another way
        # would be by chance.
        self.up(2)
        self.each_host(2, "link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0", "link set docker0 up",
                       "link add vx type veth peer name vy", "link set vx master docker0", "link set vx up",
                       "link set vy up")
        for wrap in ("", "GOSSAMER_BIND_HOST=0.0.0.0"):
            for transport, starts in (("ucx", 3), ("libfabric", 1)):
                with self.subTest(wrap=wrap, transport=transport):
                    for _ in range(starts):
                        self.expect_exchange(2, wrap, {"GOSSAMER_TRANSPORT": transport})

    def test_hosts_with_ipv6_alone_exchange_over_libfabric(self):
        # Goal: libfabric takes the address of the session, not a link-local one, which needs no name of an interface to
        # be reached. Method: two hosts without any IPv4 address.
        self.up(2)
        self.each_host(2, "addr flush dev e0", "addr add fd77::{}/64 dev e0 nodad", "addr del 127.0.0.1/8 dev lo")
        for bind in ("fd77::$((GOSSAMER_RANK + 1))", "::"):
            with self.subTest(bind=bind):
                self.expect_exchange(2, f"GOSSAMER_RENDEZVOUS=[fd77::1]:29400 GOSSAMER_BIND_HOST={bind}",
                                     {"GOSSAMER_TRANSPORT": "libfabric"})

    def test_a_link_has_its_burst(self):
        # Goal: --burst sets what passes an idle link at once, 256 KiB without it. Method: tc says it, to the rounding
        # of its timer, for both ends.
        for options, expected in (((), 256 << 10), (("--burst", "80k"), 80 << 10)):
            self.up(1, "--rate", "1gbit", *options)
            for name, device in ((f"gossamer-{self.name}-0", "e0"), (f"gossamer-{self.name}-switch", "p0")):
                shown = subprocess.run(["tc", "-n", name, "-j", "qdisc", "show", "dev", device], capture_output=True,
                                       text=True, check=True)
                burst = next(each for each in json.loads(shown.stdout) if each["kind"] == "tbf")["options"]["burst"]
                self.assertAlmostEqual(burst, expected, delta=expected / 100)
            self.assertEqual(lab(self.name, "down")[0], 0)

    def test_a_link_has_its_rate(self):
        # Goal: --rate limits what leaves a host. Method: 8 MB to the neighbour take at least nine tenths of the time
        # that 200 Mbit/s leave, the bucket's 256 KB aside; loopback and an unlimited link take a hundredth of it.
        self.up(2, "--rate", "200mbit")
        size = 8_000_000
        server = Running(self.name, "run", "--host", "1", "--", sys.executable, "-uc", f"""
import socket, time
listener = socket.create_server(("10.77.0.2", 5000))
print("listens")
peer = listener.accept()[0]
got = 0
begin = time.monotonic()
while got < {size}:
    got += len(peer.recv(1 << 20))
print("seconds", time.monotonic() - begin)
""")
        try:
            server.wait_for("listens")
            status, _, errors = lab(self.name, "run", "--host", "0", "--", sys.executable, "-c", f"""
import socket
socket.create_connection(("10.77.0.2", 5000), 10).sendall(bytes({size}))
""")
            self.assertEqual(status, 0, errors)
            server.wait_for("seconds")
        finally:
            server.end()
        seconds = float(server.lines[-1].split()[1])
        self.assertGreater(seconds, 0.9 * (size - 256_000) * 8 / 200e6)

    def test_the_status_says_what_limits_each_host_now(self):
        # Goal: one host can be slower, and the status is what holds, whoever set it. Method: a rate for a host by the
        # lab, one by hand for one way, and none.
        def rates():
            status, output, errors = lab(self.name, "status")
            self.assertEqual(status, 0, errors)
            return [line.split("link up")[1].rsplit("  ", 1)[0].strip() for line in output.splitlines()[1:]]

        self.up(3, "--rate", "1gbit")
        self.assertEqual(rates(), ["1 Gbit/s"] * 3)
        self.assertEqual(lab(self.name, "rate", "1", "100mbit")[0], 0)
        subprocess.run(["tc", "-n", f"gossamer-{self.name}-2", "qdisc", "replace", "dev", "e0", "root", "tbf", "rate",
                        "50mbit", "burst", "256k", "latency", "50ms"], check=True)
        self.assertEqual(rates(), ["1 Gbit/s", "100 Mbit/s", "50 Mbit/s out, 1 Gbit/s in"])
        for _ in range(2):  # the second time there is nothing to take away
            self.assertEqual(lab(self.name, "rate", "2", "none")[0], 0)
        self.assertEqual(rates(), ["1 Gbit/s", "100 Mbit/s", "no limit of rate"])
        self.assertNotEqual(lab(self.name, "rate", "1", "fast")[0], 0)
        self.assertEqual(lab(self.name, "rate", "3", "1gbit")[0], 2)

    def test_an_interrupt_leaves_nothing_behind(self):
        # Goal: after Ctrl-C in a run nothing of it lives, and after `down` no namespace is left. Method: peers that
        # ignore the interrupt, and a child of each; the lab's own count of processes.
        self.up(2)
        running = Running(self.name, "run", "--", "sh", "-c", "trap '' INT; echo begun; sleep 1000 & sleep 1000")
        try:
            running.wait_for("begun", 2)
            running.process.send_signal(signal.SIGINT)
        finally:
            status = running.end()
        self.assertEqual(status, 128 + signal.SIGINT)
        _, output, _ = lab(self.name, "status")
        self.assertEqual(len(re.findall(r" 0 processes", output)), 2, output)
        self.assertEqual(lab(self.name, "down")[0], 0)
        left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        self.assertNotIn(f"gossamer-{self.name}-", left)

    def test_a_failing_rank_ends_the_job_with_its_status(self):
        # Goal: the exit status is that of the first rank that fails, and the others do not run on for ever. Method: one
        # rank ends with 7, the other sleeps.
        self.up(2)
        status, _, errors = lab(self.name, "run", "--settle", "0.2", "--", "sh", "-c",
                                "[ $GOSSAMER_RANK = 0 ] && exit 7; sleep 1000")
        self.assertEqual(status, 7, errors)
        self.assertIn("[0] ended with status 7", errors)
        status, _, errors = lab(self.name, "run", "--timeout", "0.2", "--", "sleep", "1000")
        self.assertEqual(status, 124, errors)

    def test_labs_of_two_names_do_not_meet(self):
        # Goal: labs with equal addresses live side by side. Method: a second lab, removed before the first is used.
        self.up(2)
        other = f"{self.name}-b"
        self.addCleanup(lambda: lab(other, "down"))
        self.assertEqual(lab(other, "up", "3")[0], 0)
        self.assertEqual(lab(self.name, "status")[1].count("host "), 2)
        self.assertEqual(lab(other, "down")[0], 0)
        status, output, _ = lab(self.name, "run", "--", "sh", "-c", "echo $GOSSAMER_RANK of $GOSSAMER_RANK_COUNT")
        self.assertEqual(status, 0)
        self.assertEqual(sorted(output.splitlines()), ["[0] 0 of 2", "[1] 1 of 2"])

    def test_mistakes_are_told_with_what_to_do(self):
        # Goal: wrong calls change nothing and say what was expected. Method: each mistake once.
        self.assertIn("net-lab up N", lab(self.name, "run", "--", "true")[2])
        self.up(2)
        for words, status, sentence in (
                (("up", "2"), 2, "is there already"),
                (("up", "65"), 2, "1 to 64"),
                (("run",), 2, "no command"),
                (("run", "--", "no-such-program"), 127, "there is no program"),
                (("run", "--host", "2", "--", "true"), 2, "hosts 0 to 1"),
                (("run", "--ranks-per-host", "0", "--", "true"), 2, "at least 1"),
                (("link", "cut", "5"), 2, "hosts 0 to 1"),
                (("link", "break", "1"), 2, "invalid choice"),
                (("sideways",), 2, "invalid choice")):
            with self.subTest(words=words):
                got, _, errors = lab(self.name, *words)
                self.assertEqual(got, status, errors)
                self.assertIn(sentence, errors)
        self.assertEqual(lab(self.name, "down")[0], 0)
        status, _, errors = lab(self.name, "up", "2", "--rate", "fast")
        self.assertEqual(status, net_lab.EXIT_UNABLE)
        self.assertIn("fast", errors)
        self.assertIn("there is no lab", lab(self.name, "status")[2])  # nothing half made is left


def main():
    global GOSSAMER, EXCHANGE_PEER
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    net_lab.PROGRAM, GOSSAMER, EXCHANGE_PEER = sys.argv[1:4]
    if why_not := net_lab.why_unable():
        print(f"skipped: {why_not}")
        return EXIT_SKIPPED
    program = unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2, exit=False)
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
