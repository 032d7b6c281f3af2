"""`python3 -m gossamer`: what is installed, where it was found, what works here and what is missing."""
import argparse
import concurrent.futures
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from typing import Any

from gossamer import _interface as interface
from gossamer._failure import LibraryError
from gossamer._library import HEADER_VERSION, SONAME, Library, library, library_path, places

# In a process of its own: what a transport loads, or how it dies, is not ours.
PROBE = """
import sys, gossamer
try:
    gossamer.Session(rank=0, rank_count=1, transport=sys.argv[1]).close()
except gossamer.GossamerError as problem:
    sys.exit(f"{problem}")
"""


def probe(transport: str) -> str:
    """ "" where a session of one rank over it can be joined, else why not."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GOSSAMER_") or name in ("GOSSAMER_LIBRARY", "GOSSAMER_CONFIG")
    }
    environment["PYTHONPATH"] = os.pathsep.join(
        [os.path.dirname(os.path.dirname(os.path.realpath(__file__))), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, transport],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "a session over it was not there within 60 s"
    if done.returncode == 0:
        return ""
    return done.stderr.strip() or f"the process ended with {done.returncode}"


def module_version(name: str) -> str:
    """Without importing it."""
    if importlib.util.find_spec(name) is None:
        return ""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "found"


def explain(probes: bool) -> "dict[str, Any]":
    found: "dict[str, Any]" = {
        "package": os.path.dirname(os.path.realpath(__file__)),
        "header_version": HEADER_VERSION,
        "python": f"{platform.python_version()} ({sys.executable})",
        "modules": {name: module_version(name) for name in ("numpy", "torch", "mpi4py")},
        "command": shutil.which("gossamer") or "",
        "settings": {name: value for name, value in sorted(os.environ.items()) if name.startswith("GOSSAMER_")},
        "library": "",
        "library_version": "",
        "library_reason": "",
        "problems": [],
        "transports": {},
    }
    try:
        lib: Library = library()
        found["library"] = library_path(lib.handle) or lib.place.path
        found["library_version"], found["library_reason"] = lib.version, lib.place.reason
        found["tried"] = [list(attempt.place) + [attempt.problem] for attempt in lib.attempts]
    except LibraryError as problem:
        found["problems"].append(str(problem))
        found["tried"] = [[place.path, place.reason, ""] for place in places()]
        return found
    if probes:
        names = ("ucx", "libfabric")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            found["transports"] = dict(zip(names, pool.map(probe, names)))
        if all(found["transports"].values()):
            found["problems"].append("no transport works: see above what each misses")
    if not found["modules"]["numpy"]:
        found["problems"].append(
            "numpy is not there: arrays of other kinds work, allocate() and an update's values do not "
            "(Debian: python3-numpy)"
        )
    return found


def print_table(found: "dict[str, Any]") -> None:
    def line(name: str, value: str) -> None:
        print(f"{name:<12}{value}")

    line("package", f"{found['package']}, made from the header of {found['header_version']}")
    if found["library"]:
        line("library", f"{found['library']} ({found['library_reason']}), version {found['library_version']}")
    else:
        line("library", f"{SONAME} not found, or not usable; tried")
        for path, reason, problem in found["tried"]:
            line("", f"{path}: {reason}{': ' + problem if problem else ''}")
    line("python", found["python"])
    for name, version in found["modules"].items():
        line(name, version or "not there")
    line("gossamer", found["command"] or "the command is not in PATH: `gossamer run` and `gossamer info` need it")
    for name, problem in found["transports"].items():
        line(name, f"does not work: {problem}" if problem else "works (a session of one rank)")
    for name, value in found["settings"].items():
        line("set", f"{name}={value}")
    line("interface", f"{len(interface.FUNCTIONS)} functions, {len(interface.STRUCTS)} structs")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m gossamer",
        description="Explains the installation: where package and library "
        "are, whether they belong together, which transports work.",
        epilog="Ends with 1 where " "something that is needed is missing. `gossamer info` has the library's settings.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON (gossamer.python/1)")
    parser.add_argument("--no-probe", action="store_true", help="do not start a session over each transport")
    arguments = parser.parse_args()
    found = explain(not arguments.no_probe)
    if arguments.json:
        print(json.dumps({"schema": "gossamer.python/1", **found}, indent=2))
    else:
        print_table(found)
    for problem in found["problems"]:
        print(f"python3 -m gossamer: {problem}", file=sys.stderr)
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
