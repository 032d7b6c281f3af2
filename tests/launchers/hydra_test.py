"""Programs under MPICH's mpiexec (hydra): PMI-1. Skips itself where there is none."""
import sys

from launchers import LIBRARY, LauncherTest, PROGRAM, main, need, run


class HydraTest(LauncherTest):
    def test_a_program_without_mpi_finds_its_ranks(self):
        """Goal: mpiexec starts what knows nothing of MPI, for any count. Method: 1, 3 and 6 ranks, two sessions each; by
        the descriptor and by a port."""
        for ranks in (1, 3, 6):
            self.assert_sums(run(["mpiexec.hydra", "-n", str(ranks), PROGRAM, "2"]), ranks, 2)
        self.assert_sums(run(["mpiexec.hydra", "-pmi-port", "-n", "3", PROGRAM, "2"]), 3, 2)

    def test_mpi_in_the_program_goes_on(self):
        """Goal: MPI has its launcher to itself. Method: by the header; and gossamer_init, which is refused with advice
        before it has touched the descriptor: MPI ends well."""
        program = self.build_mpi_program("mpicc.mpich")
        status, output = run(["mpiexec.hydra", "-n", "3", program, "header"])
        self.assertEqual((status, output.count("MPI is right")), (0, 3), output)
        for rank in range(3):
            self.assertIn(f"rank {rank} of 3: sums are right", output)
        status, output = run(["mpiexec.hydra", "-n", "3", program, "launcher"])
        self.assertEqual((status, output.count("MPI is right")), (0, 3), output)
        self.assertEqual(output.count("begin with gossamer_mpi_init of gossamer_mpi.h"), 3, output)

    def test_an_mpi_that_only_an_extension_sees_is_noticed(self):
        """Goal: MPI in a Python program (mpi4py) is MPI in the program. Method: MPICH's library opened for nobody else, then
        gossamer_init."""
        program = ("import ctypes, sys; ctypes.CDLL('libmpich.so.12'); library = ctypes.CDLL(sys.argv[1]); "
                   "session = ctypes.c_void_p(); status = library.gossamer_init(None, ctypes.byref(session)); "
                   "library.gossamer_last_error.restype = ctypes.c_char_p; print(status, library.gossamer_last_error())")
        status, output = run(["mpiexec.hydra", "-n", "2", sys.executable, "-c", program, LIBRARY])
        self.assertEqual((status, output.count("begin with gossamer_mpi_init of gossamer_mpi.h")), (0, 2), output)


if __name__ == "__main__":
    need("mpiexec.hydra", "mpicc.mpich")
    main()
