#!/usr/bin/env python3
"""The tests of gossamer.torch, by processes that import PyTorch once.

Usage: torch_test.py RANKS MODULE...          starts the ranks; each runs every test of the modules, in the same order
       torch_test.py RANKS example PROGRAM    starts them by torchrun, with bindings/python/examples/fashion_mnist_ddp.py
"""
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest

import support

DATA = "/usr/share/datasets/fashion-mnist"


def run_example(ranks, program):
    if not os.path.isdir(DATA):
        print(f"skipped: {DATA} is not there (Debian: dataset-fashion-mnist)")
        return support.SKIPPED
    command = [*support.torchrun(ranks), program, "--epochs", "1", "--limit", "1280"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr)
    found = re.findall(r"([\w-]+) +accuracy 0\.\d{4}, +([\d,]+) B a step, [\d.]+ ms a step$", done.stdout, re.M)
    sent = {name: int(count.replace(",", "")) for name, count in found}
    is_good = (
        list(sent) == ["dense", "gs-sgd", "shared-top-k"]
        and max(sent["gs-sgd"], sent["shared-top-k"]) < sent["dense"] / 3
    )
    return done.returncode or int(not is_good)


def run_rank(rank, ranks, modules):
    import torch
    import torch.distributed as distributed

    torch.set_num_threads(1)
    if ranks == 3:  # all of it over our own back end as well
        import gossamer.torch  # noqa: F401
    distributed.init_process_group(
        "gossamer" if ranks == 3 else "gloo",
        init_method=f"file://{os.environ['TORCH_TEST_STORE']}",
        rank=rank,
        world_size=ranks,
    )
    suite = unittest.defaultTestLoader.loadTestsFromNames(modules)
    done = unittest.TextTestRunner(verbosity=1 if rank == 0 else 0).run(suite)
    distributed.destroy_process_group()
    return int(not done.wasSuccessful())


def main():
    if importlib.util.find_spec("torch") is None:
        print("skipped: PyTorch is not there for this python3 (tools/install-packages torch)")
        return support.SKIPPED
    ranks, words = sys.argv[1], sys.argv[2:]
    if words[0] == "example":
        return run_example(ranks, words[1])
    if (rank := os.environ.get("TORCH_TEST_RANK")) is not None:
        return run_rank(int(rank), int(ranks), words)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TORCH_TEST_STORE": os.path.join(folder, "store")}
        children = [
            subprocess.Popen([sys.executable, "-B", *sys.argv], env={**environment, "TORCH_TEST_RANK": str(rank)})
            for rank in range(int(ranks))
        ]
        return max(abs(child.wait()) for child in children)


if __name__ == "__main__":
    sys.exit(main())
