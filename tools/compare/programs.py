"""The programs of the comparison: how each is built, and how its ranks are started in shared memory and in a lab."""
import importlib.machinery
import importlib.util
import os
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("GOSSAMER_BUILD", os.path.join(ROOT, "build", "release")))
ON_HOST = os.path.join(HERE, "on-host")
COMPILED = ["-O3", "-march=native", "-Wall", "-Wextra"]
START_S, TURN_S = 60, 120  # for starting a program, and for the longest turn


class Trouble(Exception):
    """Ends the comparison, or one program's part in it: a sentence."""


def say(message):
    print(f"compare: {message}", file=sys.stderr, flush=True)


def net_lab():
    """tools/net-lab as a module."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("net_lab", os.path.join(ROOT, "tools", "net-lab"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("net_lab", loader))
    loader.exec_module(module)
    return module


def compile_with(compiler, source, target, *options):
    """The source and the loop of turns, which has been compiled before."""
    run_compiler(compiler, os.path.join(HERE, source), os.path.join(os.path.dirname(target), "turns.o"), *options,
                 "-o", target)


def run_compiler(compiler, *arguments):
    command = [compiler, *COMPILED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Trouble(f"`{' '.join(command)}` failed:\n{done.stderr}")


def build_turns(folder):
    run_compiler("cc", "-std=c11", "-c", os.path.join(HERE, "turns.c"), "-o", os.path.join(folder, "turns.o"))


class Place:
    """Where ranks run: on this host (lab None), or each on a host of its own."""

    def __init__(self, name, ranks, folder, lab=None):
        self.name, self.ranks, self.folder, self.lab = name, ranks, folder, lab
        self.cores = len(os.sched_getaffinity(0))

    def address(self, rank):
        return f"10.77.0.{rank + 1}" if self.lab else "127.0.0.1"

    def on_host(self, rank, command):
        """The command in that rank's network."""
        return ["ip", "netns", "exec", self.lab.host(rank), *command] if self.lab else command

    @property
    def crowded(self):
        """More ranks than cores, which all hosts of a lab share."""
        return self.ranks > self.cores


class Mpi:
    """One of Debian's, beside each other by the names of their commands."""

    @classmethod
    def missing(cls):
        absent = [each for each in (cls.compiler, cls.launcher) if shutil.which(each) is None]
        return f"no {absent[0]}" if absent else None

    @classmethod
    def build(cls, folder):
        compile_with(cls.compiler, "mpi_peer.c", os.path.join(folder, cls.name), "-std=c11")


class OpenMpi(Mpi):
    """Debian's Open MPI: bound to cores where there are enough, and yielding where there are not."""
    name, label, what = "open-mpi", "Open MPI", "Open MPI's MPI_Allreduce"
    compiler, launcher = "mpicc.openmpi", "mpirun.openmpi"

    def commands(self, place, path):
        command = [self.launcher, "--allow-run-as-root", "--oversubscribe", "-np", str(place.ranks)]
        command += ["--bind-to", "none" if place.crowded else "core"]
        if place.crowded:
            command += ["--mca", "mpi_yield_when_idle", "1"]
        if place.lab:
            command += ["--host", ",".join(place.address(rank) for rank in range(place.ranks)),
                        "--mca", "plm_rsh_agent", ON_HOST, "--mca", "oob_tcp_if_include", "e0",
                        "--mca", "btl_tcp_if_include", "e0", "--mca", "btl", "self,tcp", "--mca", "pml", "ob1"]
        return [(place.on_host(0, [*command, os.path.join(place.folder, self.name), path]), {})]


class Mpich(Mpi):
    """Debian's MPICH, which has UCX below it."""
    name, label, what = "mpich", "MPICH", "MPICH's MPI_Allreduce"
    compiler, launcher = "mpicc.mpich", "mpiexec.mpich"

    def commands(self, place, path):
        command = [self.launcher, "-n", str(place.ranks)]
        environment = {"MPIR_CVAR_POLLS_BEFORE_YIELD": "1"} if place.crowded else {}
        if not place.crowded:
            command += ["-bind-to", "core"]
        if place.lab:
            command += ["-launcher", "ssh", "-launcher-exec", ON_HOST, "-localhost", place.address(0), "-iface", "e0",
                        "-hosts", ",".join(place.address(rank) for rank in range(place.ranks))]
            environment |= {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "e0", "MPIR_CVAR_NOLOCAL": "1"}
        return [(place.on_host(0, [*command, os.path.join(place.folder, self.name), path]), environment)]


class Gloo:
    """Debian's Gloo over TCP: it has no shared memory."""
    name, label, what = "gloo", "Gloo", "gloo::allreduce over TCP, its default algorithm (ring)"

    @staticmethod
    def missing():
        return None if os.path.exists("/usr/include/gloo/allreduce.h") else "no gloo/allreduce.h"

    @staticmethod
    def build(folder):
        compile_with("g++", "gloo_peer.cc", os.path.join(folder, "gloo"), "-lgloo", "-pthread")

    def commands(self, place, path):
        store = tempfile.mkdtemp(prefix="gloo-", dir=place.folder)
        return [(place.on_host(rank, [os.path.join(place.folder, self.name), path, store, str(rank), str(place.ranks),
                                      place.address(rank)]), {}) for rank in range(place.ranks)]


