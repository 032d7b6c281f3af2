#!/usr/bin/env python3
"""`pip install` and the CMake install both give a package that works and finds its library.

Usage: install_test.py SOURCE BUILD CMAKE LIBDIR

Method: pip, without a network, into a folder, from a copy of the tree's part that it needs; cmake --install of the
whole build into a temporary prefix. Each package is then used from there, by an interpreter that sees nothing else of
Gossamer.
"""
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import support

SOURCE, BUILD, CMAKE, LIBDIR = sys.argv[1:5]
sys.argv[1:] = []
USE = (
    "import gossamer, numpy\nwith gossamer.Session(rank=0, rank_count=1) as s:\n"
    "    assert s.all_reduce(numpy.ones(3)).sum() == 3\n"
    "print(gossamer.__file__); print(s._library.place.path)\n"
    "import importlib.metadata\nassert importlib.metadata.version('gossamer') == gossamer.__version__"
)


def use(folder, **environment):
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GOSSAMER_") and name != "LD_LIBRARY_PATH"
    }
    done = subprocess.run(
        [sys.executable, "-B", "-c", USE],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=60,
        env={**clean, "PYTHONPATH": folder, **environment},
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout.splitlines()


class Install(support.Case):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def check_back_end(self, folder):
        """PyTorch finds it by the entry point of the package's metadata."""
        (distribution,) = importlib.metadata.distributions(name="gossamer", path=[folder])
        points = [each.value for each in distribution.entry_points if each.group == "torch.distributed.backends"]
        self.assertEqual(points, ["gossamer.torch:register_backend"])
        self.assertTrue(os.path.exists(os.path.join(folder, "gossamer", "torch", "__init__.py")))

    def test_pip_installs_the_package_without_a_network(self):
        missing = [name for name in ("pip", "setuptools", "wheel") if importlib.util.find_spec(name) is None]
        if missing:
            self.skipTest(f"{', '.join(missing)} are not there (Debian: python3-pip python3-setuptools python3-wheel)")
        for part in ("bindings/python", "bindings/c"):
            shutil.copytree(
                os.path.join(SOURCE, part),
                os.path.join(self.folder, part),
                ignore=shutil.ignore_patterns("__pycache__", "_interface.py", "build", "*.egg-info"),
            )
        target = os.path.join(self.folder, "target")
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--no-build-isolation",
                "--no-deps",
                "--no-index",
                "--no-compile",
                "--quiet",
                "--disable-pip-version-check",
                "--target",
                target,
                os.path.join(self.folder, "bindings/python"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        found = use(target, GOSSAMER_LIBRARY=os.path.join(BUILD, "bindings/c/libgossamer.so"))
        self.assertTrue(found[0].startswith(target))
        self.assertTrue(os.path.exists(os.path.join(target, "gossamer", "py.typed")))
        self.check_back_end(target)
        with self.assertRaisesRegex(AssertionError, "was not found"):
            use(target)

    def test_cmake_installs_the_package_where_it_finds_the_library_of_its_prefix(self):
        prefix = os.path.join(self.folder, "prefix")
        for part in ("c", "python"):
            subprocess.run(
                [CMAKE, "--install", os.path.join(BUILD, "bindings", part), "--prefix", prefix],
                check=True,
                capture_output=True,
            )
        found = [folder for folder, _, files in os.walk(prefix) if "_interface.py" in files]
        self.assertEqual(len(found), 1)
        self.check_back_end(os.path.dirname(found[0]))
        path, library = use(os.path.dirname(found[0]))
        self.assertTrue(path.startswith(prefix))
        self.assertEqual(os.path.dirname(library), os.path.join(prefix, LIBDIR))


if __name__ == "__main__":
    unittest.main()
