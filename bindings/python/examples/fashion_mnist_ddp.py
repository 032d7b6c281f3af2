"""A small CNN on Fashion-MNIST with PyTorch's DistributedDataParallel: Gloo's all-reduce, or Gossamer by one line.

Run: torchrun --nproc_per_node 2 fashion_mnist_ddp.py --algorithm dense,gs-sgd,shared-top-k    (or gloo)
Debian's torchrun on Python 3.11 needs `-r 1 -t 1` before the script.
"""
import argparse
import gzip
import math
import os
import sys
import time

import torch
import torch.distributed as distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import gossamer.torch

BATCH = 128  # of all ranks together
# What attach() is given, and rate and momentum of SGD behind it. A sparse algorithm has the momentum inside, where it
# knows what was sent, and the rate grows for it: docs/algorithms.md.
SPARSE = {"momentum": 0.3, "clip": 1.0}, 0.7, 0.0
WAYS = {
    "gloo": ({}, 0.1, 0.9),
    "dense": ({}, 0.1, 0.9),
    "gs-sgd": SPARSE,
    "shared-top-k": ({"density": 0.1, **SPARSE[0]}, *SPARSE[1:]),
}


def load(folder, part, limit=None):
    """Pictures (N, 1, 28, 28) from 0 to 1, and labels."""
    try:
        with gzip.open(os.path.join(folder, f"{part}-images-idx3-ubyte.gz")) as images, gzip.open(
            os.path.join(folder, f"{part}-labels-idx1-ubyte.gz")
        ) as labels:
            pixels = images.read(16 + 784 * limit if limit else -1)
            x = torch.frombuffer(bytearray(pixels[16:]), dtype=torch.uint8).reshape(-1, 1, 28, 28)
            y = torch.frombuffer(bytearray(labels.read()[8:]), dtype=torch.uint8)
    except OSError as problem:
        sys.exit(
            f"{problem}; Fashion-MNIST is in the Debian package dataset-fashion-mnist "
            "(apt install dataset-fashion-mnist), or name its folder with --data"
        )
    return x[:limit].float() / 255, y[:limit].long()


def make_model():
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1568, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )


def train(model, optimizer, x, y, epochs, seed):
    """Seconds a step, the median; and how many there were."""
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    steps = epochs * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.5 * (1 + math.cos(math.pi * t / steps)))
    order = torch.Generator().manual_seed(seed)
    times = []
    for _ in range(epochs):
        chosen = torch.randperm(len(x), generator=order)[: len(x) // BATCH * BATCH].reshape(-1, BATCH)[:, rank::ranks]
        for batch in chosen:
            began = time.perf_counter()
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
            schedule.step()
            times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2], steps


def accuracy(model, x, y):
    with torch.no_grad():
        return (torch.cat([model(part) for part in x.split(1000)]).argmax(1) == y).float().mean().item()


def run(algorithm, chosen, training, test):
    torch.manual_seed(chosen.seed)
    model = DistributedDataParallel(make_model())
    options, rate, momentum = WAYS.get(algorithm, SPARSE)
    state = gossamer.torch.attach(model, algorithm=algorithm, **options) if algorithm != "gloo" else None
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum)
    seconds, steps = train(model, optimizer, *training, chosen.epochs, chosen.seed)
    if distributed.get_rank() == 0:
        ranks, weights = distributed.get_world_size(), sum(each.numel() for each in model.parameters())
        sent = state.stats()["total_bytes_sent"] / steps if state else 8 * weights * (ranks - 1) / ranks  # Gloo's ring
        right = accuracy(model.module, *test)
        print(f"{algorithm:12} accuracy {right:.4f}, {sent:9,.0f} B a step, {1e3 * seconds:.1f} ms a step", flush=True)
    if state is not None:
        state.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--algorithm", default="dense,gs-sgd,shared-top-k", help="gloo, or any of gossamer.Algorithm")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, help="use so many pictures alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    chosen = parser.parse_args()
    training, test = load(chosen.data, "train", chosen.limit), load(chosen.data, "t10k", chosen.limit)
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    for algorithm in chosen.algorithm.split(","):
        run(algorithm, chosen, training, test)


if __name__ == "__main__":
    main()
