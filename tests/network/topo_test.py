"""`gossamer topo` between hosts that are network namespaces (tools/net-lab), whose links are known.

Usage: topo_test.py NET_LAB GOSSAMER --short|--whole|TEST... Ends with 77 where namespaces cannot be made.
--short is what every run can afford, some seconds; --whole an emulated cluster from the measurement to the schedule
that follows from it, minutes. A sample of the long tests (GOSSAMER_TEST_SAMPLE=4) leaves --whole out.
"""
import csv
import ctypes
import fcntl
import heapq
import json
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

NET_LAB = GOSSAMER = ""
EXIT_SKIPPED, EXIT_UNABLE = 77, 3
LIMIT_S = 120
# Of each segment of 1,514 bytes that the limit counts 1,448 are data: Ethernet, IP and TCP have 66.
DATA_SHARE = 1448 / 1514
# One segment of the sender's: what passes an idle link at once is little beside what is measured.
BURST = ["--burst", "80k"]


def lab(name, *words):
    """Runs net-lab to its end: (exit status, stdout, stderr)."""
    done = subprocess.run([NET_LAB, words[0], "--name", name, *words[1:]], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout, done.stderr


class SlowWays:
    """A second network between a lab's hosts, in which each packet is on its way for a known time: t0, 10.88.0.1 and so
    on. For latencies alone: it moves some thousand packets a second."""

    CLONE_NEWNET, TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x40000000, 0x400454CA, 0x0001, 0x1000

    def __init__(self, name, hosts, delay_s):
        self.delay_s, self.devices = delay_s, []
        self.wake = os.pipe()
        for host in range(hosts):
            namespace = f"gossamer-{name}-{host}"
            self.devices.append(self.make_device(f"/run/netns/{namespace}"))
            for words in (f"addr add 10.88.0.{host + 1}/24 dev t0", "link set t0 up"):
                subprocess.run(["ip", "-n", namespace, *words.split()], check=True, timeout=LIMIT_S)
        self.thread = threading.Thread(target=self.forward)
        self.thread.start()

    def make_device(self, namespace):
        """In another namespace, which only the thread that makes it enters."""
        made = []

        def enter_and_make():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(namespace, "rb") as file:
                if libc.setns(file.fileno(), self.CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns to {namespace}")
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(device, self.TUNSETIFF, struct.pack("16sH22x", b"t0", self.IFF_TUN | self.IFF_NO_PI))
            made.append(device)
        thread = threading.Thread(target=enter_and_make)
        thread.start()
        thread.join()
        return made[0]

    def forward(self):
        under_way, count = [], 0
        while True:
            wait_s = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
            ready, _, _ = select.select([*self.devices, self.wake[0]], [], [], wait_s)
            if self.wake[0] in ready:
                return
            now = time.monotonic()
            for device in ready:
                packet = os.read(device, 65536)
                # IPv4, to a host of this network; what else the kernel says there goes nowhere.
                if packet[0] >> 4 != 4 or packet[16:19] != bytes((10, 88, 0)) or packet[19] > len(self.devices):
                    continue
                host, back = self.devices.index(device), packet[19] - 1
                heapq.heappush(under_way, (now + self.delay_s(host, back), count, back, packet))
                count += 1
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, back, packet = heapq.heappop(under_way)
                os.write(self.devices[back], packet)

    def close(self):
        os.write(self.wake[1], b"x")
        self.thread.join()
        for each in (*self.devices, *self.wake):
            os.close(each)


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class TopoTest(unittest.TestCase):
    """Each test has a lab of its own name and a folder, which are gone afterwards."""

    def setUp(self):
        self.name = f"topo-{os.getpid()}"
        self.addCleanup(lambda: lab(self.name, "down"))
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def up(self, hosts, rate="1gbit"):
        status, _, errors = lab(self.name, "up", str(hosts), "--rate", rate, *BURST)
        self.assertEqual(status, 0, errors)

    def rate(self, host, rate, *options):
        status, _, errors = lab(self.name, "rate", str(host), rate, *BURST, *options)
        self.assertEqual(status, 0, errors)

    def topo(self, *words, status=0):
        """A command of one process: its stdout."""
        done = subprocess.run([GOSSAMER, "topo", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT_S, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def job_words(self, hosts, *command):
        """A command on ranks of the lab's hosts, as in "0:2,1:2"."""
        hosts = ",".join(f"10.77.0.{int(each.split(':')[0]) + 1}:{(each + ':1').split(':')[1]}"
                         for each in hosts.split(","))
        return [GOSSAMER, "run", "--settle", "60", "--hosts", hosts, "--launch-agent",
                f"{NET_LAB} agent --name {self.name}", "--", *command]

    def job(self, hosts, *command, environment=None):
        """(exit status, stdout, stderr)"""
        done = subprocess.run(self.job_words(hosts, *command), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT_S, check=False, env={**os.environ, **(environment or {})})
        return done.returncode, done.stdout, done.stderr

    def measure(self, hosts, *options, environment=None):
        path = f"{self.folder}/measured.json"
        status, output, errors = self.job(hosts, GOSSAMER, "topo", "measure", "--out", path, *options,
                                          environment=environment)
        self.assertEqual(status, 0, errors)
        print(output)
        return read_json(path)

    def check_betas(self, measured, mbit, within=0.1):
        """Every pair between hosts has the bandwidth of the slower of what leaves and what arrives."""
        wrong, worst = [], 0.0
        for pair in measured["pairs"]:
            out, back = (measured["ranks"][pair[end]]["host"] for end in ("from", "to"))
            if pair["load"] != "idle" or out == back:
                continue
            ns_per_byte = 8e3 / mbit(out, back) / DATA_SHARE
            error = pair["fit"]["beta_ns_per_byte"][0] / ns_per_byte - 1
            worst = max(worst, abs(error))
            if abs(error) > within:
                wrong.append(f"{pair['from']} to {pair['to']}: {100 * error:+.1f} %, {pair}")
        self.assertFalse(wrong, "\n".join(wrong))
        print(f"beta of every pair between hosts within {100 * worst:.1f} % of the links' own")


class Short(TopoTest):
    """What each run of the tests can afford."""

    def test_each_direction_is_measured_by_itself_and_a_file_is_resumed(self):
        # Goal: a link that is slower one way shows so, and one way only; what a file has is kept, what it lacks is
        # measured, a table says the same, and another cluster's file is refused. Method: two hosts, one with two ranks,
        # what leaves it halved; then a file that has one of the three pairs, and one of another transport.
        self.up(2)
        self.rate(1, "500mbit", "--way", "out")
        options = ["--time", "0.8", "--load", "idle", "--retest", "0", "--sizes", "8:1M"]
        measured = self.measure("0:1,1:2", *options)
        # In so little time; what it gives itself is held to a tenth in the long tests.
        self.check_betas(measured, lambda out, back: 500 if out == 1 else 1000, within=0.2)
        self.assertEqual([host["name"] for host in measured["hosts"]], ["10.77.0.1", "10.77.0.2"])
        self.assertRegex(measured["transport"], "^ucx")

        half = f"{self.folder}/half.json"
        kept = [pair for pair in measured["pairs"] if {pair["from"], pair["to"]} == {0, 2}]
        with open(half, "w", encoding="utf-8") as file:
            json.dump({**measured, "pairs": kept}, file)
        table = f"{self.folder}/table.csv"
        resumed = self.measure("0:1,1:2", *options, "--resume", half, "--csv", table)
        self.assertEqual(len(resumed["pairs"]), 6)
        for then, now in zip(measured["pairs"], resumed["pairs"]):
            self.assertEqual((then["from"], then["to"]), (now["from"], now["to"]))
            self.assertEqual(then["sizes"] == now["sizes"], then in kept)
        with open(table, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), sum(len(pair["sizes"]) for pair in resumed["pairs"]))

        with open(half, "w", encoding="utf-8") as file:
            json.dump({**measured, "transport": "carrier pigeons"}, file)
        status, _, errors = self.job("0:1,1:2", GOSSAMER, "topo", "measure", "--out", "-", "--resume", half, *options)
        self.assertNotEqual(status, 0)
        self.assertRegex(errors, r"half\.json is of another cluster: the transport was carrier pigeons and is ucx")

    def test_what_cannot_be_written_or_read_is_said_and_nothing_is_lost(self):
        # Goal: a full disk is told, and what was measured comes another way; no permission is told before anything is
        # measured; so is a file of another version. Method: a file system of one page; a user to whom nothing belongs; a
        # number in the schema.
        full = f"{self.folder}/full"
        os.mkdir(full)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", full], check=True, timeout=LIMIT_S)
        self.addCleanup(lambda: subprocess.run(["umount", full], check=True, timeout=LIMIT_S))

        def measure(*options, before=()):
            done = subprocess.run([*before, GOSSAMER, "run", "-n", "3", "--settle", "10", "--", GOSSAMER, "topo",
                                   "measure", "--time", "0.05", *options], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=LIMIT_S, check=False)
            return done.returncode, done.stderr
        status, errors = measure("--out", f"{full}/m.json")
        self.assertEqual(status, 1, errors)
        self.assertIn(f"cannot write {full}/m.json: No space left on device; measuring goes on", errors)
        told = "".join(line[4:] for line in errors.splitlines(True) if line.startswith("[0] "))
        measured = json.loads(told[told.index("{"):told.rindex("}") + 1])
        self.assertEqual(sum(bool(pair["sizes"]) for pair in measured["pairs"]), 12)
        self.assertEqual(os.listdir(full), [])

        status, errors = measure("--out", f"{self.folder}/m.json",
                                 before=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"))
        self.assertEqual(status, 1, errors)
        self.assertIn(f"cannot write {self.folder}/m.json: Permission denied", errors)

        with open(f"{self.folder}/newer.json", "w", encoding="utf-8") as file:
            json.dump({**measured, "schema": "gossamer.topo/2"}, file)
        status, errors = measure("--out", f"{self.folder}/m.json", "--resume", f"{self.folder}/newer.json")
        self.assertEqual(status, 3, errors)
        self.assertIn("newer.json has the schema gossamer.topo/2", errors)
        self.assertFalse(os.path.exists(f"{self.folder}/m.json"))


class Whole(TopoTest):
    """An emulated cluster."""

    def test_the_links_of_four_hosts_are_found_and_what_is_slow_is_named(self):
        # Goal: alpha and beta of every pair, the slow host, the direction that is slower, and that ranks of a host are
        # nearer. Method: four hosts of two ranks at 1 Gbit/s, host 1 at 200 Mbit/s, what leaves host 2 halved. Idle: where
        # all measure at once they wait for this machine's cores, not for links.
        self.up(4)
        self.rate(1, "200mbit")
        self.rate(2, "500mbit", "--way", "out")
        measured = self.measure("0:2,1:2,2:2,3:2", "--load", "idle")
        self.assertEqual(len(measured["pairs"]), 56)
        self.check_betas(measured, lambda out, back: 200 if 1 in (out, back) else 500 if out == 2 else 1000)
        causes = json.loads(self.topo("causes", f"{self.folder}/measured.json", "--json"))
        print(self.topo("causes", f"{self.folder}/measured.json"))
        # What is slow within a host, or by latency alone, is this machine: whether two ranks got one core or two.
        slow = {(row["kind"], row["what"]): row for row in causes["rows"]
                if row["time_per_byte_factor"] and not row["what"].endswith(" inside")}
        self.assertEqual(set(slow), {("slow host", "10.77.0.2"), ("slow direction", "10.77.0.3 out")})
        self.assertAlmostEqual(slow["slow host", "10.77.0.2"]["time_per_byte_factor"][0], 5, delta=0.5)
        self.assertAlmostEqual(slow["slow direction", "10.77.0.3 out"]["time_per_byte_factor"][0], 2, delta=0.2)
        near, far = causes["tiers"]
        self.assertEqual((near["name"], far["name"]), ("same host", "across"))
        self.assertLess(10 * near["ns_per_byte"][0], far["ns_per_byte"][0])

    def test_latencies_that_were_planted_are_found(self):
        # Goal: alpha is what a message is on its way, and a host that is farther away is named. Method: four hosts on
        # ways of 5 ms, to and from host 2 15 ms.
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            self.skipTest("there is no /dev/net/tun here to make a network of")
        self.up(4)
        ways = SlowWays(self.name, 4, lambda out, back: 0.015 if 2 in (out, back) else 0.005)
        self.addCleanup(ways.close)
        measured = self.measure("0,1,2,3", "--load", "idle", "--sizes", "8:4K", "--time", "2", "--retest", "0",
                                environment={"GOSSAMER_INTERFACE": "t0"})
        worst = 0.0
        for pair in measured["pairs"]:
            planted_ns = 15e6 if 2 in (pair["from"], pair["to"]) else 5e6
            error = pair["fit"]["alpha_ns"][0] / planted_ns - 1
            worst = max(worst, abs(error))
            self.assertLess(abs(error), 0.1, pair)
        print(f"alpha of every pair within {100 * worst:.1f} % of what was planted")
        causes = json.loads(self.topo("causes", f"{self.folder}/measured.json", "--json"))
        slow = [(row["kind"], row["what"]) for row in causes["rows"] if row["kind"] != "noise"]
        self.assertEqual(slow, [("slow host", "10.77.0.3")])
        self.assertAlmostEqual(causes["rows"][0]["latency_factor"][0], 3, delta=0.3)

    def test_what_is_recommended_for_interleaved_hosts_is_the_fastest(self):
        # Goal: over interleaved hosts what is recommended is at least as fast as every fixed schedule, and 1.3 times
        # faster than what is done without it; the prediction is of the right size. Method: eight ranks on four hosts, so
        # that no two of a host are 1, 2 or 4 apart; measured, recommended and verified.
        hosts = "0,1,2,3,1,0,3,2"
        self.up(4, "200mbit")
        self.measure(hosts, "--time", "1", "--sizes", "8:1M")
        topology = f"{self.folder}/topology.txt"
        print(self.topo("recommend", f"{self.folder}/measured.json", "-o", topology, "--collective", "all-reduce"))
        status, output, errors = self.job(hosts, GOSSAMER, "topo", "verify", "--topology", topology, "--sizes",
                                          "64K,512K", "--turns", "5", "--turn-ms", "50", "--json",
                                          f"{self.folder}/verified.json")
        self.assertEqual(status, 0, output + errors)
        print(output)
        rows = read_json(f"{self.folder}/verified.json")["rows"]
        for size in (64 << 10, 512 << 10):
            by_name = {row["contender"]: row for row in rows if row["bytes"] == size}
            took_us = by_name["recommended"]["p50_us"]
            for name, row in by_name.items():
                self.assertLessEqual(took_us, row["p50_us"], name)
            self.assertGreater(by_name["default"]["p50_us"], 1.3 * took_us)
            self.assertLess(max(by_name["recommended"]["predicted_us"] / took_us,
                                took_us / by_name["recommended"]["predicted_us"]), 2)

    def test_a_rank_that_dies_is_named_and_the_rest_is_measured(self):
        # Goal: pairs of a rank that dies in mid-run are missing by its name and its host's, all others are there, the
        # status says so, and the rest is measured later. Method: one of four is killed once the file is begun.
        self.up(4)
        path, options = f"{self.folder}/measured.json", ["--load", "idle", "--sizes", "8:64K", "--retest", "0"]
        words = f"echo $$ > {self.folder}/pid$GOSSAMER_RANK; exec {GOSSAMER} topo measure --out {path} --time 1.5 "
        with subprocess.Popen(self.job_words("0,1,2,3", "sh", "-c", words + " ".join(options)), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
            deadline = time.monotonic() + LIMIT_S
            while not os.path.exists(path) and time.monotonic() < deadline:
                time.sleep(0.01)
            with open(f"{self.folder}/pid3", encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGKILL)
            _, errors = job.communicate(timeout=LIMIT_S)
        self.assertNotEqual(job.returncode, 0, errors)
        measured = read_json(path)
        why = {pair["missing"] for pair in measured["pairs"] if not pair["sizes"]}
        self.assertEqual(why, {"rank 3 on 10.77.0.4 died"}, errors)
        self.assertRegex(errors, r"rank 3 on 10\.77\.0\.4 died: \d+ of 12 pairs are missing; what was measured is in ")
        self.assertTrue(all(pair["sizes"] for pair in measured["pairs"] if 3 not in (pair["from"], pair["to"])))
        self.assertIn("pairs are missing", self.topo("causes", path))
        resumed = self.measure("0,1,2,3", *options, "--time", "0.3", "--resume", path)
        self.assertTrue(all(pair["sizes"] for pair in resumed["pairs"]))


def can_make_namespaces():
    """None, or why not."""
    name = f"topo-probe-{os.getpid()}"
    status, _, errors = lab(name, "up", "2", "--rate", "1gbit")
    lab(name, "down")
    return errors.strip() if status == EXIT_UNABLE else None


def main():
    global NET_LAB, GOSSAMER
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    NET_LAB, GOSSAMER, *rest = sys.argv[1:]
    is_whole = "--whole" in rest
    why_not = can_make_namespaces()
    if is_whole and os.environ.get("GOSSAMER_TEST_SAMPLE", "all") != "all":
        why_not = "takes minutes: `tools/test exhaustive` without GOSSAMER_TEST_SAMPLE runs it"
    if why_not:
        print(f"skipped: {why_not}")
        return EXIT_SKIPPED
    names = [{"--short": "Short", "--whole": "Whole"}.get(each, each) for each in rest]
    program = unittest.main(argv=[sys.argv[0], *names], verbosity=2, exit=False)
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
