"""Adds to pyproject.toml what is made from the header: the version, and gossamer/_interface.py."""
import os
import sys

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = os.path.join(HERE, "..", "c", "gossamer.h")
if not os.path.exists(HEADER):
    sys.exit(f"{HEADER} is not there: build in the tree of Gossamer")
sys.path.insert(0, HERE)
import generate  # noqa: E402

INTERFACE = generate.c_header.read(HEADER)


class Build(build_py):
    def run(self):
        super().run()
        with open(os.path.join(self.build_lib, "gossamer", "_interface.py"), "w", encoding="utf-8") as file:
            file.write(generate.python_of(INTERFACE))


setup(version=INTERFACE.version, cmdclass={"build_py": Build})
