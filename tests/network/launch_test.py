"""`gossamer run --hosts`: over a program that only calls itself a way to another host, over sshd of this machine, and
between hosts that are network namespaces (tools/net-lab).

Usage: launch_test.py NET_LAB GOSSAMER EXCHANGE_PEER [TEST...].
"""
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import net_lab
from net_lab import lab

GOSSAMER = EXCHANGE_PEER = ""
LIMIT_S = 60
SSHD = "/usr/sbin/sshd"
# Words of a shell, as ssh hands them to the one on the other host.
AGENT = "#!/bin/sh\nhost=$1; shift\n{}\nexec /bin/sh -c \"$*\"\n"


class Ran:
    """gossamer run in the background: its status, stdout and stderr."""

    running = []

    def __init__(self, *words, environment=None, folder=None, within=()):
        # A group of its own, as a shell's job: what stops it does not stop the test.
        self.process = subprocess.Popen([*within, GOSSAMER, "run", "--settle", "0.2", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, cwd=folder, preexec_fn=os.setpgrp,
                                        env={**os.environ, **(environment or {})})
        self.running.append(self)

    @classmethod
    def kill_all(cls):
        """What a failed test has left."""
        while cls.running:
            cls.running[0].process.kill()
            cls.running[0].end()

    def end(self, given="", limit_s=LIMIT_S):
        self.running.remove(self)
        try:
            self.output, self.errors = self.process.communicate(given, limit_s)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            self.output, self.errors = self.process.communicate()
            raise AssertionError(f"it still runs after {limit_s} s:\n{self.output}{self.errors}") from error
        return self.process.returncode


def state(pid):
    """The kernel's letter for what a process does; Z where there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def runs(pid):
    return state(pid) != "Z"


def wait_until(is_so, what):
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {LIMIT_S} s: {what}")
        time.sleep(0.005)


class LaunchTest(unittest.TestCase):
    """A folder of its own, in which ranks and agents write who they are."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(Ran.kill_all)
        self.folder = folder.name

    def agent(self, before="", name="agent"):
        """A program that takes HOST COMMAND, and does `before` first."""
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="ascii") as file:
            file.write(AGENT.format(before))
        os.chmod(path, 0o755)
        return path

    def pids(self, count, name="rank"):
        """The processes that introduce() told of, once all have."""
        paths = [f"{self.folder}/{name}{index}" for index in range(count)]
        wait_until(lambda: all(os.path.exists(path) for path in paths), paths)
        return [self.pid_in(path) for path in paths]

    @staticmethod
    def pid_in(path):
        with open(path, encoding="ascii") as file:
            return int(file.read())

    def introduce(self, then="exec sleep 1000"):
        """A rank that says which process it is, by a file that is whole when it is there."""
        return ["sh", "-c", f"echo $$ > {self.folder}/new$GOSSAMER_RANK; "
                f"mv {self.folder}/new$GOSSAMER_RANK {self.folder}/rank$GOSSAMER_RANK; {then}"]

    def write(self, name, words):
        with open(f"{self.folder}/{name}", "w", encoding="ascii") as file:
            file.write(words)

    def start_sshd(self, addresses, port, within=lambda place: ()):
        """One at each address, with keys of its own; gives the ssh that knows them as node1, node2 (the last address),
        and as stranger, whom it does not let in. `within`: words before a command that take it to a place."""
        if not os.access(SSHD, os.X_OK) or shutil.which("ssh") is None:
            self.skipTest(f"there is no {SSHD}, or no ssh: tools/install-packages installs openssh-server")
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.folder}/{key}"], check=True)
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # sshd's own, which Debian's service makes
        with open(f"{self.folder}/host.pub", encoding="ascii") as file:
            key = file.read()
        self.write("known", "".join(f"[{address}]:{port} {key}" for address in addresses))
        common = f"  Port {port}\n  IdentityFile {self.folder}/"
        self.write("ssh_config", f"Host node1\n  HostName {addresses[0]}\n{common}user\n"
                   f"Host node2\n  HostName {addresses[-1]}\n{common}user\n"
                   f"Host stranger\n  HostName {addresses[0]}\n{common}host\n"
                   f"Host *\n  IdentitiesOnly yes\n  BatchMode yes\n  UserKnownHostsFile {self.folder}/known\n"
                   "  LogLevel ERROR\n")
        ssh = f"ssh -F {self.folder}/ssh_config"
        for place, address in enumerate(addresses):
            self.write("sshd_config", f"Port {port}\nListenAddress {address}\nHostKey {self.folder}/host\n"
                       f"AuthorizedKeysFile {self.folder}/user.pub\nPidFile none\nStrictModes no\nUsePAM no\n"
                       "PasswordAuthentication no\n")
            with open(f"{self.folder}/sshd_log", "wb") as log:
                sshd = subprocess.Popen([*within(place), SSHD, "-D", "-e", "-f", f"{self.folder}/sshd_config"],
                                        stderr=log, stdin=subprocess.DEVNULL)
            self.addCleanup(lambda sshd=sshd: (sshd.terminate(), sshd.wait()))
            answers = [*within(place), *ssh.split(), f"node{place + 1}", "true"]
            deadline = time.monotonic() + 10
            while subprocess.run(answers, capture_output=True, check=False).returncode != 0:
                if time.monotonic() > deadline or sshd.poll() is not None:
                    with open(f"{self.folder}/sshd_log", encoding="utf-8", errors="replace") as log:
                        self.skipTest(f"sshd of this machine does not let its own user in: {log.read().strip()}")
                time.sleep(0.05)
        return ssh

    def expect_none(self, pids):
        wait_until(lambda: not any(runs(pid) for pid in pids), f"all of {pids} are gone")

    def expect_failure(self, status, sentence, *words, **more):
        ran = Ran(*words, **more)
        self.assertEqual(ran.end(), status, ran.errors)
        self.assertRegex(ran.errors, sentence)
        return ran.errors


