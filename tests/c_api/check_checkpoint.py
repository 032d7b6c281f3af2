"""Goal: the checkpoint example goes on with the bits of training that never stopped, and on other numbers of ranks.
Method: eight steps at once, four and four, then four on each other number of ranks from there.

    check_checkpoint.py GOSSAMER CHECKPOINT
"""
import re
import subprocess
import sys
import tempfile

gossamer, program = sys.argv[1:]


def run(folder, ranks, steps):
    done = subprocess.run([gossamer, "run", "-n", str(ranks), "--", program, folder, str(steps)],
                          capture_output=True, text=True, timeout=60)
    found = re.search(r"steps (\d+) to (\d+) on (\d+) ranks, weights ([0-9a-f]{8})", done.stdout)
    assert done.returncode == 0 and found, f"{ranks} ranks: status {done.returncode}\n{done.stdout}{done.stderr}"
    return found.groups()


with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as parts:
    expected = run(whole, 3, 8)
    assert run(parts, 3, 4)[:2] == ("0", "3")
    resumed = run(parts, 3, 4)
    assert resumed[:2] == ("4", "7") and resumed[3] == expected[3], f"{resumed} differs from {expected}"
    assert run(parts, 2, 4)[:3] == ("8", "11", "2")
    assert run(parts, 4, 4)[:3] == ("12", "15", "4")
    with open(parts + "/state-1", "r+b") as state:  # damaged: all ranks say so
        state.seek(1000)
        state.write(b"x")
    failed = subprocess.run([gossamer, "run", "-n", "2", "--", program, parts, "1"], capture_output=True, text=True,
                            timeout=60)
    assert failed.returncode != 0 and "its checksum is wrong" in failed.stderr + failed.stdout, failed
print("the same bits as without a stop")
