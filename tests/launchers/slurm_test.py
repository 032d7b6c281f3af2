"""Programs under srun of a Slurm of the test's own: slurmctld, slurmd and munged in a temporary folder, in network, process
and mount namespaces, without systemd. Skips itself, with the reason, where that cannot start."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from launchers import EXIT_NOTHING, LauncherTest, PROGRAM, environment, main, need, run

START_S = 20
INSIDE = "GOSSAMER_TEST_INSIDE"

CONFIGURATION = """
ClusterName=gossamer
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort=26817
SlurmdPort=26818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 Boards=1 SocketsPerBoard=1 CoresPerSocket=16 ThreadsPerCore=1 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:8
"""


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(EXIT_NOTHING)


def enter_namespaces():
    """Goes on in namespaces where ports are free, and where all that was started ends with the test."""
    if INSIDE in os.environ:
        # slurmd looks for an address that is not loopback; the name of this host must lead somewhere.
        subprocess.run("ip link set lo up && ip address add 10.77.0.1/24 dev lo && mount -t tmpfs tmpfs /dev/shm",
                       shell=True, check=True)
        return
    if os.geteuid() != 0:
        skip("Slurm's daemons need root")
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
    if subprocess.run([*words, "true"], check=False, capture_output=True).returncode != 0:
        skip("namespaces cannot be made here")
    os.environ[INSIDE] = "1"
    os.execvp(words[0], [*words, sys.executable, "-B", *sys.argv])


class Slurm:
    def __init__(self, folder):
        self.folder = folder
        self.daemons = []
        os.environ["SLURM_CONF"] = os.path.join(folder, "slurm.conf")

    def start(self, *words):
        log = open(os.path.join(self.folder, os.path.basename(words[0]) + ".log"), "wb")
        self.daemons.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                             env=environment(SLURM_CONF=os.environ["SLURM_CONF"])))
        log.close()

    def begin(self):
        folder = self.folder
        for name in ("munge", "state", "spool"):
            os.mkdir(os.path.join(folder, name), 0o700)
        with open(os.open(f"{folder}/munge/key", os.O_WRONLY | os.O_CREAT, 0o400), "wb") as file:
            file.write(os.urandom(1024))
        with open(f"{folder}/slurm.conf", "w", encoding="ascii") as file:
            file.write(CONFIGURATION.format(folder=folder, host=socket.gethostname().split(".")[0]))
        self.start("munged", "--force", "--foreground", f"--socket={folder}/munge/socket", f"--key-file={folder}/munge/key",
                   f"--log-file={folder}/munge/log", f"--pid-file={folder}/munge/pid", f"--seed-file={folder}/munge/seed")
        self.start("slurmctld", "-D")
        self.start("slurmd", "-D")
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            state = subprocess.run(["sinfo", "-h", "-o", "%t"], capture_output=True, text=True, check=False)
            if state.stdout.strip() == "idle":
                return
            if any(daemon.poll() is not None for daemon in self.daemons):
                break
            time.sleep(0.05)  # sinfo has no way to wait
        logs = ""
        for name in ("munged", "slurmctld", "slurmd"):
            with open(f"{folder}/{name}.log", encoding="utf-8", errors="replace") as file:
                logs += f"\n{name}: " + " | ".join(file.read().splitlines()[-3:])
        skip("Slurm does not start here:" + logs)

    def end(self):
        for daemon in reversed(self.daemons):
            daemon.kill()
            daemon.wait()


class SlurmTest(LauncherTest):
    @staticmethod
    def private_files():
        folder = f"/tmp/gossamer-{os.geteuid()}"
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def srun(self, *words, **variables):
        return run(["srun", "--quiet", *words], **{"SLURM_CONF": os.environ["SLURM_CONF"], **variables})

    def test_a_program_without_mpi_finds_its_ranks_each_way(self):
        """Goal: srun starts what knows nothing of MPI: by PMIx, by PMI, and by its variables alone. Method: each, two
        sessions; 1, 3 and 6 tasks by the variables; nothing is left in the private folder."""
        before = self.private_files()
        for way in ("none", "pmi2", "pmix"):
            for tasks in (1, 3, 6) if way == "none" else (3,):
                with self.subTest(way=way, tasks=tasks):
                    done = self.srun(f"--mpi={way}", "-n", str(tasks), PROGRAM, "2")
                    if way != "none" and "Invalid MPI type" in done[1]:
                        self.skipTest(f"this Slurm has no plugin for {way}")
                    self.assert_sums(done, tasks, 2)
        self.assertEqual(self.private_files(), before)

    def test_a_shared_folder_carries_the_words_where_it_is_named(self):
        """Goal: GOSSAMER_FOLDER under srun. Method: a folder of the test's; it is left empty."""
        with tempfile.TemporaryDirectory(prefix="gossamer-folder-") as folder:
            self.assert_sums(self.srun("-n", "3", PROGRAM, GOSSAMER_FOLDER=folder), 3)
            self.assertEqual(os.listdir(folder), [])

    def test_an_mpi_program_starts_unchanged(self):
        """Goal: what runs under mpirun and mpiexec runs under srun. Method: Open MPI's by PMIx, MPICH's by PMI."""
        for compiler, way in (("mpicc.openmpi", "pmix"), ("mpicc.mpich", "pmi2")):
            with self.subTest(compiler=compiler):
                if shutil.which(compiler) is None:
                    self.skipTest(f"{compiler} is not installed")
                program = self.build_mpi_program(compiler)
                status, output = self.srun(f"--mpi={way}", "-n", "3", program, "header")
                self.assertEqual((status, output.count("MPI is right")), (0, 3), output)


if __name__ == "__main__":
    need("slurmctld", "slurmd", "munged", "srun", "unshare", "ip")
    enter_namespaces()
    with tempfile.TemporaryDirectory(prefix="gossamer-slurm-") as place:
        cluster = Slurm(place)
        try:
            cluster.begin()
            main()
        finally:
            cluster.end()
