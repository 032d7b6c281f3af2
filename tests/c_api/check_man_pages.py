#!/usr/bin/env python3
"""The manual pages: one for each name of the header, links that lead somewhere, and nothing that groff or mandoc warns of.

Usage: check_man_pages.py HEADER_FOLDER PAGES
"""
import os
import re
import shutil
import subprocess
import sys


def main(folder, pages):
    sys.path.insert(0, folder)
    import header  # noqa: PLC0415
    read = header.read(os.path.join(folder, "gossamer.h"))
    expected = {"gossamer"} | {x.name for x in read.functions + read.structs + read.enums + read.callbacks}
    with open(os.path.join(folder, "gossamer.h"), encoding="utf-8") as file:
        declared = set(re.findall(r"^GOSSAMER_API [^;]*?(gossamer_\w+)\(", file.read(), re.M))
    if declared != {function.name for function in read.functions}:
        sys.exit(f"the reader of the header did not find {declared ^ {function.name for function in read.functions}}")
    if silent := [function.name for function in read.functions if not function.comment]:
        sys.exit(f"the header says nothing of {', '.join(silent)}")
    found = {name[:-2] for name in os.listdir(pages)}
    if found != expected:
        sys.exit(f"pages without a name in the header, or names without a page: {', '.join(sorted(found ^ expected))}")
    whole = []
    for name in sorted(found):
        with open(os.path.join(pages, name + ".3"), encoding="utf-8") as file:
            text = file.read()
        if link := re.fullmatch(r"\.so man3/(\w+)\.3\n", text):
            if link[1] not in found:
                sys.exit(f"{name}.3 leads to {link[1]}.3, which is not there")
            continue
        whole.append(name + ".3")
        for other in re.findall(r"^\.BR (\S+) \(3\)", text, re.M):
            if other not in found:
                sys.exit(f"{name}.3 names {other}(3), which is not there")
    if read.functions[0].name not in found or len(whole) < 30:
        sys.exit(f"only {len(whole)} pages were found")
    for words in (["groff", "-man", "-ww", "-z", "-Tutf8", "-Kutf8"], ["mandoc", "-T", "lint", "-W", "error"]):
        if shutil.which(words[0]) is None:
            print(f"skipped: {words[0]} is not installed")
            continue
        done = subprocess.run([*words, *whole], cwd=pages, capture_output=True, text=True, check=False)
        if done.returncode or done.stderr or done.stdout:
            sys.exit(f"{' '.join(words)}:\n{done.stdout}{done.stderr}")
    print(f"{len(found)} pages are in order")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
