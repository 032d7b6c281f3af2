#!/usr/bin/env python3
"""What programs that are built have of gossamer.h, against the list in bindings/c/abi.txt: functions with their types, each
struct's size and its fields' places, numbers of enumerators; and that the library exports those functions.

Usage: check_abi.py HEADER_FOLDER NM LIBRARY C_COMPILER VERSION   compares
       check_abi.py HEADER_FOLDER --update                        writes the list anew

A line that is new is an addition: run --update. One that is gone or different breaks programs: they need a new
PROJECT_VERSION_MAJOR, which is the library's SOVERSION, and so is refused while the list is of the same one. Fields at the end of
a struct with struct_size are additions.
"""
import os
import re
import subprocess
import sys
import tempfile


def c_type(v):
    return f"{'const ' if v.constant else ''}{v.function or v.base}{'*' * v.pointers}{f'[{v.length}]' if v.length else ''}"


def described(read):
    lines = [f"version {read.version}"]
    for struct in read.structs:
        lines.append(f"struct {struct.name} {struct.size}")
        lines += [f"field {struct.name}.{field.name} at {field.offset} {c_type(field)}" for field in struct.fields if field.name]
    for enum in read.enums:
        lines += [f"enum {enum.name} {name} {number}" for name, number, _ in enum.values]
    for kind, functions in (("callback", read.callbacks), ("function", read.functions)):
        lines += [f"{kind} {c_type(function.result)} {function.name}({', '.join(c_type(p) for p in function.parameters)})"
                  for function in functions]
    return lines


def breaks(old, new, read):
    """Lines of the old list that programs would miss."""
    growing = {struct.name for struct in read.structs if struct.fields and struct.fields[0].name == "struct_size"}
    sizes = {struct.name: struct.size for struct in read.structs}
    found = []
    for line in old[1:]:
        if line in new:
            continue
        match = re.fullmatch(r"struct (\w+) (\d+)", line)
        if match and match[1] in growing and sizes[match[1]] > int(match[2]):
            continue
        found.append(line)
    return found


def check_layout(read, folder, compiler):
    """The reader's sizes and places are the compiler's."""
    lines = []
    for struct in read.structs:
        lines.append(f"_Static_assert(sizeof({struct.name}) == {struct.size}, \"{struct.name}\");")
        lines += [f"_Static_assert(offsetof({struct.name}, {field.name}) == {field.offset}, \"{struct.name}.{field.name}\");"
                  for field in struct.fields if field.name]
    with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
        source.write("#include <gossamer.h>\n" + "\n".join(lines) + "\n")
        source.flush()
        done = subprocess.run([compiler, "-std=c11", "-fsyntax-only", "-I", folder, source.name], capture_output=True, text=True,
                              check=False)
    if done.returncode:
        sys.exit(f"the compiler lays structs out differently:\n{done.stderr}")


def check_itself(new, read):
    """What must be refused is: a line gone, a number changed, a struct that shrank. What must not is: one that grew."""
    for line in new[1:]:
        if not breaks(new, [other for other in new if other != line], read) and not line.startswith("struct"):
            sys.exit(f"{line} may go unnoticed")
    last = next(line for line in new if line.startswith("struct gossamer_config "))
    smaller, larger = (re.sub(r"(\d+)$", lambda number: str(int(number[1]) + step), last) for step in (-8, 8))
    if breaks([new[0], smaller], new, read) or not breaks([new[0], larger], new, read):
        sys.exit("a struct that grew must pass, and one that shrank must not")


def main(folder, *words):
    sys.path.insert(0, folder)
    import header  # noqa: PLC0415
    read = header.read(os.path.join(folder, "gossamer.h"))
    new = described(read)
    path = os.path.join(folder, "abi.txt")
    if words == ("--update",):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(new) + "\n")
        return
    nm, library, compiler, version = words
    if version != read.version:
        sys.exit(f"the project is {version} and gossamer.h {read.version}")
    with open(path, encoding="utf-8") as file:
        old = file.read().split("\n")[:-1]
    lost = breaks(old, new, read)
    if lost and old[0].split(".")[0] == new[0].split(".")[0]:
        sys.exit("built programs would break without these lines of bindings/c/abi.txt:\n  " + "\n  ".join(lost) +
                 "\nkeep them, or begin a new major version")
    if old != new:
        added = [line for line in new if line not in old]
        sys.exit("bindings/c/abi.txt lacks these additions:\n  " + "\n  ".join(added or ["(their order)"]) +
                 f"\nrun: python3 {sys.argv[0]} {folder} --update")
    check_layout(read, folder, compiler)
    check_itself(new, read)
    symbols = subprocess.run([nm, "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    exported = set(re.findall(r" T (gossamer_\w+)", symbols))
    listed = {function.name for function in read.functions}
    if exported != listed:
        sys.exit(f"the library's symbols are not those of the list: {', '.join(sorted(exported ^ listed))}")
    print(f"{len(old)} lines of bindings/c/abi.txt hold")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 6):
        sys.exit(__doc__)
    main(*sys.argv[1:])
