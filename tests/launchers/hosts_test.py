"""Launchers over several hosts: network namespaces of tools/net-lab, each with one interface, and a stand-in for ssh. Skips
itself where these cannot be made."""
import json
import os
import shutil
import subprocess
import sys

from launchers import EXIT_NOTHING, HERE, LauncherTest, PROGRAM, environment, main, run

TOOLS = os.path.join(HERE, "..", "..", "tools")
LAB, AGENT = os.path.join(TOOLS, "net-lab"), os.path.join(TOOLS, "compare", "on-host")
NAME = f"launch{os.getpid()}"
HOSTS = ",".join(f"10.77.0.{host}:2" for host in (1, 2, 3))
TWO_HOSTS = HOSTS.rsplit(",", 1)[0]
# As Debian's run between such hosts; which interface is for MPI's own daemons.
OPEN_MPI = ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "--mca", "plm_rsh_agent", AGENT, "--mca",
            "oob_tcp_if_include", "e0", "--mca", "routed", "direct", "--mca", "btl", "self,tcp", "--mca",
            "btl_tcp_if_include", "e0", "--mca", "pml", "ob1", "-H", HOSTS, "-n", "6"]
HYDRA = ["mpiexec.hydra", "-launcher", "ssh", "-launcher-exec", AGENT, "-iface", "e0", "-hosts", HOSTS, "-n", "6"]


class HostsTest(LauncherTest):
    def on_host_0(self, *words, **variables):
        return run(["ip", "netns", "exec", f"gossamer-{NAME}-0", "unshare", "--uts", "sh", "-c",
                    'hostname host0; exec "$@"', "sh", *words], GOSSAMER_COMPARE_LAB=NAME, **variables)

    def test_ranks_of_several_hosts_meet_without_a_step_of_the_users(self):
        """Goal: rank 0 is found at an address that other hosts reach, and listens beyond the loopback with a secret that
        nobody was asked for. Method: two ranks on each of three hosts, by PMIx and by PMI."""
        for words in (OPEN_MPI, HYDRA):
            with self.subTest(launcher=words[0]):
                if shutil.which(words[0]) is None:
                    self.skipTest(f"{words[0]} is not installed")
                self.assert_sums(self.on_host_0(*words, PROGRAM, "2"), 6, 2)

    def test_an_mpi_program_of_several_hosts_needs_nothing_else(self):
        """Goal: gossamer_mpi.h tells hosts apart, though all are one machine here. Method: both MPIs."""
        for words, compiler in ((OPEN_MPI, "mpicc.openmpi"), (HYDRA, "mpicc.mpich")):
            with self.subTest(compiler=compiler):
                if shutil.which(compiler) is None:
                    self.skipTest(f"{compiler} is not installed")
                program = self.build_mpi_program(compiler)
                status, output = self.on_host_0(*words, program, "header")
                self.assertEqual((status, output.count("MPI is right")), (0, 6), output)

    def test_an_interface_can_be_chosen_under_a_launcher(self):
        """Goal: GOSSAMER_INTERFACE is heard where a launcher started the ranks: they meet over the network that it names,
        and one that no host has ends every rank with those that there are. Method: a second network between two of the
        hosts, whose bytes are counted; two ranks on each, by PMIx and by PMI."""
        def ip(host, *words):
            return subprocess.run(["ip", "-n", f"gossamer-{NAME}-{host}", *words], check=True, capture_output=True,
                                  text=True).stdout

        def bytes_sent():
            return json.loads(ip(0, "-s", "-j", "link", "show", "x0"))[0]["stats64"]["tx"]["bytes"]

        ip(0, "link", "add", "x0", "type", "veth", "peer", "name", "x0", "netns", f"gossamer-{NAME}-1")
        self.addCleanup(ip, 0, "link", "del", "x0")
        for host in (0, 1):
            ip(host, "addr", "add", f"10.88.0.{host + 1}/24", "dev", "x0")
            ip(host, "link", "set", "x0", "up")
        for words in ([*OPEN_MPI, "-x", "GOSSAMER_INTERFACE"], HYDRA):
            with self.subTest(launcher=words[0]):
                if shutil.which(words[0]) is None:
                    self.skipTest(f"{words[0]} is not installed")
                words = [{HOSTS: TWO_HOSTS, "6": "4"}.get(word, word) for word in words]
                for interface, least in (("x0", 2_000), ("10.88.0.0/16", 2_000), ("^x0", 0)):
                    before = bytes_sent()
                    self.assert_sums(self.on_host_0(*words, PROGRAM, GOSSAMER_INTERFACE=interface), 4)
                    sent = bytes_sent() - before
                    self.assertTrue(sent > least if least else sent < 2_000, f"{interface}: {sent} B over x0")
                status, output = self.on_host_0(*words, PROGRAM, GOSSAMER_INTERFACE="eth7")
                self.assertNotEqual(status, 0, output)
                self.assertRegex(output, r'GOSSAMER_INTERFACE is "eth7", and no interface .*; there are .*x0 \(10\.88')


if __name__ == "__main__":
    made = subprocess.run([LAB, "up", "3", "--name", NAME], capture_output=True, text=True, env=environment(), check=False)
    if made.returncode != 0:
        print(f"skipped: {made.stderr.strip()}", file=sys.stderr)
        sys.exit(EXIT_NOTHING)
    try:
        main()
    finally:
        subprocess.run([LAB, "down", "--name", NAME], check=False, env=environment())
