#!/usr/bin/env python3
"""Writes gossamer(1), the manual page of the command, from what the command says of itself: the help of each subcommand, the settings of
`gossamer info`, and the statuses of exit_codes.h.

Usage: man_page.py GOSSAMER EXIT_CODES_H MAN_PAGES_PY OUTPUT     MAN_PAGES_PY: of section 3, whose way of writing it shares
"""
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys

TEXT_COLUMN = 30  # of the help


def load(path):
    sys.path.insert(0, os.path.dirname(path))
    specification = importlib.util.spec_from_file_location("man_pages", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def said_by(command, *words):
    return subprocess.run([command, *words], check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


class Help:
    """What `--help` printed: about, usage, groups of (name, text) under their titles, and the prose at the end."""

    def __init__(self, text):
        lines = text.rstrip().split("\n")
        usage = next(i for i, line in enumerate(lines) if line.startswith("Usage: "))
        self.about = " ".join(lines[:usage])
        self.usage = lines[usage].removeprefix("Usage: ")
        self.groups, self.prose = {}, ""
        at = usage + 1
        while at < len(lines):
            if re.fullmatch("(Options|Positionals|Subcommands):", lines[at]):
                title, at, entries = lines[at][:-1], at + 1, []
                while at < len(lines) and lines[at].startswith(" "):
                    self.entry(lines[at], entries)
                    at += 1
                self.groups[title] = entries
            elif lines[at]:
                self.prose = "\n".join(lines[at:])
                break
            else:
                at += 1

    @staticmethod
    def entry(line, entries):
        if line.startswith(" " * TEXT_COLUMN):
            entries[-1][1] = (entries[-1][1] + " " + line.strip()).strip()
            return
        name, text = line[2:TEXT_COLUMN].strip(), line[TEXT_COLUMN:].strip()
        if len(line) > TEXT_COLUMN and line[TEXT_COLUMN - 1] != " ":  # a long name has its text on the next line
            name, text = line.strip(), ""
        entries.append([re.sub(r":\{\S*\}", "", name), text])  # the text has the choices too


class Page:
    def __init__(self, command, exit_codes, writer):
        self.command, self.escaped, self.marked = command, writer.escaped, lambda line: writer.marked(line, ())
        whole = Help(said_by(command, "--help"))
        version = said_by(command, "--version").split()[1]
        self.lines = [".\\\" Made from the command's own help.", f".TH GOSSAMER 1 \"\" \"Gossamer {version}\" \"Gossamer\"", ".nh", ".ad l",
                      ".SH NAME", "gossamer \\- " + self.escaped(whole.about.removeprefix("Gossamer: ")), ".SH SYNOPSIS",
                      "\\fBgossamer\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]", ".SH COMMANDS"]
        self.entries(whole.groups["Subcommands"])
        for name, _ in whole.groups["Subcommands"]:
            self.command_section(name)
        self.lines += [".SH EXIT STATUS"]
        with open(exit_codes, encoding="utf-8") as file:
            for name, number, text in re.findall(r"int exit_(\w+) = (\d+);(?:  // (.*))?", file.read()):
                self.entry(number, text or name.replace("_", " "))
        self.lines += [".SH ENVIRONMENT", "Sessions, and the command, read these; \\fBgossamer info\\fR shows the value of each and where it came from."]
        for setting in json.loads(said_by(command, "info", "--json"))["settings"]:
            self.entry(setting["variable"], setting["meaning"])
        self.lines += [".SH SEE ALSO", ".BR gossamer (3)"]

    def entry(self, name, text):
        name = self.escaped(name).replace(",", ",\\:")  # where a long one may be broken
        self.lines += [".TP", f"\\fB{name}\\fR", self.marked(text)]

    def entries(self, listed):
        for name, text in listed:
            if not name.startswith("-h,"):
                self.entry(name, text)

    def command_section(self, *words):
        told = Help(said_by(self.command, *words, "--help"))
        self.lines += [f".SH {' '.join(('gossamer',) + words).upper()}" if len(words) == 1 else f".SS gossamer {' '.join(words)}",
                       "\\fB" + self.escaped(told.usage) + "\\fR", ".PP", self.marked(told.about + ".")]
        for title in ("Positionals", "Subcommands", "Options"):
            self.entries(told.groups.get(title, []))
        if told.prose:
            self.prose(told.prose)
        for name, _ in told.groups.get("Subcommands", []):
            self.command_section(*words, name)

    def prose(self, text):
        """Sentences are filled; tables and commands, whose lines are indented, stay as they are."""
        lines = text.split("\n")
        is_kept = [line.startswith((" ", "Usage:")) or following.startswith(" ") for line, following in zip(lines, lines[1:] + [""])]
        for kept, part in itertools.groupby(zip(is_kept, lines), lambda pair: pair[0]):
            written = [line for _, line in part]
            if kept:
                self.lines += [".PP", ".nf", *("\\&" + self.escaped(line) for line in written), ".fi"]
            else:
                self.lines += [".PP", *(self.marked(line) if line else ".PP" for line in written)]


def main(command, exit_codes, man_pages, output):
    page = Page(os.path.abspath(command), exit_codes, load(man_pages))
    os.makedirs(os.path.dirname(output), exist_ok=True)
    with open(output + ".part", "w", encoding="utf-8") as file:
        file.write("\n".join(page.lines) + "\n")
    os.replace(output + ".part", output)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