class OtherHosts(LaunchTest):
    """What is the same for every way to a host."""

    def test_ranks_stand_in_blocks_by_host_and_their_lines_come_whole(self):
        # Goal: uneven ranks for each host, in the order of the file, each with its place, the folder and the variables
        # of the launcher; lines and streams as on one host; a tally by rank with the hosts. Method: three "hosts", one
        # of which greets everybody who comes.
        agent = self.agent("[ $host != b ] || echo 'Welcome to b'; unset KEPT GIVEN GOSSAMER_LOG")
        with open(f"{self.folder}/hosts", "w", encoding="ascii") as file:
            file.write("a slots=2\nb:1 # one\nc slots=3\n")
        ran = Ran("--hostfile", f"{self.folder}/hosts", "--launch-agent", agent, "--export", "KEPT", "--export",
                  "GIVEN=a b", "--json", f"{self.folder}/json", "--", "sh", "-c",
                  "echo $GOSSAMER_RANK of $GOSSAMER_RANK_COUNT on $GOSSAMER_HOST in $(pwd) with $KEPT, $GIVEN, "
                  "$GOSSAMER_LOG, $NOT_KEPT; echo words >&2; printf end",
                  environment={"KEPT": "a'\"$x", "NOT_KEPT": "", "GOSSAMER_LOG": "warning"}, folder=self.folder)
        self.assertEqual(ran.end(), 0, ran.errors)
        folder = os.path.realpath(self.folder)
        expected = [f"[{rank}] {rank} of 6 on {host} in {folder} with a'\"$x, a b, warning,"
                    for rank, host in enumerate("aabccc")]
        self.assertEqual(sorted(ran.output.splitlines()), sorted(expected + [f"[{rank}] end" for rank in range(6)]))
        self.assertEqual(sorted(ran.errors.splitlines()), [f"[{rank}] words" for rank in range(6)] + ["b: Welcome to b"])
        with open(f"{self.folder}/json", encoding="utf-8") as file:
            rows = json.load(file)["rows"]
        self.assertEqual([(row["rank"], row["host"], row["status"]) for row in rows],
                         [(rank, host, 0) for rank, host in enumerate("aabccc")])

    def test_a_session_is_joined_with_a_secret_that_no_command_line_shows(self):
        # Goal: ranks of several hosts exchange, by the secret of the job, which stands in no command line and no
        # environment. Method: the exchange, then what every process of this machine shows while ranks have the digits.
        agent = self.agent()
        ran = Ran("--hosts", "a:2,b:1", "--launch-agent", agent, "--", EXCHANGE_PEER, "--steps", "3")
        self.assertEqual(ran.end(), 0, ran.errors)
        self.assertEqual(len(re.findall("done 3", ran.output)), 3)
        ran = Ran("--hosts", "a:1,b:1", "--launch-agent", agent, "--", *self.introduce(
            f"cat /dev/fd/${{GOSSAMER_SECRET#fd:}} > {self.folder}/digits$GOSSAMER_RANK; : > {self.folder}/told$GOSSAMER_RANK; "
            f"until [ -e {self.folder}/all ]; do sleep 0.01; done"))
        wait_until(lambda: all(os.path.exists(f"{self.folder}/told{rank}") for rank in range(2)), "both have read it")
        shown = b""
        for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
            try:
                with open(path, "rb") as file:
                    shown += file.read() + b"\n"
            except OSError:  # it has ended, or is another user's
                pass
        self.write("all", "")
        self.assertEqual(ran.end(), 0, ran.errors)
        digits = []
        for rank in range(2):
            with open(f"{self.folder}/digits{rank}", "rb") as file:
                digits.append(file.read())
        self.assertRegex(digits[0], b"^[0-9a-f]{64}$")
        self.assertEqual(digits[0], digits[1])
        self.assertIn(b"GOSSAMER_SECRET=fd:", shown)
        self.assertNotIn(digits[0], shown)

    def test_rank_0_reads_what_the_launcher_is_given(self):
        # Goal: more than any pipe holds arrives whole and in order at rank 0, and nobody else reads anything. Method: 3
        # MB to a rank 0 that begins to read late; and to one that ends without reading.
        given = "".join(f"line {number}\n" for number in range(300_000))
        ran = Ran("--hosts", "a:1,b:1", "--launch-agent", self.agent(), "--", "sh", "-c",
                  "[ $GOSSAMER_RANK = 0 ] && sleep 0.2; cksum; cat | wc -c")
        self.assertEqual(ran.end(given), 0, ran.errors)
        expected = subprocess.run(["cksum"], input=given, capture_output=True, text=True, check=True).stdout.strip()
        self.assertIn(f"[0] {expected}\n", ran.output)
        self.assertIn("[1] 4294967295 0\n", ran.output)
        ran = Ran("--hosts", "a:1,b:1", "--launch-agent", self.agent(), "--", "true")
        self.assertEqual(ran.end(given), 0, ran.errors)

    def test_a_failing_rank_ends_all_hosts_with_its_status(self):
        # Goal: the first failure is the job's, with rank and host, and nothing runs on. Method: one of four ranks ends
        # with 7 once all are there; another is killed.
        for then, status, how in (("exit 7", 7, "ended with status 7"), ("kill -SEGV $$", 139, "ended by signal 11")):
            ran = Ran("--hosts", "a:2,b:2", "--launch-agent", self.agent(), "--", *self.introduce(
                f"until [ -e {self.folder}/all ]; do sleep 0.01; done; [ $GOSSAMER_RANK = 3 ] && {then}; exec sleep 1000"))
            pids = self.pids(4)
            open(f"{self.folder}/all", "w", encoding="ascii").close()
            self.assertEqual(ran.end(), status, ran.errors)
            self.assertRegex(ran.errors, rf"gossamer run: rank 3 on b \(process {pids[3]}\) .*{how}.*ending the 3 other")
            self.expect_none(pids)
            for each in range(4):
                os.unlink(f"{self.folder}/rank{each}")
            os.unlink(f"{self.folder}/all")

    def test_signals_reach_the_ranks_of_every_host(self):
        # Goal: SIGUSR1 reaches all, an interrupt ends all, as on one host. Method: ranks that tell of the first.
        ran = Ran("--hosts", "a:1,b:2", "--launch-agent", self.agent(), "--",
                  *self.introduce(f"trap 'echo > {self.folder}/got$GOSSAMER_RANK' USR1; "
                                  f"mv {self.folder}/rank$GOSSAMER_RANK {self.folder}/ready$GOSSAMER_RANK; "
                                  "while :; do sleep 0.01; done"))
        pids = self.pids(3, "ready")
        ran.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: all(os.path.exists(f"{self.folder}/got{rank}") for rank in range(3)), "all got it")
        ran.process.send_signal(signal.SIGINT)
        self.assertEqual(ran.end(), 128 + signal.SIGINT, ran.errors)
        self.assertIn("interrupted by signal 2", ran.errors)
        self.expect_none(pids)

    def test_a_stop_holds_the_ranks_of_every_host(self):
        # Goal: Ctrl-Z stops all ranks, and they are not given up meanwhile; fg lets them go on. Method: a launcher that
        # is stopped for longer than the silence that it allows.
        ran = Ran("--hosts", "a:1,b:1", "--launch-agent", self.agent(), "--silence", "1", "--", *self.introduce())
        pids = self.pids(2)
        ran.process.send_signal(signal.SIGTSTP)
        wait_until(lambda: all(state(pid) == "T" for pid in pids), "the ranks stand still")
        wait_until(lambda: state(ran.process.pid) == "T", "the launcher stands still")
        time.sleep(1.5)
        ran.process.send_signal(signal.SIGCONT)
        wait_until(lambda: all(state(pid) != "T" for pid in pids), "the ranks go on")
        ran.process.send_signal(signal.SIGINT)
        self.assertEqual(ran.end(), 128 + signal.SIGINT, ran.errors)

    def test_a_connection_that_ends_ends_the_job(self):
        # Goal: a host whose connection ends in mid-run is named with its ranks, the others end, nothing runs on anywhere.
        # Method: the way to b, or its agent, is killed.
        for victim in ("way", "agent"):
            with self.subTest(victim=victim):
                way = self.agent(f"echo $$ > {self.folder}/agent_$host; "
                                 + ("" if victim == "agent" else "/bin/sh -c \"$*\"; exit $?"))
                ran = Ran("--hosts", "a:1,b:2", "--launch-agent", way, "--", *self.introduce())
                pids = self.pids(3)
                os.kill(self.pid_in(f"{self.folder}/agent_b"), signal.SIGKILL)
                self.assertEqual(ran.end(), 1, ran.errors)
                self.assertRegex(ran.errors, r"the connection to host b \(ranks 1 and 2\) ended: .*ending the 1 other peer")
                self.expect_none(pids)
                for each in range(3):
                    os.unlink(f"{self.folder}/rank{each}")

    def test_nothing_outlives_a_launcher_that_is_killed(self):
        # Goal: ranks on other hosts go when the launcher is no more. Method: SIGKILL.
        ran = Ran("--hosts", "a:1,b:1", "--launch-agent", self.agent(), "--", *self.introduce())
        pids = self.pids(2)
        ran.process.kill()
        ran.end()
        self.expect_none(pids)

    def test_a_silent_host_is_given_up(self):
        # Goal: a host of which nothing is heard ends the job, and an agent that hears nothing ends its ranks. Method: the
        # agent of b stands still, with ranks of its own, until the job has ended; then it goes on.
        ran = Ran("--hosts", "a:1,b:1", "--silence", "1", "--launch-agent",
                  self.agent(f"echo $$ > {self.folder}/agent_$host"), "--", *self.introduce())
        pids = self.pids(2)
        agent = self.pid_in(f"{self.folder}/agent_b")
        os.kill(agent, signal.SIGSTOP)
        self.assertEqual(ran.end(), 1, ran.errors)
        self.assertRegex(ran.errors, r"nothing was heard from host b \(rank 1\) for 1\.0 s")
        self.expect_none([agent, *pids])

    def test_a_host_that_cannot_be_reached_leaves_nothing_begun(self):
        # Goal: each way in which a host does not answer is told with host, ranks and what was said, and no rank starts.
        # Method: programs that fail like ssh, like a shell without gossamer, that talk nonsense, of another version.
        for sentence, at_b in (
                (r"b: no such host\ngossamer run: cannot reach host b \(ranks 2 and 3\): .* ended with status 255: no "
                 "such host\n", "echo no such host >&2; exit 255"),
                (r"there is no gossamer on host b \(ranks 2 and 3\): .*(not found|Permission denied).*; install it there",
                 "exec sh -c 'gossamer-that-is-nowhere'"),
                (r"gossamer on host b \(ranks 2 and 3\) is version 0\.0\.1 and this one is ",
                 "echo gossamer-agent 0.0.1; sleep 1000"),
                (r"what answers on host b \(ranks 2 and 3\) is no agent", "exec cat /dev/zero"),
                (r"cannot reach host b \(ranks 2 and 3\): .* ended with status 0, and no gossamer had begun", "exit 0")):
            with self.subTest(at_b=at_b):
                errors = self.expect_failure(1, sentence, "--hosts", "a:2,b:2", "--launch-agent",
                                             self.agent(f"[ $host != b ] || {{ {at_b}; }}"), "--", "touch",
                                             f"{self.folder}/begun")
                self.assertFalse(os.path.exists(f"{self.folder}/begun"), errors)
                self.assertNotIn("host a", errors)

    def test_what_cannot_be_started_on_a_host_is_told(self):
        # Goal: a program that is missing there, or a folder, is told with the host, by the statuses of one host. Method:
        # a PATH, and a folder, that the other host does not have.
        self.expect_failure(127, r"on host [ab] \(rank [01]\): there is no program \"no-such-program\"", "--hosts", "a,b",
                            "--launch-agent", self.agent(), "--", "no-such-program")
        folder = f"{self.folder}/here"
        os.mkdir(folder)
        ran = Ran("--hosts", "a", "--launch-agent", self.agent(f"cd /; rmdir {folder}"), "--", "pwd", folder=folder)
        self.assertEqual(ran.end(), 0, ran.errors)
        self.assertRegex(ran.errors, f"a has no folder {folder}")
        self.expect_failure(1, "no program \"no-agent\".*other hosts", "--hosts", "a", "--launch-agent", "no-agent", "true")

    def test_a_wrong_list_of_hosts_is_a_mistake_of_usage(self):
        # Goal: each mistake is told with what was expected, and status 2. Method: each once.
        path = f"{self.folder}/hosts"
        with open(path, "w", encoding="ascii") as file:
            file.write("a slots=2\nb cpus=4\n")
        for sentence, *words in (
                (r"hosts:2: \"cpus=4\" means nothing here; expected \"HOST slots=4\"", "--hostfile", path),
                ("cannot read the hostfile /no/such: No such file", "--hostfile", "/no/such"),
                ("\"a:x\" has no number of ranks.*expected hosts like a:4,b:2", "--hosts", "a:x"),
                ("both --hosts and --hostfile", "--hosts", "a", "--hostfile", path),
                ("5 ranks, and the hosts have room for 4", "-n", "5", "--hosts", "a:2,b:2"),
                ("are for --hosts and --hostfile", "-n", "2", "--launch-agent", "ssh"),
                ("expected 1 to", "--hosts", "a:60000")):
            with self.subTest(words=words):
                self.expect_failure(2, sentence, *words, "--", "true")

    def test_the_ranks_that_did_not_come_are_told_with_their_hosts(self):
        # Goal: init ends at its deadline, and rank 0 says which ranks are missing and where they are. Method: ranks of
        # one host that never join.
        ran = Ran("--hosts", "a:1,b:2,c:1", "--launch-agent", self.agent(), "--", "sh", "-c",
                  f"[ $GOSSAMER_HOST = b ] && exec sleep 1000; exec {EXCHANGE_PEER} --steps 1",
                  environment={"GOSSAMER_INIT_TIMEOUT_S": "1"})
        self.assertNotEqual(ran.end(), 0)
        self.assertRegex(ran.output + ran.errors, r"ranks 1 and 2 \(on b\) of 4 did not come to .* within 1\.0 s")


