"""Programs under Open MPI's mpirun: PMIx. Skips itself where there is none."""
import os
import re
import signal
import subprocess
import tempfile
import time

from launchers import HEADERS, LauncherTest, PROGRAM, environment, main, need, run

MPIRUN = ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe"]


class OpenMpiTest(LauncherTest):
    def test_a_program_without_mpi_finds_its_ranks(self):
        """Goal: mpirun starts what knows nothing of MPI, for any count. Method: 1, 3 and 6 ranks, two sessions each."""
        for ranks in (1, 3, 6):
            self.assert_sums(run([*MPIRUN, "-n", str(ranks), PROGRAM, "2"]), ranks, 2)

    def test_mpi_in_the_program_goes_on(self):
        """Goal: MPI and sessions do not disturb each other, whichever begins and ends first. Method: by the header; with
        the launcher asked beside MPI; before MPI_Init, and used after MPI_Finalize."""
        program = self.build_mpi_program("mpicc.openmpi")
        for way in ("header", "launcher", "before"):
            with self.subTest(way=way):
                status, output = run([*MPIRUN, "-n", "3", program, way])
                self.assertEqual((status, output.count("MPI is right")), (0, 3), output)
                for rank in range(3):
                    self.assertIn(f"rank {rank} of 3: sums are right", output)

    def test_the_example_of_a_solver_has_mpis_solution(self):
        """Goal: a solver with MPI solves with sums of Gossamer as with MPI's. Method: the example, both ways on 3 ranks;
        it ends with 1 where its error is large."""
        program = self.build_mpi_program("mpicc.openmpi", os.path.join(HEADERS, "examples", "poisson_mpi.c"))
        iterations = []
        for by, words in (("Gossamer", []), ("MPI", ["mpi"])):
            status, output = run([*MPIRUN, "-n", "3", program, *words])
            self.assertEqual(status, 0, output)
            found = re.search(rf"(\d+) iterations, error \de-1\d, sums by {by} on 3 ranks", output)
            self.assertTrue(found, output)
            iterations.append(int(found[1]))
        self.assertLess(abs(iterations[0] - iterations[1]), 10)

    def test_settings_that_contradict_the_launcher_are_refused(self):
        """Goal: a count that is not the launcher's ends with both, on every rank. Method: 4 said, 2 started; a rank that is
        not this one's."""
        status, output = run([*MPIRUN, "-x", "GOSSAMER_RANK_COUNT", "-n", "2", PROGRAM], GOSSAMER_RANK_COUNT="4")
        self.assertNotEqual(status, 0)
        self.assertRegex(output, r"rank_count is 4 \(GOSSAMER_RANK_COUNT\), but \w*PMIx [\w.]+ says 2")
        self.assertIn("says 2: say both", output)
        status, output = run([*MPIRUN, "-x", "GOSSAMER_RANK", "-n", "2", PROGRAM], GOSSAMER_RANK="1")
        self.assertNotEqual(status, 0)
        self.assertIn("rank is 1 (GOSSAMER_RANK), but", output)

    def test_the_users_own_settings_come_first(self):
        """Goal: who says rank and count by hand needs no launcher; GOSSAMER_RANK_COUNT=1 makes sessions of one. Method:
        both under mpirun."""
        by_hand = ("GOSSAMER_RANK=$OMPI_COMM_WORLD_RANK GOSSAMER_RANK_COUNT=$OMPI_COMM_WORLD_SIZE "
                   "GOSSAMER_RENDEZVOUS=127.0.0.1:20130 exec " + PROGRAM)
        self.assert_sums(run([*MPIRUN, "-n", "3", "bash", "-c", by_hand]), 3)
        status, output = run([*MPIRUN, "-x", "GOSSAMER_RANK_COUNT", "-n", "2", PROGRAM], GOSSAMER_RANK_COUNT="1")
        self.assertEqual((status, output.count("rank 0 of 1: sums are right")), (0, 2), output)

    def test_a_rank_that_never_joins_is_waited_for_until_the_deadline(self):
        """Goal: no hang in PMIx. Method: rank 1 sleeps; the timeout is 2 s."""
        only_0 = f"if [ $OMPI_COMM_WORLD_RANK = 0 ]; then exec {PROGRAM}; else exec sleep 30; fi"
        status, output = run([*MPIRUN, "-x", "GOSSAMER_INIT_TIMEOUT_S", "-n", "2", "bash", "-c", only_0], 25,
                             GOSSAMER_INIT_TIMEOUT_S="2")
        self.assertNotEqual(status, 0)
        self.assertIn("GOSSAMER_DEADLINE: PMIx: the exchange with the other ranks took more than", output)

    def test_a_launcher_that_vanishes_is_an_error_at_once(self):
        """Goal: a rank that waits for others ends when its PMIx server is gone, with words, long before the deadline.
        Method: rank 1 never joins; mpirun is killed when rank 0 has begun; its output goes to a file."""
        with tempfile.TemporaryDirectory(prefix="gossamer-vanish-") as folder:
            script = (f"echo $$ > {folder}/pid.$OMPI_COMM_WORLD_RANK; cd {folder}; "
                      f"[ $OMPI_COMM_WORLD_RANK = 1 ] && exec sleep 30; exec {PROGRAM} > output 2>&1")
            mpirun = subprocess.Popen([*MPIRUN, "-n", "2", "bash", "-c", script], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
            pids = [self.wait_for(lambda rank=rank: self.number_in(f"{folder}/pid.{rank}")) for rank in range(2)]
            mpirun.kill()
            mpirun.wait()
            os.kill(pids[1], signal.SIGKILL)
            self.wait_for(lambda: not self.is_running(pids[0]))
            with open(f"{folder}/output", encoding="utf-8") as file:
                self.assertRegex(file.read(), "init: GOSSAMER_UNAVAILABLE: PMIx: PMIx_.* says ")

    def wait_for(self, look):
        """What `look` gives, once it is something."""
        until = time.monotonic() + 15
        while time.monotonic() < until:
            found = look()
            if found:
                return found
            time.sleep(0.01)  # another's child: nothing to wait for
        raise AssertionError("it did not come in 15 s")

    @staticmethod
    def number_in(path):
        try:
            with open(path, encoding="ascii") as file:
                return int(file.read() or 0)
        except FileNotFoundError:
            return 0

    @staticmethod
    def is_running(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False


if __name__ == "__main__":
    need("mpirun.openmpi", "mpicc.openmpi")
    main()