class Gossamer:
    """Gossamer from the build folder."""
    name, label, what = "gossamer", "Gossamer", "an all-reduce made once and started many times"
    arguments = ()

    @staticmethod
    def missing():
        library = os.path.join(BUILD, "bindings", "c", "libgossamer.so")
        if os.path.exists(library):
            return None
        return f"no {library}: build it with tools/test, or name its folder in GOSSAMER_BUILD"

    @staticmethod
    def build(folder):
        library = os.path.join(BUILD, "bindings", "c")
        compile_with("cc", "gossamer_peer.c", os.path.join(folder, "gossamer"), "-std=c11",
                     "-I" + os.path.join(ROOT, "bindings", "c"), "-L" + library, "-lgossamer", "-Wl,-rpath," + library)

    def commands(self, place, path):
        return gossamer_ranks(place, [os.path.join(place.folder, "gossamer"), path, *self.arguments])


class GossamerCall(Gossamer):
    """The one-off call, which is for small vectors."""
    name, label, what = "gossamer-call", "Gossamer, one-off", "gossamer_all_reduce"
    arguments = ("call",)
    bytes_max = 4 << 10


def gossamer_ranks(place, command):
    """Ranks of one session."""
    if place.lab is None:
        launcher = os.path.join(BUILD, "tools", "gossamer")
        return [([launcher, "run", "-n", str(place.ranks), "--", *command], {})]
    secret = tempfile.NamedTemporaryFile(prefix="secret-", dir=place.folder, delete=False)
    secret.write(os.urandom(16).hex().encode())
    secret.close()
    job = f"compare-{os.path.basename(secret.name)}"
    return [(place.on_host(rank, command), {
        **net_lab().session_environment(rank, place.ranks, rank, job, secret.name),
        "GOSSAMER_COST": "tcp-1g", **({"GOSSAMER_PROGRESS": "inline"} if place.crowded else {})}) for rank in range(place.ranks)]


class Running:
    """A program's ranks, started and waiting for turns."""

    def __init__(self, program, place):
        self.program, self.place = program, place
        self.errors = tempfile.TemporaryFile(dir=place.folder)
        self.processes, self.ranks = [], {}
        path = os.path.join(tempfile.mkdtemp(prefix="s-", dir=place.folder), "s")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.listener.bind(path)
            self.listener.listen(place.ranks)
            for command, environment in program.commands(place, path):
                extra = {"GOSSAMER_COMPARE_LAB": place.lab.name} if place.lab else {}
                self.processes.append(subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", *command], env={**os.environ, **extra, **environment},
                    stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors, start_new_session=True))
            self.accept()
        except BaseException:
            self.end()
            raise

    def failed(self, why):
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        return Trouble(f"{self.program.label}, {self.place.ranks} ranks, {self.place.name}: {why}"
                       + "".join("\n    " + line for line in said[-8:]))

    def accept(self):
        limit = time.monotonic() + START_S
        while len(self.ranks) < self.place.ranks:
            if any(process.poll() is not None for process in self.processes):
                raise self.failed("it ended before its ranks were there")
            if time.monotonic() > limit:
                raise self.failed(f"only {len(self.ranks)} ranks came in {START_S} s")
            if select.select([self.listener], [], [], 0.1)[0]:
                connection, _ = self.listener.accept()
                connection.settimeout(START_S)
                self.ranks[int(connection.makefile().readline())] = connection

    def take_turn(self, line, words):
        """Sends the line to every rank; gives each rank's `words` numbers, by rank."""
        try:
            for connection in self.ranks.values():
                connection.sendall(line.encode() + b"\n")
            found = []
            for rank in range(self.place.ranks):
                connection, data = self.ranks[rank], b""
                connection.settimeout(TURN_S)
                while len(data) < 8 * words:
                    part = connection.recv(8 * words - len(data))
                    if not part:
                        raise self.failed(f"rank {rank} ended in a turn ({line})")
                    data += part
                found.append(struct.unpack(f"={words}q", data))
            return found
        except OSError as error:
            raise self.failed(f"no answer to a turn ({line}): {error}") from error

    def all_reduce_us(self, size, warm_up, count):
        """Each operation's time on its slowest rank."""
        by_rank = self.take_turn(f"{size} {warm_up} {count}", count)
        return [max(times) / 1e3 for times in zip(*by_rank)]

    def end(self):
        """The programs end by themselves when their sockets close; those that hang in a collective are made to."""
        for connection in self.ranks.values():
            connection.close()
        self.listener.close()
        for patience_s, signal_number in ((10, signal.SIGTERM), (3, signal.SIGKILL)):
            limit = time.monotonic() + patience_s
            for process in self.processes:
                try:
                    process.wait(max(0, limit - time.monotonic()))
                except subprocess.TimeoutExpired:
                    pass
                try:
                    os.killpg(process.pid, signal_number)
                except ProcessLookupError:
                    pass
        for process in self.processes:
            process.wait()
        self.errors.close()


def percentile(samples, q):
    """Nearest rank, as tools/command/report.h has it."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -int(-q * len(ordered) // 1) - 1))]


def median(samples):
    return statistics.median(samples)


ALL = [OpenMpi(), Mpich(), Gloo(), Gossamer(), GossamerCall()]