class OverSsh(LaunchTest):
    """ssh and sshd themselves, on this machine, with keys of their own."""

    def setUp(self):
        super().setUp()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.ssh = self.start_sshd(["127.0.0.1"], port)

    def test_ranks_exchange_and_nothing_is_left_where_the_connection_ends(self):
        # Goal: it works over ssh as it is: a session, a failure, a connection that is cut. Method: two names of this
        # machine; sshd's process for the second is killed.
        hosts = ["--hosts", "node1:2,node2:1", "--launch-agent", self.ssh]
        ran = Ran(*hosts, "--", EXCHANGE_PEER, "--steps", "3")
        self.assertEqual(ran.end(), 0, ran.errors)
        self.assertEqual(len(re.findall("done 3", ran.output)), 3)
        ran = Ran(*hosts, "--", *self.introduce("[ $GOSSAMER_RANK = 0 ] && exit 5; exec sleep 1000"))
        pids = self.pids(3)
        self.assertEqual(ran.end(), 5, ran.errors)
        self.expect_none(pids)
        for each in range(3):
            os.unlink(f"{self.folder}/rank{each}")
        ran = Ran(*hosts, "--", *self.introduce("[ $GOSSAMER_RANK = 2 ] && ps -o ppid= $PPID > "
                                                f"{self.folder}/up && mv {self.folder}/up {self.folder}/sshd0; "
                                                "exec sleep 1000"))
        pids = self.pids(3)
        os.kill(self.pids(1, "sshd")[0], signal.SIGKILL)
        self.assertEqual(ran.end(), 1, ran.errors)
        self.assertRegex(ran.errors, r"the connection to host node2 \(rank 2\) ended: .*status 255")
        self.expect_none(pids)

    def test_what_ssh_says_is_told(self):
        # Goal: an unknown host, and one that refuses, are told in ssh's words. Method: a name of nobody; another key.
        self.expect_failure(1, r"cannot reach host no-such-host\.invalid \(rank 1\): ssh ended with status 255: .*resolve",
                            "--hosts", "node1,no-such-host.invalid", "--launch-agent", self.ssh, "--", "true")
        self.expect_failure(1, r"cannot reach host stranger \(rank 1\): ssh ended with status 255: .*Permission denied",
                            "--hosts", "node1,stranger", "--launch-agent", self.ssh, "--", "true")


