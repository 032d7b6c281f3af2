"""What the tests of this folder share: programs, and what a launcher made of them."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

LIMIT_S = 60  # for anything that a test starts
EXIT_NOTHING = 77

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM, CALLERS, LIBRARY, COMMAND, HEADERS = (os.path.abspath(word) for word in sys.argv[1:6])

# A launcher's, which none of these may inherit from whatever started the tests.
FOREIGN = re.compile("^(GOSSAMER|PMIX?|OMPI|SLURM|TORCHELASTIC|MPI|HYDI|MASTER)_|^(RANK|WORLD_SIZE|LOCAL_RANK)$")


def environment(**more):
    return {**{name: value for name, value in os.environ.items() if not FOREIGN.match(name)},
            "GOSSAMER_INIT_TIMEOUT_S": "20", **more}


def run(words, limit_s=LIMIT_S, pass_fds=(), **variables):
    """Status and all that it printed; a hang is an error with what came before it."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   env=environment(**variables), pass_fds=pass_fds, start_new_session=True)
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            output.seek(0)
            raise AssertionError(f"{words} hangs after {limit_s} s, with: {output.read().decode()}") from None
        output.seek(0)
        return process.returncode, output.read().decode(errors="replace")


def need(*programs):
    """Ends as a skipped test, with the reason, where one of them is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            print(f"skipped: {program} is not installed", file=sys.stderr)
            sys.exit(EXIT_NOTHING)


class LauncherTest(unittest.TestCase):
    maxDiff = None

    def assert_sums(self, done, ranks, sessions=1):
        """Every rank was there, once in each session, and all ended well."""
        status, output = done
        lines = sorted(line for line in output.splitlines() if line.endswith("sums are right"))
        self.assertEqual((status, lines),
                         (0, sorted([f"rank {r} of {ranks}: sums are right" for r in range(ranks)] * sessions)), output)

    def build_mpi_program(self, compiler, source=os.path.join(HERE, "mpi_program.c")):
        """With this MPI, as a user builds his own."""
        folder = tempfile.TemporaryDirectory(prefix="gossamer-mpi-program-")
        self.addCleanup(folder.cleanup)
        program = os.path.join(folder.name, "mpi_program")
        status, output = run([compiler, "-Wall", "-Wextra", "-Werror", "-Wno-cast-function-type", "-o", program,
                              source, f"-I{HEADERS}", f"-I{HERE}", LIBRARY, f"-Wl,-rpath,{os.path.dirname(LIBRARY)}",
                              "-lm"])
        self.assertEqual(status, 0, output)
        return program


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[6:]], verbosity=2)
