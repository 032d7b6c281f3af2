#!/usr/bin/env python3
"""Checks the text of the tree: no tabs in C++ sources, no trailing spaces, no file that is too long to read.

Usage: check_text.py ROOT. Prints one line "file:line: what is wrong; what to do" for each breach, and
exits with 1 if there is any. Reads what git tracks or would track, or every file where there is no git; not the
corpora of the fuzz targets, which are bytes.
What documents and comments call by its path, folder first, is a file of the tree. docs/decisions.md speaks of the past.
In the product's sources nothing depends on the program's locale: what is written is compared between ranks, names files and
is read again, so numbers become text and text numbers through base/text.h and std::from_chars alone.
A source file of more than 600 lines says why in a comment: "// long file: <reason>" ("#" in Python and
CMake, "*" in C).
"""
import os
import re
import subprocess
import sys

LINES_MAX = 600
SOURCE_FOLDERS = ("base/", "transport/", "topology/", "sketch/", "runtime/", "bindings/", "tools/", "tests/", "cmake/")
CXX_SUFFIXES = (".h", ".hpp", ".hh", ".inc", ".inl", ".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh")
LONG_SUFFIXES = CXX_SUFFIXES + (".py", ".cmake", "CMakeLists.txt", ".sh", ".f90", ".proto")
LONG_MARK = re.compile(r"(//|#|!|\*)\s*long file:\s*\S")

CORPORA = "tests/fuzz/corpus/"

# Files that are as they are for a reason: path to reason.
EXCEPTIONS = {}

PRODUCT_FOLDERS = ("base/", "transport/", "topology/", "sketch/", "runtime/", "bindings/", "tools/")
# What reads or writes numbers in the program's locale, or changes that.
LOCALE = re.compile(
    r"\b[oi]?stringstream\b"
    r"|\bstd::(?:sto(?:d|f|ld)|format|put_time|get_time|locale|use_facet)\b"
    r"|\b(?:strto(?:d|f|ld)|atof|setlocale|localeconv|strftime|v?[sf]?scanf)\s*\("
    r'|\bv?(?:sn?|f|d)?printf\s*\([^;]*?"[^"\n]*%[-+ #0]*[0-9*]*(?:\.[0-9*]+)?(?:L?[aAeEfFgG]|[hlqjzt]*\')')
LOCALE_ADVICE = "depends on the program's locale; use text(), fixed() or general() of base/text.h, or std::from_chars"
# Files that may all the same: path to reason.
LOCALE_EXCEPTIONS = {
    "bindings/c/examples/exchange.c": "a user's program",
    "bindings/c/examples/poisson_mpi.c": "a user's program",
    "bindings/cpp/examples/exchange.cc": "a user's program",
}


# A file's path in words: "runtime/control/mesh.cc".
PATH = re.compile(r"(?<![\w/.<-])((?:base|transport|topology|sketch|runtime|bindings|tools|tests|docs|cmake)/[\w./-]*"
                  r"\.(?:h|cc|cu|cuh|c|proto|py|md|cmake))\b")
PAST = "docs/decisions.md"


def files_of(root):
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, check=False) if os.path.exists(os.path.join(root, ".git")) else None
    if listed is not None and listed.returncode == 0:
        names = {os.fsdecode(name) for name in listed.stdout.split(b"\0") if name}
        return sorted(name for name in names if os.path.isfile(os.path.join(root, name)))
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", ".cache", "__pycache__") and not f.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/") for name in names]
    return sorted(found)


def check_file(path, content):
    lines = content.split("\n")
    breaches = []
    for number, line in enumerate(lines, 1):
        if "\t" in line and path.endswith(CXX_SUFFIXES):
            breaches.append(f"{path}:{number}: a tab; indent with spaces, and write \\t in strings")
        if line != line.rstrip():
            breaches.append(f"{path}:{number}: spaces at the end of the line; remove them")
    count = len(lines) - (lines[-1] == "")
    if count > LINES_MAX and path.startswith(SOURCE_FOLDERS) and path.endswith(LONG_SUFFIXES):
        if not any(LONG_MARK.search(line) for line in lines):
            breaches.append(f"{path}:{count}: {count} lines; split the file at {LINES_MAX}, or say why not in a comment "
                            "\"long file: <reason>\"")
    return breaches


def check_paths(path, content, known):
    if path == PAST or not path.endswith(CXX_SUFFIXES + (".md", ".proto")):
        return []
    breaches = []
    for number, line in enumerate(content.split("\n"), 1):
        words = line if path.endswith(".md") else line.partition("//")[2]
        breaches += [f"{path}:{number}: there is no {named}; name the file that there is"
                     for named in PATH.findall(words) if named not in known]
    return breaches


def check_locale(path, content, exceptions):
    if not path.startswith(PRODUCT_FOLDERS) or not path.endswith(CXX_SUFFIXES):
        return []
    # Statements, which may go over several lines; comments say what they like.
    code = re.sub(r"//[^\n]*|/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), content, flags=re.DOTALL)
    found = [(code.count("\n", 0, match.start()) + 1, match[0].split("(")[0].strip()) for match in LOCALE.finditer(code)]
    if path in exceptions:
        return [] if found else [f"{path}:1: the exception is not used; remove it from LOCALE_EXCEPTIONS"]
    return [f"{path}:{number}: {name} {LOCALE_ADVICE}" for number, name in found]


def check(root, exceptions=None, locale_exceptions=None):
    exceptions = EXCEPTIONS if exceptions is None else exceptions
    locale_exceptions = LOCALE_EXCEPTIONS if locale_exceptions is None else locale_exceptions
    breaches = []
    files = files_of(root)
    known = set(files)
    for path in files:
        with open(os.path.join(root, path), "rb") as file:
            data = file.read()
        if path in exceptions or path.startswith(CORPORA) or b"\0" in data:
            continue  # a zero byte: not text
        content = data.decode("utf-8", errors="replace")
        breaches += check_file(path, content) + check_locale(path, content, locale_exceptions)
        breaches += check_paths(path, content, known)
    return breaches


def main():
    if len(sys.argv) != 2 or not os.path.isdir(sys.argv[1]):
        print("usage: check_text.py ROOT", file=sys.stderr)
        return 2
    breaches = check(sys.argv[1])
    print("\n".join(breaches) if breaches else "the text is in order")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
