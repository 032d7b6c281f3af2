#!/usr/bin/env python3
"""The programs of docs/python.md run, on 2 ranks.

Usage: page_test.py PAGE GOSSAMER     A program is a block of Python whose first line is a comment with its name.

They run one after the other in the same processes, so that each library is imported once: under torchrun where PyTorch is there, which
the last ones need, else under `gossamer run`.
"""
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest

import support

PAGE, GOSSAMER = sys.argv[1:3]
sys.argv[1:] = []
ONE_AFTER_THE_OTHER = """
import os, runpy, sys
for path in sys.argv[1:]:
    print("begins", os.path.basename(path), flush=True)
    runpy.run_path(path, run_name="__main__")
"""


class Page(support.Case):
    def test_every_program_of_the_page_runs(self):
        with open(PAGE, encoding="utf-8") as file:
            programs = re.findall(r"^```python\n# ([\w.]+\.py)(.*?)\n(.*?)^```$", file.read(), re.M | re.S)
        self.assertGreaterEqual(len(programs), 5)
        with tempfile.TemporaryDirectory() as folder:
            paths, last = [], []
            has_torch = importlib.util.find_spec("torch") is not None
            for name, how, body in programs:
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(body)
                if "import torch" in body and not has_torch:
                    print(f"{name} is left out: PyTorch is not there")
                    continue
                (last if "torchrun" in how else paths).append(path)
            runner = os.path.join(folder, "one_after_the_other.py")
            with open(runner, "w", encoding="utf-8") as file:
                file.write(ONE_AFTER_THE_OTHER)
            launch = support.torchrun(2) if has_torch else [GOSSAMER, "run", "-n", "2", "--", sys.executable]
            words = [*launch, runner, *paths, *last]
            done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for path in paths + last:
                self.assertEqual(done.stdout.count(f"begins {os.path.basename(path)}"), 2, done.stdout)


if __name__ == "__main__":
    unittest.main()
