#!/usr/bin/env python3
"""The manual pages: one for each name of the header, links that lead somewhere, one for the command with all that its help names, and
nothing that groff or mandoc warns of.

Usage: check_man_pages.py HEADER_FOLDER PAGES [GOSSAMER PAGE_OF_THE_COMMAND]
"""
import os
import re
import shutil
import subprocess
import sys


def check_command(command, page):
    """Every subcommand, however deep, has its section, and every option of it stands there."""
    with open(page, encoding="utf-8") as file:
        text = file.read().replace("\\-", "-").replace("\\:", "")
    waiting, seen = [[]], 0
    while waiting:
        words = waiting.pop()
        told = subprocess.run([command, *words, "--help"], check=True, capture_output=True, text=True).stdout
        title = f".SH GOSSAMER {words[0].upper()}" if len(words) == 1 else f".SS gossamer {' '.join(words)}" if words else ".TH GOSSAMER 1"
        section = re.search(rf"^{re.escape(title)}(?: .*)?\n(.*?)(?=^\.S[HS] GOSSAMER|^\.SS|^\.SH EXIT|\Z)", text, re.M | re.S)
        if not section:
            sys.exit(f"{page} has no section \"{title}\"")
        for option in re.findall(r"^  (?:-\w,)?(--[\w-]+)", told, re.M):
            if option not in ("--help", "--version") and option not in section[1]:
                sys.exit(f"{page}: {title} lacks {option}")
            seen += 1
        _, _, named = told.partition("\nSubcommands:\n")
        waiting += [[*words, name] for name in re.findall(r"^  ([\w-]+) ", named.split("\n\n")[0], re.M)]
    if seen < 100:
        sys.exit(f"only {seen} options were found")


def main(folder, pages, command=None, command_page=None):
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
    if command:
        check_command(command, command_page)
        whole.append(command_page)
    for words in (["groff", "-man", "-ww", "-z", "-Tutf8", "-Kutf8"], ["mandoc", "-T", "lint", "-W", "error"]):
        if shutil.which(words[0]) is None:
            print(f"skipped: {words[0]} is not installed")
            continue
        done = subprocess.run([*words, *whole], cwd=pages, capture_output=True, text=True, check=False)
        if done.returncode or done.stderr or done.stdout:
            sys.exit(f"{' '.join(words)}:\n{done.stdout}{done.stderr}")
    print(f"{len(found)} pages are in order")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
