"""All-reduces of f32 sums: every program takes a turn of milliseconds, size after size, again and again."""
import math
import time

from programs import Running, Trouble, median, percentile, say


ROUNDS_MIN = 3


class Effort:
    """How much is measured: `rounds` of turns that last about turn_s, fewer where a size has taken size_s."""

    def __init__(self, rounds, turn_s, size_s):
        self.rounds, self.turn_s, self.size_s = rounds, turn_s, size_s


def turns_of(running, size, turn_s):
    """How many operations make a turn: (warm-up, count), from a short try. The loop around the clock counts too."""
    first = median(running.all_reduce_us(size, 1, 1)) / 1e6
    if first < turn_s / 10:
        first = median(running.all_reduce_us(size, 2, 5)) / 1e6
    count = max(1, min(1000, int(turn_s / max(first, 1e-9))))
    return (0 if first > 0.05 else min(20, max(1, count // 5))), count


def compare(place, programs, sizes, effort, fail):
    """A row for each size and program. A program that fails is out of this place, and `fail` hears why."""
    running = {}
    try:
        for program in programs:
            try:
                running[program.name] = Running(program, place)
            except Trouble as trouble:
                fail(trouble)
        rows = []
        for size in sizes:
            say(f"{place.name}, {place.ranks} ranks, {size} bytes: " + ", ".join(running))
            rows += compare_size(place, running, size, effort, fail)
        return rows
    finally:
        for each in running.values():
            each.end()


def compare_size(place, running, size, effort, fail):
    wanted, samples, medians, began = {}, {}, {}, time.monotonic()

    def drop(name, trouble):
        fail(trouble)
        running.pop(name).end()

    able = [name for name in running if size <= getattr(running[name].program, "bytes_max", math.inf)]
    for name in able:
        try:
            wanted[name] = turns_of(running[name], size, effort.turn_s)
            samples[name], medians[name] = [], {}
        except Trouble as trouble:
            drop(name, trouble)
    for turn in range(effort.rounds):
        if turn >= ROUNDS_MIN and time.monotonic() - began > effort.size_s:
            break
        names = [name for name in able if name in running]
        for name in names[turn % max(1, len(names)):] + names[:turn % max(1, len(names))]:  # nobody is always first
            try:
                times = running[name].all_reduce_us(size, *wanted[name])
            except Trouble as trouble:
                drop(name, trouble)
                continue
            samples[name] += times
            medians[name][turn] = median(times)
    rows = []
    for name in [name for name in able if name in running]:
        row = {"network": place.name, "ranks": place.ranks, "bytes": size, "program": name,
               "samples": len(samples[name]), "p50_us": median(samples[name]),
               "p99_us": percentile(samples[name], 0.99)}
        if name != "gossamer" and medians.get("gossamer"):
            pairs = sorted(medians[name][turn] / medians["gossamer"][turn] for turn in medians[name]
                           if turn in medians["gossamer"])
            row |= {"ratio": median(pairs), "ratio_q1": percentile(pairs, 0.25), "ratio_q3": percentile(pairs, 0.75),
                    "ratio_p99": row["p99_us"] / percentile(samples["gossamer"], 0.99)}
        rows.append(row)
    return rows
