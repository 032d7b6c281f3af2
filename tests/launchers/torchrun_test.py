"""Programs under torchrun, the real one where torch is installed. Skips itself where it is not."""
from launchers import LauncherTest, PROGRAM, main, need, run


class TorchrunTest(LauncherTest):
    def test_a_program_without_torch_finds_its_ranks(self):
        """Goal: torchrun starts any program. Method: 3 ranks."""
        self.assert_sums(run(["torchrun", "--nproc_per_node", "3", "--master_port", "20140", "--no_python", PROGRAM]), 3)


if __name__ == "__main__":
    need("torchrun")
    main()
