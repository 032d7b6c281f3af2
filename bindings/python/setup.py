"""Adds to pyproject.toml what is made from the header: the version, and gossamer/_interface.py."""
import os
import re
import sys

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = os.environ.get("GOSSAMER_HEADER") or os.path.join(HERE, "..", "c", "gossamer.h")


def header():
    try:
        with open(HEADER, encoding="utf-8") as file:
            return file.read()
    except OSError as problem:
        sys.exit(f"{problem}: build in the tree of Gossamer, or set GOSSAMER_HEADER to the path of gossamer.h")


class Build(build_py):
    def run(self):
        super().run()
        sys.path.insert(0, HERE)
        import generate

        with open(os.path.join(self.build_lib, "gossamer", "_interface.py"), "w", encoding="utf-8") as file:
            file.write(generate.generate(HEADER))


setup(version=".".join(re.findall(r"#define GOSSAMER_VERSION_\w+ (\d+)", header())), cmdclass={"build_py": Build})
