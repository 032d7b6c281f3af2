"""Ways that need no launcher of others: a unique id, callbacks, a shared folder; and launchers that break."""
import os
import socket
import subprocess
import tempfile

from launchers import CALLERS, COMMAND, LauncherTest, PROGRAM, environment, main, run


class OwnWaysTest(LauncherTest):
    def test_the_programs_own_way_joins_its_ranks(self):
        """Goal: an id, a broadcast or an all-gather of the program is enough. Method: a program that forks its ranks; 1, 3
        and 6 of them."""
        for way in ("id", "broadcast", "all_gather"):
            for ranks in (1, 3, 6):
                with self.subTest(way=way, ranks=ranks):
                    self.assert_sums(run([CALLERS, way, str(ranks)]), ranks)

    def test_an_id_made_elsewhere_is_refused_at_rank_0(self):
        """Goal: rank 0 without the door says so at once, and the others end at the deadline. Method: the ranks swapped."""
        status, output = run([CALLERS, "stolen", "2"], GOSSAMER_INIT_TIMEOUT_S="1")
        self.assertNotEqual(status, 0)
        self.assertIn("was not made in its process", output)

    def test_a_folder_joins_ranks_by_hand(self):
        """Goal: rank, count and a folder are enough; the session has a secret, and the folder is left empty. Method: 3
        processes, two sessions each."""
        with tempfile.TemporaryDirectory(prefix="gossamer-folder-") as folder:
            ranks = [subprocess.Popen([PROGRAM, "2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      env=environment(GOSSAMER_RANK=str(rank), GOSSAMER_RANK_COUNT="3",
                                                      GOSSAMER_FOLDER=folder)) for rank in range(3)]
            output = b"".join(rank.communicate(timeout=40)[0] for rank in ranks).decode()
            self.assert_sums((max(rank.returncode for rank in ranks), output), 3, 2)
            self.assertEqual(os.listdir(folder), [])

    def test_torchruns_variables_are_enough(self):
        """Goal: what other launchers of PyTorch set works as torchrun does. Method: the four variables."""
        ranks = [subprocess.Popen([PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env=environment(RANK=str(rank), WORLD_SIZE="3", MASTER_ADDR="127.0.0.1",
                                                  MASTER_PORT="20150")) for rank in range(3)]
        output = b"".join(rank.communicate(timeout=40)[0] for rank in ranks).decode()
        self.assert_sums((max(rank.returncode for rank in ranks), output), 3)

    def test_half_of_a_launchers_variables_is_said(self):
        """Goal: a launcher that cannot be asked ends with what to set, never with sessions of one. Method: ranks and counts
        of launchers without the way to ask them; a rank beyond the count; a folder without ranks."""
        for variables, expected in (
                ({"PMI_RANK": "1", "PMI_SIZE": "2"}, "an MPI launcher (PMI) started 2 processes"),
                ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}, "Open MPI's mpirun started 2 processes"),
                ({"RANK": "5", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "20160"}, "a rank from 0 to 1"),
                ({"GOSSAMER_FOLDER": "/tmp"}, "set GOSSAMER_RANK and GOSSAMER_RANK_COUNT"),
                ({"GOSSAMER_LAUNCHER": "pmix"}, "nothing here is its"),
                ({"GOSSAMER_LAUNCHER": "mpirun"}, "auto, pmix, pmi, slurm, torchrun, folder or tcp"),
                ({"SLURM_PROCID": "9", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_ID": "0", "SLURM_JOB_ID": "1",
                  "SLURM_STEP_NODELIST": "n1", "SLURM_STEP_NUM_NODES": "1"}, "a rank from 0 to 1"),
                ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_ID": "0", "SLURM_JOB_ID": "1",
                  "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_STEP_NUM_NODES": "2"}, "srun --mpi=pmix")):
            with self.subTest(expected=expected):
                status, output = run([PROGRAM], **variables)
                self.assertEqual(status, 1, output)
                self.assertIn(expected, output)

    def test_a_pmix_server_that_is_gone_or_silent_is_an_error_in_time(self):
        """Goal: no hang, whatever PMIx does. Method: an address where nobody listens; one that takes the connection and
        says nothing."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            for address in (1, port):
                place = f"prterun-x@0.0;tcp4://127.0.0.1:{address}"
                with self.subTest(address=address):
                    status, output = run([PROGRAM], 20, PMIX_NAMESPACE="x@1", PMIX_RANK="0", PMIX_SERVER_URI41=place,
                                         PMIX_SERVER_URI4=place, PMIX_SERVER_URI3=place, PMIX_SERVER_URI2=place,
                                         PMIX_SERVER_URI21=place, GOSSAMER_INIT_TIMEOUT_S="2")
                    if "libpmix.so.2" in output:
                        self.skipTest("libpmix.so.2 is not installed")
                    self.assertEqual(status, 1, output)
                    self.assertRegex(output, "init: GOSSAMER_(UNAVAILABLE|DEADLINE): PMIx")

    def test_info_says_what_would_be_taken_and_why(self):
        """Goal: `gossamer info` has the order, the one that would be taken here, and the reason. Method: with nothing set;
        with PMI's variables; with rank and count as well."""
        _, output = run([COMMAND, "info"])
        self.assertRegex(output, r"(?m)^tcp +\* .*nothing else was found")
        _, output = run([COMMAND, "info"], PMI_FD="9", PMI_RANK="1", PMI_SIZE="2")
        self.assertRegex(output, r"(?m)^pmi +\* .*PMI_FD, PMI_RANK and PMI_SIZE are set")
        _, output = run([COMMAND, "info"], PMI_FD="9", PMI_RANK="1", PMI_SIZE="2", GOSSAMER_RANK="0",
                        GOSSAMER_RANK_COUNT="2")
        self.assertRegex(output, r"(?m)^tcp +\* .*the settings say rank and rank count")


if __name__ == "__main__":
    main()