class BetweenHosts(LaunchTest):
    """Hosts with a network between them."""

    def setUp(self):
        super().setUp()
        self.name = f"launch-{os.getpid()}"
        status, _, errors = lab(self.name, "up", "2")
        self.addCleanup(lambda: lab(self.name, "down"))
        if status == net_lab.EXIT_UNABLE:
            self.skipTest(errors.strip())
        self.assertEqual(status, 0, errors)
        self.agent_words = f"{net_lab.PROGRAM} agent --name {self.name}"

    def each_host(self, *commands):
        for host in range(2):
            for command in commands:
                subprocess.run(["ip", "-n", f"gossamer-{self.name}-{host}", *command.format(host + 1).split()],
                               check=True, timeout=LIMIT_S)

    def is_up(self, host, device):
        shown = subprocess.run(["ip", "-n", f"gossamer-{self.name}-{host}", "-j", "link", "show", device],
                               capture_output=True, text=True, check=True)
        return json.loads(shown.stdout)[0]["operstate"] == "UP"

    def expect_exchange(self, hosts, ranks, at, environment):
        """Ranks that meet at `at` and exchange."""
        ran = Ran("--hosts", hosts, "--launch-agent", self.agent_words, "--", "sh", "-c",
                  'echo "meets at $GOSSAMER_RENDEZVOUS bound to $GOSSAMER_BIND_HOST;"; exec "$0" "$@"', EXCHANGE_PEER,
                  "--steps", "3", environment={"GOSSAMER_INIT_TIMEOUT_S": "15", **environment})
        self.assertEqual(ran.end(), 0, ran.output + ran.errors)
        self.assertEqual(len(re.findall("done 3", ran.output)), ranks, ran.output)
        self.assertEqual(len(re.findall(rf"meets at {at};", ran.output)), ranks, ran.output)

    def test_ranks_meet_at_an_address_that_the_others_reach(self):
        # Goal: nothing is to be said of addresses: rank 0 listens where the others come to, each where it is reached, for
        # every transport. Method: two hosts, one of them by its number; where a network of containers is on both, too.
        self.each_host("link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0", "link set docker0 up")
        at = r"10\.77\.0\.1:\d+ bound to 10\.77\.0\.[12]"
        self.expect_exchange("0:2,10.77.0.2:1", 3, at, {})
        self.expect_exchange("0:2,1:2", 4, at, {"GOSSAMER_TRANSPORT": "libfabric"})

    def test_an_interface_can_be_chosen(self):
        # Goal: of two networks the one that is chosen is taken, by name, subnet, exclusion, in IPv4 and IPv6, for
        # rendezvous, listeners and data. Method: a second network between the hosts, the first is cut while the session
        # is on the second.
        subprocess.run(["ip", "-n", f"gossamer-{self.name}-0", "link", "add", "x0", "type", "veth", "peer", "name", "x0",
                        "netns", f"gossamer-{self.name}-1"], check=True, timeout=LIMIT_S)
        self.each_host("addr add 10.88.0.{}/24 dev x0", "addr add fd88::{}/64 dev x0 nodad", "link set x0 up")
        wait_until(lambda: all(self.is_up(host, "x0") for host in range(2)), "both ends see their carrier")
        for host in ("0", "1"):
            self.assertEqual(lab(self.name, "link", "cut", host)[0], 0)
        for interface, transport, at in (("x0", "ucx", r"10\.88\.0\.1"), ("10.88.0.0/16", "libfabric", r"10\.88\.0\.1"),
                                         ("^e0", "ucx", r"10\.88\.0\.1"),
                                         ("fd88::/64", "libfabric", r"\[fd88::1\]")):
            with self.subTest(interface=interface):
                self.expect_exchange("0,1", 2, rf"{at}:\d+ bound to ",
                                     {"GOSSAMER_INTERFACE": interface, "GOSSAMER_TRANSPORT": transport})
        self.expect_failure(1, r"GOSSAMER_INTERFACE is \"eth7\", and no interface .*; there are lo \(127\.0\.0\.1/8.*"
                            r"x0 \(10\.88\.0\.1/24", "--hosts", "0,1", "--launch-agent", self.agent_words, "--", "true",
                            environment={"GOSSAMER_INTERFACE": "eth7"})
        self.expect_failure(1, r"expected interfaces, addresses or subnets", "--hosts", "0,1", "--launch-agent",
                            self.agent_words, "--", "true", environment={"GOSSAMER_INTERFACE": "10.0.0.0/99"})

    def test_hosts_with_ipv6_alone(self):
        # Goal: ranks meet over IPv6 without a word about it. Method: hosts without any IPv4 address.
        self.each_host("addr flush dev e0", "addr add fd77::{}/64 dev e0 nodad", "addr del 127.0.0.1/8 dev lo")
        self.expect_exchange("0,1", 2, r"\[fd77::1\]:\d+ bound to fd77::[12]", {"GOSSAMER_TRANSPORT": "libfabric"})

    def test_a_host_off_the_network_is_given_up_and_nothing_runs_on_there(self):
        # Goal: where a host falls off the network, so that neither end of its ssh hears of it, the job ends within the
        # silence that is allowed and names the host, and the host ends what it runs by itself. Method: an sshd on each
        # of two hosts, the launcher on the first; the link of the second is cut.
        def within(host):
            return ["ip", "netns", "exec", f"gossamer-{self.name}-{host}"]
        ssh = self.start_sshd(["10.77.0.1", "10.77.0.2"], 4722, within)
        ran = Ran("--hosts", "node1:1,node2:1", "--silence", "1", "--launch-agent", ssh, "--", *self.introduce(),
                  within=within(0))
        pids = self.pids(2)
        self.assertEqual(lab(self.name, "link", "cut", "1")[0], 0)
        self.assertEqual(ran.end(), 1, ran.errors)
        self.assertRegex(ran.errors, r"nothing was heard from host node2 \(rank 1\) for 1\.0 s.*ending the 1 other peer")
        self.expect_none(pids)

    def test_the_hosts_of_those_that_came_are_told_where_no_launcher_tells(self):
        # Goal: without a launcher's word on hosts, what is missing is told with the hosts that came. Method: the word is
        # taken away, two ranks have host names of their own, and the third never joins.
        ran = Ran("--hosts", "0:1,1:2", "--launch-agent", self.agent_words, "--", "sh", "-c",
                  "[ $GOSSAMER_RANK = 2 ] && exec sleep 1000; unset GOSSAMER_RANK_HOSTS; exec unshare --uts sh -c "
                  f"'echo rack$GOSSAMER_RANK > /proc/sys/kernel/hostname; exec {EXCHANGE_PEER} --steps 1'",
                  environment={"GOSSAMER_INIT_TIMEOUT_S": "1"})
        self.assertNotEqual(ran.end(), 0)
        self.assertRegex(ran.output + ran.errors,
                         r"rank 2 of 3 did not come to .* within 1\.0 s; those that came are on rack0, rack1")

    def test_an_unknown_host_of_the_lab_is_told(self):
        # Goal: net-lab's agent fails as ssh does. Method: a host that is not.
        self.expect_failure(1, r"cannot reach host 7 \(rank 1\): .*there is no host 7: the lab .* has hosts 0 to 1",
                            "--hosts", "0,7", "--launch-agent", self.agent_words, "--", "true")


def main():
    global GOSSAMER, EXCHANGE_PEER
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    net_lab.PROGRAM, GOSSAMER, EXCHANGE_PEER = sys.argv[1:4]
    program = unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2, exit=False)
    return 0 if program.result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
