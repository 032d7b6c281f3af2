"""The exchange of one training step by gs-SGD, gTop-k and Sketched-SGD: same d, same k, same network, same kernels.

A step is compress (residual, and a sketch or a selection) and exchange (until every rank has the same update). All
ranks meet before each of the two. What each does by itself is what was published:

    gs-SGD         momentum u = m u + g and residual v = v + u, at 2 k coordinates applied u = v = 0
    Sketched-SGD   the same
    gTop-k         residual v = v + g alone; k coordinates applied
    as gTop-k      gs-SGD without momentum, k coordinates applied: the same local work and the same update's size

All hosts of the lab share the machine's cores, so arithmetic waits for a core. What
a step would take where each host has one of its own is computed from the least that each piece took here, and the bytes
of the busiest link at the rate of a plain stream.
"""
import math
import os
import shutil
import subprocess
import tempfile

import floor
from programs import BUILD, Running, Trouble, gossamer_ranks, median, percentile, say
from report import number
from report import table as markdown

RANKS, DIMENSION, DENSITY = 8, 14_700_000, 0.001
WORDS = 5  # of a step: exchange_step.cc
US = 1e3  # ns


class Algorithm:
    def __init__(self, name, label, argument):
        self.name, self.label, self.argument = name, label, argument

    def commands(self, place, path):
        folder = tempfile.mkdtemp(prefix="step-", dir=place.folder)
        program = os.path.join(BUILD, "tools", "exchange_step")
        return gossamer_ranks(place, [program, self.argument, path, folder, str(self.dimension), repr(self.density)])


OURS = "gs-sgd"
RIVALS = ("gtop-k", "sketched-sgd")
ALGORITHMS = [
    Algorithm("gs-sgd", "gs-SGD", "gs-sgd"),
    Algorithm("gs-sgd-small", "gs-SGD, bf16 cells, decoding shared", "gs-sgd:bf16,sharded"),
    Algorithm("gs-sgd-plain", "gs-SGD as gTop-k: no momentum, k applied; bf16 cells, 16-bit values",
              "gs-sgd:bf16,i16-values,as-gtop-k"),
    Algorithm("gs-sgd-smallest", "gs-SGD, 8-bit cells, 16-bit values, decoding shared", "gs-sgd:i8,sharded"),
    Algorithm("gtop-k", "gTop-k", "gtop-k"),
    Algorithm("sketched-sgd", "Sketched-SGD", "sketched-sgd"),
]


