"""tools/compare/run, with whatever of Open MPI, MPICH and Gloo is installed.

Usage: compare_test.py COMPARE [TEST...]. GOSSAMER_BUILD names the build. Ends with 77 where there is none.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

COMPARE = ""
EXIT_USAGE, EXIT_NOTHING = 2, 77
LIMIT_S = 150


def compare(*words):
    return subprocess.run([COMPARE, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S,
                          check=False)


class CompareTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="compare-test-")
        self.addCleanup(self.folder.cleanup)

    def result(self, *words):
        """The JSON and the Markdown of a run that ended well."""
        done = compare(*words, "--quick", "--out", self.folder.name)
        if done.returncode == EXIT_NOTHING:
            sys.stderr.write(done.stderr)
            sys.exit(EXIT_NOTHING)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.folder.name, "compare.json"), encoding="utf-8") as file:
            document = json.load(file)
        with open(os.path.join(self.folder.name, "compare.md"), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(document["schema"], "gossamer.compare/1")
        self.assertGreaterEqual(document["environment"]["cores"], 1)
        for each in document["left_out"]:
            print(f"without {each['what']}: {each['why']}", file=sys.stderr)
        return document, text

    def test_every_installed_library_sums_in_turns_with_gossamer(self):
        """Goal: the programs build and give right sums (each compares every element), and each rival has a ratio.
        Method: two sizes on two ranks in shared memory; what is not installed is named as left out."""
        document, text = self.result("all-reduce", "--network", "shared-memory", "--ranks", "2", "--sizes", "8,64K")
        labels = {"open-mpi": "Open MPI", "mpich": "MPICH", "gloo": "Gloo"}
        absent = {each["what"] for each in document["left_out"]}
        wanted = {"gossamer", "gossamer-call"} | {name for name, label in labels.items() if label not in absent}
        by_size = {size: {row["program"] for row in document["rows"] if row["bytes"] == size} for size in (8, 65536)}
        self.assertEqual(by_size[8], wanted)
        self.assertEqual(by_size[65536], wanted - {"gossamer-call"})
        for row in document["rows"]:
            self.assertGreater(row["p50_us"], 0)
            self.assertGreaterEqual(row["p99_us"], row["p50_us"])
            self.assertEqual("ratio" in row, row["program"] != "gossamer")
        self.assertIn("| 64 KiB |", text)
        xml.dom.minidom.parse(os.path.join(self.folder.name, "compare.svg"))

    def test_every_algorithm_of_the_exchange_step_ends_with_one_update(self):
        """Goal: gs-SGD and its rivals build and run, and all ranks get the same update (compared by hash in each step).
        Method: a short vector over a network of eight hosts, where one can be made."""
        document, text = self.result("gs-sgd", "--dimension", "200000", "--density", "0.01")
        if document["left_out"]:
            self.skipTest(document["left_out"][0]["why"])
        sent = {row["program"]: row["bytes_per_step_max"] for row in document["steps"]}
        self.assertEqual(sent["gtop-k"], 3 * 8 * 2000)
        self.assertLess(sent["gs-sgd-smallest"], sent["gs-sgd"])
        self.assertLess(sent["gs-sgd"], sent["sketched-sgd"])
        self.assertIn("| gTop-k |", text)

    def test_wrong_options_are_refused_by_name(self):
        """Goal: a wrong word ends with status 2 and names what was expected. Method: one of each kind."""
        for words, expected in ((["--only", "nccl"], "open-mpi, mpich, gloo"), (["--sizes", "10"], "multiple of 4"),
                                (["--sizes", "64Q"], "64K"), (["--ranks", "1"], "2 to 64"),
                                (["--ranks", "32"], "at most 16"), (["--network", "wifi"], "shared-memory, net-1gbit"),
                                (["gs-sgd", "--density", "0"], "expected 1 / d"), (["training"], "gs-sgd")):
            done = compare(*words)
            self.assertEqual(done.returncode, EXIT_USAGE, words)
            self.assertIn(expected, done.stderr)


if __name__ == "__main__":
    COMPARE = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
