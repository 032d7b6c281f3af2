"""`gossamer topo measure` between hosts that are network namespaces (tools/net-lab), whose links are known.

Usage: topo_test.py NET_LAB GOSSAMER [--whole]. Ends with 77 where namespaces cannot be made. With --whole the four hosts
of an emulated cluster, most of a minute; else two hosts, some seconds.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

NET_LAB = GOSSAMER = ""
EXIT_SKIPPED, EXIT_UNABLE = 77, 3
LIMIT_S = 120
# Of each segment of 1,514 bytes that the limit counts 1,448 are data.
DATA_SHARE = 1448 / 1514
# One segment of the sender's: what passes an idle link at once is little beside what is measured.
BURST = ["--burst", "80k"]


def lab(name, *words):
    """Runs net-lab to its end: (exit status, stdout, stderr)."""
    done = subprocess.run([NET_LAB, words[0], "--name", name, *words[1:]], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def stream_rate(name, to, back, megabytes=24):
    """Bytes a second of a plain TCP stream from one host to another."""
    receive = ("import socket, time\n"
               f"s = socket.create_server(('10.77.0.{to + 1}', 29500))\n"
               "print('ready', flush=True)\n"
               "c, _ = s.accept()\n"
               "n, first, last = 0, 0, 0\n"
               "while True:\n"
               "    got = len(c.recv(1 << 20))\n"
               "    if not got: break\n"
               "    last = time.monotonic()\n"
               "    if n > 4e6 and not first: first, n = last, 0\n"  # the bucket's burst and TCP's start are over
               "    n += got\n"
               "print(n / (last - first))\n")
    send = (f"import socket\ns = socket.create_connection(('10.77.0.{to + 1}', 29500))\n"
            f"s.sendall(bytes({megabytes} << 20))\n")
    with subprocess.Popen([NET_LAB, "run", "--name", name, "--host", str(to), "--", sys.executable, "-c", receive],
                          stdout=subprocess.PIPE, text=True) as server:
        server.stdout.readline()
        status, _, errors = lab(name, "run", "--host", str(back), "--", sys.executable, "-c", send)
        assert status == 0, errors
        return float(server.stdout.readline())


class TopoTest(unittest.TestCase):
    """Each test has a lab of its own name, which is gone afterwards."""

    def setUp(self):
        self.name = f"topo-{os.getpid()}"
        self.addCleanup(lambda: lab(self.name, "down"))

    def up(self, hosts, *options):
        status, _, errors = lab(self.name, "up", str(hosts), *options)
        self.assertEqual(status, 0, errors)

    def rate(self, host, rate, *options):
        status, _, errors = lab(self.name, "rate", str(host), rate, *BURST, *options)
        self.assertEqual(status, 0, errors)

    def measure(self, ranks_per_host, *options):
        with tempfile.TemporaryDirectory() as folder:
            out = f"{folder}/m.json"
            status, output, errors = lab(self.name, "run", "--ranks-per-host", str(ranks_per_host), "--", GOSSAMER,
                                         "topo", "measure", "--out", out, *options)
            self.assertEqual(status, 0, errors)
            print(output)
            with open(out, encoding="utf-8") as file:
                return json.load(file)

    def check_betas(self, measured, ranks_per_host, mbit):
        """Every pair between hosts has the bandwidth of the slower of what leaves and what arrives, within 10 %."""
        wrong, worst = [], 0.0
        for pair in measured["pairs"]:
            out, back = pair["from"] // ranks_per_host, pair["to"] // ranks_per_host
            if pair["load"] != "idle" or out == back:
                continue
            bytes_per_ns = mbit(out, back) / 8e3 * DATA_SHARE
            error = pair["fit"]["beta_ns_per_byte"][0] * bytes_per_ns - 1
            worst = max(worst, abs(error))
            if abs(error) > 0.1:
                wrong.append(f"{pair['from']} to {pair['to']}: {100 * error:+.1f} %, {pair}")
        self.assertFalse(wrong, "\n".join(wrong))
        print(f"bandwidth of every pair between hosts within {100 * worst:.1f} % of the links' own")


class TwoHosts(TopoTest):
    """What each run of the tests can afford."""

    def test_each_direction_is_measured_by_itself(self):
        # Goal: a link that is slower one way shows so, and one way only. Method: two hosts, what leaves host 1 halved.
        self.up(2, "--rate", "1gbit", *BURST)
        self.rate(1, "500mbit", "--way", "out")
        measured = self.measure(1, "--time", "1.5", "--load", "idle", "--retest", "0")
        self.check_betas(measured, 1, lambda out, back: 500 if out == 1 else 1000)
        self.assertEqual([host["name"] for host in measured["hosts"]], ["10.77.0.1", "10.77.0.2"])
        self.assertEqual(measured["transport"].split()[0], "ucx")


class FourHosts(TopoTest):
    """An emulated cluster."""

    def test_the_links_of_four_hosts_are_found(self):
        # Goal: alpha and beta of every pair, the slow host and the direction that is slower. Method: four hosts of two
        # ranks at 1 Gbit/s, host 1 at 200 Mbit/s, what leaves host 2 halved; plain TCP streams beside it.
        self.up(4, "--rate", "1gbit", *BURST)
        self.rate(1, "200mbit")
        self.rate(2, "500mbit", "--way", "out")

        def mbit(out, back):
            return 200 if 1 in (out, back) else 500 if out == 2 else 1000

        for out, back in ((0, 3), (0, 1), (2, 3), (3, 2)):
            reached = stream_rate(self.name, back, out)
            print(f"a plain stream from host {out} to {back}: {reached / 1e6:.1f} MB/s, "
                  f"{reached / (mbit(out, back) / 8 * 1e6 * DATA_SHARE):.3f} of the link's")
        measured = self.measure(2, "--load", "idle")
        self.assertEqual(len(measured["pairs"]), 56)
        self.check_betas(measured, 2, mbit)
        for pair in measured["pairs"]:
            if pair["from"] // 2 == pair["to"] // 2:
                continue
            ping_ns, alpha_ns = pair["sizes"][0][2], pair["fit"]["alpha_ns"][0]
            print(f"{pair['from']} to {pair['to']}: 8 B {ping_ns / 1e3:.1f} us, alpha {alpha_ns / 1e3:.1f} us")


def can_make_namespaces():
    """None, or why not."""
    name = f"topo-probe-{os.getpid()}"
    status, _, errors = lab(name, "up", "2", "--rate", "1gbit")
    lab(name, "down")
    return errors.strip() if status == EXIT_UNABLE else None


if __name__ == "__main__":
    NET_LAB, GOSSAMER, *rest = sys.argv[1:]
    WHY_NOT = can_make_namespaces()
    if WHY_NOT:
        print(f"skipped: {WHY_NOT}")
        sys.exit(EXIT_SKIPPED)
    CHOSEN = "FourHosts" if rest == ["--whole"] else "TwoHosts"
    unittest.main(argv=[sys.argv[0], "-v", CHOSEN])
