#!/usr/bin/env python3
"""Builds every program of a page and runs it: what docs show works.

Usage: check_programs.py PAGE HEADERS LIBRARY GOSSAMER COMPILER [RANKS ...]

A program is a block of C whose first line is its name in a comment: /* name.c */. A header (/* name.h */) is written beside
the programs. Each is compiled as C99 with warnings as errors and run by `GOSSAMER run` on each number of ranks.
"""
import os
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```c\n/\* ([\w.]+) \*/\n(.*?)^```$", re.M | re.S)


def run(arguments, folder):
    done = subprocess.run(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)}\nended with {done.returncode}:\n{done.stdout}")


def main(page, headers, library, gossamer, compiler, *rank_counts):
    with open(page, encoding="utf-8") as file:
        blocks = BLOCK.findall(file.read())
    programs = [name for name, _ in blocks if name.endswith(".c")]
    if not programs:
        sys.exit(f"{page}: no program was found, and it should have some")
    with tempfile.TemporaryDirectory() as folder:
        for name, body in blocks:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(body)
        for name in programs:
            run([compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", "-I", headers, name, "-o", name[:-2], library,
                 "-lm", f"-Wl,-rpath,{os.path.dirname(library)}"], folder)
            for ranks in rank_counts:
                run([gossamer, "run", "-n", ranks, "--", os.path.join(folder, name[:-2])], folder)
    print(f"{len(programs)} programs of {page} ran on {', '.join(rank_counts)} ranks")


if __name__ == "__main__":
    if len(sys.argv) < 7:
        sys.exit(__doc__)
    main(*sys.argv[1:])
