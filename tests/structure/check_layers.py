#!/usr/bin/env python3
"""Checks that the folders point one way: each includes its own headers, and the public header of a lower one.

                    tools
                      |
    bindings/cpp   bindings/c   bindings/python ...      (the thin bindings know bindings/c only)
              \\       |       /
                   runtime
              /        |       \\
        transport   topology   sketch
              \\        |       /
                     base

Usage: check_layers.py ROOT. Prints one line "file:line: what is wrong; what is allowed" for each breach,
and exits with 1 if there is any. Reads includes of source files, and the gossamer_<layer> targets that
the CMake files of a layer name. Tests are not a layer: they may include anything.
"""
import os
import re
import sys

# Each layer, with the layers that it may use.
MIDDLE = ["transport", "topology", "sketch"]
USES = {
    "base": [],
    "transport": ["base"],
    "topology": ["base"],
    "sketch": ["base"],
    "runtime": ["base"] + MIDDLE,
    "bindings/c": ["base"] + MIDDLE + ["runtime"],
    "bindings/cpp": ["bindings/c"],
    "bindings/python": ["bindings/c"],
    "bindings/fortran": ["bindings/c"],
    "tools": ["base"] + MIDDLE + ["runtime", "bindings/c"],
}

# The headers of each layer that others may include: one, and what is for some builds or some users alone.
PUBLIC_HEADERS = {layer: [f"{layer}/{layer}.h"] for layer in USES}
PUBLIC_HEADERS["base"].append("base/tick_clock.h")  # for who progresses in the caller's thread
PUBLIC_HEADERS["bindings/c"] = ["bindings/c/gossamer.h"]
PUBLIC_HEADERS["topology"] += ["topology/compose.h", "topology/schedule_rules.h", "topology/two_level.h"]
PUBLIC_HEADERS["topology"].append("topology/host_schedule.h")
PUBLIC_HEADERS["topology"] += ["topology/rank_order.h", "topology/text_file.h", "topology/topology_file.h"]
PUBLIC_HEADERS["topology"] += ["topology/mixing.h", "topology/simulate/simulate.h"]  # for tools, and tests
PUBLIC_HEADERS["topology"] += [f"topology/measure/{name}.h" for name in (  # for tools, and tests
    "advice", "causes", "fabric_model", "fit", "ibnetdiscover", "measurement", "rounds", "suspicion", "tiers")]
PUBLIC_HEADERS["sketch"].append("sketch/cuda/cuda_sketch.h")
PUBLIC_HEADERS["runtime"].append("runtime/control/alone.h")  # for benchmarks
PUBLIC_HEADERS["transport"].append("transport/shared_library.h")  # one way to open libraries at run time
PUBLIC_HEADERS["transport"].append("transport/simulation.h")  # for runtime's simulation, and tests

# The rooms of a layer, and which others of the same layer each may include. What a room does not know is easily taken
# away from it. Files outside of every room may include all of them.
ROOMS = {
    "runtime/control": [],
    "runtime/bootstrap": ["runtime/control"],
    "runtime/same_host": [],
    "runtime/engine": ["runtime/control", "runtime/same_host"],
    "runtime/algorithms": ["runtime/control", "runtime/engine"],
    "runtime/collectives": ["runtime/engine"],
    "runtime/session": ["runtime/bootstrap", "runtime/control", "runtime/engine", "runtime/algorithms", "runtime/collectives"],
    "runtime/simulation": ["runtime/control", "runtime/session"],
    "topology/kinds": ["topology"],
    "topology/graphs": ["topology"],
    "topology/measure": ["topology", "topology/simulate"],
    "topology/simulate": ["topology"],
    "topology/simulate/fabrics": ["topology", "topology/simulate"],
    "tools/command": [],
    "tools/compare": [],
    "tools/launch": ["tools/command"],
    "tools/train": ["tools/command", "tools/launch"],
    "tools/study": ["tools/command", "tools/train"],
    "tools/graph": ["tools/command"],
    "tools/simulate": ["tools/command"],
    "tools/topo": ["tools/command"],
    "tools/trace": ["tools/command"],
    "tools/bench": ["tools/command", "tools/launch", "tools/train"],
    "tools/info": ["tools/command", "tools/launch", "tools/train"],
}

# What is allowed beside the rule, as (including file, included header): reason. A reason that no longer
# applies must go: an exception that nothing uses is a breach too.
BARE = "the benchmark's bare library is the one that the transport opened: nothing else may load it"
EXCEPTIONS = {("tools/bench/bare_ucx.cc", "transport/ucx/functions.h"): BARE,
              ("tools/bench/bare_libfabric.cc", "transport/libfabric/functions.h"): BARE}

