"""Programs under Open MPI's mpirun: PMIx. Skips itself where there is none."""
from launchers import LauncherTest, PROGRAM, main, need, run

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

    def test_settings_that_contradict_the_launcher_are_refused(self):
        """Goal: a count that is not the launcher's ends with both, on every rank. Method: 4 said, 2 started; a rank that is
        not this one's."""
        status, output = run([*MPIRUN, "-x", "GOSSAMER_RANK_COUNT", "-n", "2", PROGRAM], GOSSAMER_RANK_COUNT="4")
        self.assertNotEqual(status, 0)
        self.assertIn("rank_count is 4 (GOSSAMER_RANK_COUNT), but", output)
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


if __name__ == "__main__":
    need("mpirun.openmpi", "mpicc.openmpi")
    main()
