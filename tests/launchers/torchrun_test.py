"""Programs under torchrun, the real one where torch is installed. Skips itself where it is not."""
import re
import tempfile

from launchers import LauncherTest, PROGRAM, main, need, run


class TorchrunTest(LauncherTest):
    def test_a_program_without_torch_finds_its_ranks(self):
        """Goal: torchrun starts any program. Method: 3 ranks. What they print goes to files and comes back with a prefix:
        torch 1.13 under Python 3.11 ends with an error where nothing is redirected."""
        with tempfile.TemporaryDirectory(prefix="gossamer-torchrun-") as logs:
            status, output = run(["torchrun", "--nproc_per_node", "3", "--master_port", "20140", "--log_dir", logs,
                                  "--redirects", "1", "--tee", "1", "--no_python", PROGRAM])
        self.assert_sums((status, re.sub(r"(?m)^\[[^\]]*\]:", "", output)), 3)


if __name__ == "__main__":
    need("torchrun")
    main()
