#!/usr/bin/env python3
"""The programs of docs/python.md run, on 2 ranks.

Usage: page_test.py PAGE GOSSAMER     A program is a block of Python whose first line is a comment with its name.

Those that one launcher starts are run one after the other in the same processes, so that each library is imported once.
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
            paths = {"torchrun": [], "gossamer run": []}
            for name, how, body in programs:
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(body)
                if "import torch" in body and importlib.util.find_spec("torch") is None:
                    print(f"{name} is left out: PyTorch is not there")
                    continue
                paths["torchrun" if "torchrun" in how else "gossamer run"].append(path)
            runner = os.path.join(folder, "one_after_the_other.py")
            with open(runner, "w", encoding="utf-8") as file:
                file.write(ONE_AFTER_THE_OTHER)
            for launcher, started in paths.items():
                if not started:
                    continue
                launch = support.torchrun(2) if launcher == "torchrun" else [GOSSAMER, "run", "-n", "2", "--", sys.executable]
                done = subprocess.run([*launch, runner, *started], capture_output=True, text=True, timeout=90, check=False)
                self.assertEqual(done.returncode, 0, f"{launcher}:\n{done.stdout}{done.stderr}")
                for path in started:
                    self.assertIn(f"begins {os.path.basename(path)}", done.stdout)


if __name__ == "__main__":
    unittest.main()
