#!/usr/bin/env python3
"""The programs of docs/python.md run, on 2 ranks.

Usage: page_test.py PAGE GOSSAMER     A program is a block of Python whose first line is a comment with its name.
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


class Page(support.Case):
    def test_every_program_of_the_page_runs(self):
        with open(PAGE, encoding="utf-8") as file:
            programs = re.findall(r"^```python\n# ([\w.]+\.py)(.*?)\n(.*?)^```$", file.read(), re.M | re.S)
        self.assertGreaterEqual(len(programs), 4)
        with tempfile.TemporaryDirectory() as folder:
            for name, how, body in programs:
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(body)
                launch = [GOSSAMER, "run", "-n", "2", "--", sys.executable]
                if "import torch" in body and importlib.util.find_spec("torch") is None:
                    print(f"{name} is left out: PyTorch is not there")
                    continue
                if "torchrun" in how:
                    launch = support.torchrun(2)
                done = subprocess.run([*launch, path], capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(done.returncode, 0, f"{name}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    unittest.main()
