"""tools/net-lab as the tests of this folder call it. PROGRAM is its path, which each test is given."""
import os
import subprocess

PROGRAM = ""
EXIT_UNABLE = 3
LIMIT_S = 60  # for anything that a lab is asked for


def lab(name, *words):
    """Runs net-lab to its end: (exit status, stdout, stderr). The lab's name goes behind the verb, before any `--`."""
    command = [PROGRAM, words[0], "--name", name, *words[1:]]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def why_unable():
    """Why no lab can be made here; None where it can."""
    name = f"probe-{os.getpid()}"
    status, _, errors = lab(name, "up", "2", "--rate", "1gbit")
    lab(name, "down")
    return errors.strip() if status == EXIT_UNABLE else None
