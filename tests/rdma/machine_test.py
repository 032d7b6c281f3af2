"""How tests/rdma/run watches its machine and what it writes for it, with a shell script in the emulator's place."""
import io
import os
import select
import stat
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
import checks  # noqa: E402
import image  # noqa: E402
import machine  # noqa: E402


class MachineTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        former = os.environ["PATH"]
        os.environ["PATH"] = f"{self.folder}:{former}"
        self.addCleanup(os.environ.__setitem__, "PATH", former)
        self.lines = []

    def write_emulator(self, script):
        path = os.path.join(self.folder, machine.EMULATOR)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)

    def boot(self, script, deadline_s=20):
        self.write_emulator(f"echo $$ >{self.folder}/pid\n{script}")
        return machine.boot("kernel", "image", deadline_s, self.lines.append)

    def assert_ended(self):
        with open(f"{self.folder}/pid", encoding="utf-8") as file:
            self.assertFalse(os.path.exists(f"/proc/{file.read().strip()}"))

    def test_the_status_is_the_one_that_the_guest_told(self):
        # Goal: the guest's exit status and its lines come through, as a serial console gives them. Method: lines with
        # carriage returns, the status last.
        for status in (0, 3):
            self.lines.clear()
            self.assertEqual(self.boot(f"printf 'one\\r\\ntwo\\r\\nrdma-guest: exit status {status}\\r\\n'"),
                             (status, None))
            self.assertEqual(self.lines, ["one", "two"])

    def test_a_guest_that_dies_has_no_status(self):
        # Goal: a crash is never taken for success, however the emulator ends. Method: ends without the status line, with
        # one that is cut short, and by a signal.
        for script in ("echo panic; exit 0", "printf 'rdma-guest: exit status '", "echo begun; kill -SEGV $$"):
            status, why = self.boot(script)
            self.assertIsNone(status)
            self.assertIn("without an exit status", why)
            self.assert_ended()

    def test_a_guest_that_hangs_is_ended_at_the_deadline(self):
        # Goal: no hang outlives the deadline, whether it is silent, talks on, or has closed its console.
        # Method: a deadline of half a second for each; the process is gone afterwards.
        for script in ("exec sleep 100", "while :; do echo tick; done", "exec >/dev/null 2>&1; exec sleep 100"):
            begin = time.monotonic()
            status, why = self.boot(script, 0.5)
            self.assertLess(time.monotonic() - begin, 10)
            self.assertIsNone(status)
            self.assertIn("did not end within 0.5 s", why)
            self.assert_ended()

    def test_the_emulator_dies_with_its_parent(self):
        # Goal: not even a killed tests/rdma/run leaves an emulator. Method: a child boots one and is killed.
        told = os.path.join(self.folder, "told")
        os.mkfifo(told)
        self.write_emulator(f"echo $$ >{told}; exec sleep 100")
        code = f"import sys; sys.path.insert(0, {HERE!r}); import machine; machine.boot('kernel', 'image', 100, print)"
        with subprocess.Popen([sys.executable, "-B", "-c", code]) as child:
            with open(told, encoding="utf-8") as file:
                emulator = os.pidfd_open(int(file.read()))
            child.kill()
        self.assertEqual(select.select([emulator], [], [], 20)[0], [emulator])
        os.close(emulator)


class ImageTest(unittest.TestCase):
    def test_an_image_is_a_cpio_archive(self):
        # Goal: the kernel finds each entry where it was put. Method: parse the archive by the format's rules.
        with tempfile.TemporaryDirectory() as folder:
            out = image.Image()
            out.add_text("etc/hosts", "127.0.0.1 localhost\n")
            out.add_link("bin/sh", "busybox")
            out.add_device("dev/console", 5, 1)
            out.write(f"{folder}/image")
            with open(f"{folder}/image", "rb") as file:
                entries = parse(io.BytesIO(file.read()))
        self.assertEqual(list(entries)[-1], "TRAILER!!!")
        self.assertEqual(entries["etc/hosts"][1], b"127.0.0.1 localhost\n")
        self.assertTrue(stat.S_ISDIR(entries["etc"][0]))
        self.assertTrue(stat.S_ISLNK(entries["bin/sh"][0]))
        self.assertEqual(entries["bin/sh"][1], b"busybox")
        self.assertEqual(entries["dev/console"][2], (5, 1))

    def test_a_missing_library_is_named(self):
        # Goal: a program that cannot run here is not sent into the machine. Method: a text file as a program.
        with tempfile.NamedTemporaryFile(suffix=".program") as file:
            file.write(b"no program")
            file.flush()
            os.chmod(file.name, 0o755)
            self.assertEqual(image.shared_libraries(file.name), [])  # like a script: nothing to load
        with self.assertRaises(image.ImageError):
            image.shared_libraries("/nowhere/program")


class ChecksTest(unittest.TestCase):
    def test_the_script_counts_what_fails(self):
        # Goal: the status that the guest tells is the number of failed checks. Method: the script's own shell function.
        script = checks.PROLOGUE + "check one 5 true\ncheck two 5 false\ncheck three 1 sleep 50\nexit $failed\n"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("FAILED with status 1: two", done.stdout)
        self.assertEqual(done.stdout.count("it ran longer than 1 s"), 1, done.stdout)

    def test_every_pattern_left_out_has_a_reason(self):
        # Goal: nothing is left out without a word. Method: the table.
        for pattern, reason in checks.LEFT_OUT.items():
            self.assertGreater(len(reason), 20, pattern)


def parse(archive):
    """Entries of a "newc" archive by name: (mode, content, device)."""
    entries = {}
    while "TRAILER!!!" not in entries:
        header = archive.read(110)
        fields = [int(header[6 + 8 * i:14 + 8 * i], 16) for i in range(13)]
        name = archive.read(fields[11])[:-1].decode()
        archive.read(-(110 + fields[11]) % 4)
        content = archive.read(fields[6])
        archive.read(-fields[6] % 4)
        entries[name] = (fields[1], content, (fields[9], fields[10]))
    return entries


if __name__ == "__main__":
    unittest.main(verbosity=2)
