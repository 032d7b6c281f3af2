#!/usr/bin/env python3
"""What README shows works: in an empty folder, with an installation of this build in a home of its own.

Usage: readme_test.py README BUILD PYTHON

A block of code whose first line is a comment with its name is a program: it is written there. A block of commands behind it is run as it
stands, line by line, and what the text behind says that it prints is looked for. Lines that build are left out (this build is there), and
those of programs that are not here, each with a word. Prints the seconds of each line.
"""
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

SECTIONS = ("Install", "First programs")
BUILDS = ("tools/install-packages", "cmake --preset")
PROGRAM = re.compile(r"(?:# |/\* |// |! )([\w.]+\.\w+)(?: \*/)?\n(.*)", re.S)


def environment(home, python):
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("GOSSAMER_") and name not in ("PYTHONPATH", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH")}
    bin_folder = os.path.join(home, "bin")
    os.mkdir(bin_folder)
    os.symlink(python, os.path.join(bin_folder, "python3"))  # the one with numpy
    return {**kept, "HOME": home, "PATH": f"{bin_folder}:{os.environ['PATH']}", "GOSSAMER_INIT_TIMEOUT_S": "20",
            "PYTHONDONTWRITEBYTECODE": "1",
            # Where tests run: as root, with fewer cores than ranks.
            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def run(line, folder, given):
    script = os.path.join(given["HOME"], "gossamer", "share", "gossamer", "env.sh")
    begun = f'[ ! -e "{script}" ] || . "{script}"\n'
    began = time.monotonic()
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", begun + line], cwd=folder, env=given, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)
    if done.returncode:
        sys.exit(f"{line}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def main(readme, build, python):
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    if importlib.util.find_spec("numpy") is None:
        print("skipped: numpy is not there for this python3 (Debian: python3-numpy)")
        sys.exit(77)
    ran = programs = 0
    with tempfile.TemporaryDirectory() as home:
        folder = os.path.join(home, "empty")
        os.makedirs(os.path.join(folder, "build"))
        os.symlink(build, os.path.join(folder, "build", "release"))
        given = environment(home, python)
        for title in SECTIONS:
            section = re.search(rf"^## {title}\n(.*?)(?=^## )", text, re.M | re.S)[1]
            for language, body, behind in re.findall(r"^```(\w*)\n(.*?)^```$(.*?)(?=^```|\Z)", section, re.M | re.S):
                if language:
                    name, source = PROGRAM.fullmatch(body).groups()
                    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                        file.write(source)
                    programs += 1
                    continue
                printed, is_whole = "", True
                for line in body.splitlines():
                    word = line.split()[0]
                    missing = shutil.which(word) is None and word not in (".", "gossamer")
                    if line.startswith(BUILDS) or missing:
                        print(f"left out: {line}: {'this build is there' if line.startswith(BUILDS) else f'{word} is not installed'}")
                        is_whole = is_whole and not missing
                        continue
                    printed += run(line, folder, given)
                    ran += 1
                for expected in re.findall(r"prints `([^`]*)`", behind):
                    if is_whole and expected not in printed:
                        sys.exit(f"README says that this prints {expected}:\n{body}\nIt printed\n{printed}")
    if programs < 4 or ran < 8:
        sys.exit(f"only {programs} programs and {ran} commands were found")
    print(f"{programs} programs of README were built and run")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
