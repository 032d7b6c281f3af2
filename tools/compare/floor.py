"""The rate of plain TCP streams in a lab, and the time that no all-reduce over it can beat."""
import os
import subprocess

from programs import HERE, Trouble, median, run_compiler

PORT, STREAM_BYTES = 29500, 64 << 20


def build(folder):
    run_compiler("cc", "-std=c11", os.path.join(HERE, "stream.c"), "-o", os.path.join(folder, "stream"))


def stream_rates(place, pairs):
    """Bytes a second of each (sender, receiver), all at once."""
    program, receivers, senders = os.path.join(place.folder, "stream"), [], []
    try:
        for _, to in pairs:
            command = place.on_host(to, [program, "receive", place.address(to), str(PORT)])
            receivers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        if any(each.stdout.readline() != "ready\n" for each in receivers):
            raise Trouble(f"{place.name}: a receiver of a plain stream did not start")
        for sender, to in pairs:
            command = place.on_host(sender, [program, "send", place.address(to), str(PORT), str(STREAM_BYTES)])
            senders.append(subprocess.Popen(command))
        rates = []
        for each in receivers:
            moved, took_ns = each.communicate(timeout=60)[0].split()
            rates.append(int(moved) * 1e9 / int(took_ns))
        return rates
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise Trouble(f"{place.name}: a plain stream failed: {error}") from error
    finally:
        for each in receivers + senders:
            each.kill()
            each.wait()


def measure(place, repeats):
    """One stream alone, and one from every host to its next at once: medians, bytes a second of one of them."""
    alone = [stream_rates(place, [(0, 1)])[0] for _ in range(repeats)]
    ring = [(rank, (rank + 1) % place.ranks) for rank in range(place.ranks)]
    together = [rate for _ in range(repeats) for rate in stream_rates(place, ring)]
    return {"alone_bytes_per_s": median(alone), "together_bytes_per_s": median(together)}


def floor_us(ranks, size, rate):
    """Each rank sends and receives 2 (P - 1) / P of the vector."""
    return 2 * (ranks - 1) / ranks * size / rate * 1e6