def build(_folder):
    if shutil.which("cmake") is None:
        raise Trouble("no cmake, which builds exchange_step")
    done = subprocess.run(["cmake", "--build", BUILD, "--target", "exchange_step"], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise Trouble(f"exchange_step does not build:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def busiest_bytes(name, sent, k, ranks):
    """What must pass one after the other over the busiest link; what comes and goes at once counts once."""
    if name == "gtop-k":
        return 2 * math.ceil(math.log2(ranks)) * 8 * k
    if name == "sketched-sgd":  # in at the root: sketches, values; out of it: the names, sums
        out = sent[0]  # by the root, three copies of each broadcast where there are eight ranks
        return (ranks - 1) * (4 * 3 * k + 4 * 2 * k) + out
    return max(sent)


def compare(place, dimension, density, rounds, fail):
    """A row for each algorithm."""
    running, steps = {}, {}
    try:
        for algorithm in ALGORITHMS:
            algorithm.dimension, algorithm.density = dimension, density
            say(f"starting {algorithm.label}")
            try:
                running[algorithm.name] = Running(algorithm, place)
                steps[algorithm.name] = []
            except Trouble as trouble:
                fail(trouble)
        rate = floor.measure(place, 1)["alone_bytes_per_s"]
        for turn in range(-1, rounds):
            say(f"gs-sgd: step {turn + 1} of {rounds}")
            for name in list(running):
                try:
                    by_rank = running[name].take_turn("1", WORDS)
                except Trouble as trouble:
                    fail(trouble)
                    running.pop(name).end()
                    continue
                if len({words[4] for words in by_rank}) != 1:
                    fail(Trouble(f"{name}: ranks ended a step with different updates"))
                if turn >= 0:
                    steps[name].append(by_rank)
        return rows_of(steps, round(density * dimension), dimension, rate, place.ranks)
    finally:
        for each in running.values():
            each.end()


def rows_of(steps, k, dimension, rate, ranks):
    rows = []
    for algorithm in ALGORITHMS:
        done = steps.get(algorithm.name)
        if not done:
            continue
        compress = [max(words[0] for words in step) / US for step in done]
        exchange = [max(words[1] for words in step) / US for step in done]
        sent = [words[3] for words in done[-1]]
        busiest = busiest_bytes(algorithm.name, sent, k, ranks)
        alone = {"compress_alone_us": min(words[0] for step in done for words in step) / US,
                 "compute_alone_us": max(min(step[rank][2] for step in done) for rank in range(ranks)) / US,
                 "wire_us": busiest / rate * 1e6}
        rows.append({"program": algorithm.name, "label": algorithm.label, "ranks": ranks, "dimension": dimension,
                     "k": k, "steps": len(done), "step_p50_us": median([a + b for a, b in zip(compress, exchange)]),
                     "compress_p50_us": median(compress), "exchange_p50_us": median(exchange),
                     "exchange_p99_us": percentile(exchange, 0.99), "bytes_per_step": sum(sent) / ranks,
                     "bytes_per_step_max": max(sent), "busiest_link_bytes": busiest, **alone,
                     "step_alone_us": sum(alone.values()), "rate_bytes_per_s": rate})
    add_ratios(rows, steps)
    return rows


def add_ratios(rows, steps):
    """Rivals over each form of gs-SGD, pairs of steps that followed one another."""
    def times(step):
        return max(words[0] for words in step), max(words[1] for words in step)
    by_name = {row["program"]: row for row in rows}
    for row in rows:
        if not row["program"].startswith(OURS):
            continue
        for rival in RIVALS:
            pairs = [(times(own), times(other)) for own, other in zip(steps[row["program"]], steps.get(rival, []))]
            if pairs:
                row[f"{rival}_step_ratio"] = median([sum(other) / sum(own) for own, other in pairs])
                row[f"{rival}_exchange_ratio"] = median([other[1] / own[1] for own, other in pairs])
                row[f"{rival}_alone_ratio"] = by_name[rival]["step_alone_us"] / row["step_alone_us"]


def table(rows):
    if not rows:
        return ""
    labels = {row["program"]: row["label"] for row in rows}

    def ms(row, key):
        return number(row[key] / 1e3)
    first = rows[0]
    head = ["algorithm", "step, ms", "compress", "exchange", "exchange p99", "bytes a rank, mean", "most"]
    lines = [[row["label"], ms(row, "step_p50_us"), ms(row, "compress_p50_us"), ms(row, "exchange_p50_us"),
              ms(row, "exchange_p99_us"), f"{row['bytes_per_step']:,.0f}", f"{row['bytes_per_step_max']:,}"]
             for row in rows]
    text = (f"d = {first['dimension']:,}, k = {first['k']:,}, {first['ranks']} hosts at "
            f"{first['rate_bytes_per_s'] / 1e6:.1f} MB/s (a plain stream), all on the same cores; medians:\n\n"
            f"{markdown(head, lines)}\n\nWhere every host has a core of its own (computed), ms:\n\n")
    head = ["algorithm", "compress", "arithmetic of the exchange", "busiest link, bytes", "wire", "step"]
    lines = [[row["label"], ms(row, "compress_alone_us"), ms(row, "compute_alone_us"),
              f"{row['busiest_link_bytes']:,}", ms(row, "wire_us"), ms(row, "step_alone_us")] for row in rows]
    text += markdown(head, lines) + "\n\nRival's time over gs-SGD's:\n\n"
    head = ["form of gs-SGD", "rival", "step here", "exchange here", "step, own cores", "wire alone"]
    by_name = {row["program"]: row for row in rows}
    lines = [[row["label"], labels[rival], number(row[f"{rival}_step_ratio"]), number(row[f"{rival}_exchange_ratio"]),
              number(row[f"{rival}_alone_ratio"]), number(by_name[rival]["wire_us"] / row["wire_us"])]
             for row in rows for rival in RIVALS if f"{rival}_step_ratio" in row]
    return text + markdown(head, lines) + "\n"