SOURCE_SUFFIXES = (".h", ".hpp", ".hh", ".inc", ".inl", ".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh")
CMAKE_NAMES = re.compile(r"CMakeLists\.txt$|.*\.cmake$")
# Highway's foreach_target.h includes the file that this macro names.
INCLUDE = re.compile(r'^\s*#\s*(?:include|include_next|import|define\s+HWY_TARGET_INCLUDE)\s*(["<])([^">]+)[">]')
TARGET = re.compile(r"\bgossamer_([a-z_]+)\b")


def layer_of(path):
    """The layer that a path below the root belongs to, or None. The longest name wins."""
    found = [layer for layer in USES if path.startswith(layer + "/")]
    return max(found, key=len) if found else None


def files_of(root, layer, wanted):
    for folder, folders, names in os.walk(os.path.join(root, layer)):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "build")) and f != "__pycache__")
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
            if wanted(name) and layer_of(path) == layer:
                yield path


def lines_of(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read().split("\n")


def resolve(root, includer, quote, included):
    """The path below the root that an include means, or None for a header from outside the tree."""
    beside = os.path.normpath(os.path.join(os.path.dirname(includer), included)).replace(os.sep, "/")
    if quote == '"' and os.path.exists(os.path.join(root, beside)):
        return beside
    from_root = os.path.normpath(included).replace(os.sep, "/")
    return from_root if layer_of(from_root) else None


def room_of(path):
    """The room that a path is in: the longest name wins, as with layers."""
    return max((room for room in ROOMS if path.startswith(room + "/")), key=len, default=os.path.dirname(path))


def room_breach(path, target):
    """What is wrong with an include within one layer, or None."""
    room, other = room_of(path), room_of(target)
    if room not in ROOMS or other == room or other in ROOMS[room]:
        return None
    allowed = f"itself and {', '.join(ROOMS[room])}" if ROOMS[room] else "nothing else of its layer"
    return f"which is outside of {room}; {room} may include {allowed}"


def allowed_words(layer):
    public = [header for used in USES[layer] for header in PUBLIC_HEADERS[used]]
    return f"{layer} may include its own headers" + (f" and {', '.join(public)}" if public else " only")


def check_includes(root, exceptions):
    breaches, used_exceptions = [], set()
    for layer in USES:
        for path in files_of(root, layer, lambda name: name.endswith(SOURCE_SUFFIXES)):
            for number, line in enumerate(lines_of(root, path), 1):
                match = INCLUDE.match(line)
                target = match and resolve(root, path, match[1], match[2])
                other = target and layer_of(target)
                if target and other == layer and (breach := room_breach(path, target)):
                    breaches.append(f"{path}:{number}: includes {target}, {breach}")
                    continue
                if not target or other == layer:
                    continue
                if other in USES[layer] and target in PUBLIC_HEADERS[other]:
                    continue
                if (path, target) in exceptions:
                    used_exceptions.add((path, target))
                    continue
                if other is None:
                    what = f"includes {target}, which belongs to no layer"
                elif other in USES[layer]:
                    what = f"includes {target}, a private header of {other}"
                elif layer in USES[other]:
                    what = f"includes {target}: an arrow up, from {layer} to {other}"
                else:
                    what = f"includes {target}: an arrow sideways, from {layer} to {other}"
                breaches.append(f"{path}:{number}: {what}; {allowed_words(layer)}")
    for path, target in sorted(set(exceptions) - used_exceptions):
        breaches.append(f"{path}:1: the exception for {target} is not used; remove it from EXCEPTIONS")
    return breaches


def check_targets(root):
    """A layer's CMake files name targets of their own layer and of lower ones only."""
    by_target = {layer.replace("/", "_"): layer for layer in USES}
    by_target["c"] = "bindings/c"
    breaches = []
    for layer in USES:
        for path in files_of(root, layer, CMAKE_NAMES.match):
            for number, line in enumerate(lines_of(root, path), 1):
                for name in TARGET.findall(line.split("#")[0]):
                    other = by_target.get(name)
                    if other is None or other == layer or other in USES[layer]:
                        continue
                    direction = "up" if layer in USES[other] else "sideways"
                    allowed = ", ".join("gossamer_" + used.replace("/", "_") for used in USES[layer]) or "no layer"
                    breaches.append(f"{path}:{number}: uses gossamer_{name}: an arrow {direction}, from {layer} to "
                                    f"{other}; {layer} may use {allowed}")
    return breaches


def check(root, exceptions=None):
    return check_includes(root, EXCEPTIONS if exceptions is None else exceptions) + check_targets(root)


def main():
    if len(sys.argv) != 2 or not os.path.isdir(os.path.join(sys.argv[1], "base")):
        print("usage: check_layers.py ROOT, where ROOT has the folder base/", file=sys.stderr)
        return 2
    breaches = check(sys.argv[1])
    print("\n".join(breaches) if breaches else "all arrows point down")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
