#!/usr/bin/env python3
"""Writes the manual pages of section 3 from the comments of gossamer.h: one for each function, struct, enum and callback type, and
gossamer(3), the introduction with the list of all.

Usage: man_pages.py HEADER FOLDER

Declarations under one comment share a page; the others' names are links to it. FOLDER then holds these pages and nothing else.
"""
import os
import re
import shutil
import sys

import header as reader

WIDTH = 100


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def marked(text, names):
    """A line of prose: what is code, and the names of pages, are bold."""
    out = []
    for part in re.split(r"(`[^`]*`)", text):
        if part.startswith("`"):
            out.append("\\fB" + escaped(part[1:-1]) + "\\fR")
        else:
            words = re.split(r"(\bgossamer_\w+|\bGOSSAMER_\w+)", part)
            out += ["\\fB" + escaped(word) + "\\fR" if word in names or word.startswith("GOSSAMER_") else escaped(word)
                    for word in words]
    line = "".join(out)
    return "\\&" + line if line[:1] in (".", "'") else line


def prose(text, names):
    """Paragraphs are filled; blocks that are indented stay as they are."""
    lines = []
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.startswith("    "):
            lines += [".PP", ".nf", ".RS 4", *("\\&" + escaped(line[4:]) for line in paragraph.split("\n")), ".RE", ".fi"]
            continue
        lines += [".PP", *(marked(line.strip(), names) for line in paragraph.split("\n"))]
    return lines


def c_text(v):
    """A parameter or field as C has it."""
    if v.function:
        return v.function
    if not v.name:
        return f"{v.base} : 32"
    stars = "*" * v.pointers if not (v.pointers == 2 and v.constant) else "* const*"
    return f"{'const ' if v.constant else ''}{v.base}{stars} {v.name}" + (f"[{v.length}]" if v.length else "")


def declaration(function, callback=False):
    name = f"(*{function.name})" if callback else function.name
    result = ("const " if function.result.constant else "") + function.result.base + "*" * function.result.pointers
    head = f"{'typedef ' if callback else ''}{result} {name}("
    parts = [c_text(p) for p in function.parameters] or ["void"]
    line, lines = head, []
    for i, part in enumerate(parts):
        part += "," if i + 1 < len(parts) else ");"
        if len(line) + len(part) > WIDTH - 20 and line.strip():
            lines.append(line.rstrip())
            line = " " * len(head)
        line += part + " "
    return lines + [line.rstrip()]


def summary(text, fallback):
    text = " ".join(re.sub(r"`", "", text or fallback).split())
    sentence = re.split(r"(?<=[.:;])\s", text)[0].rstrip(".:;")
    return sentence if len(sentence) <= 90 else sentence[:sentence.rfind(" ", 0, 88)].rstrip(",") + " ..."


class Pages:
    def __init__(self, header):
        self.header = header
        self.names = {x.name for x in header.functions + header.structs + header.enums + header.callbacks} | {"gossamer"}
        self.files = {}

    def page(self, names, about, synopsis, sections, see):
        lines = ['.\\" Made from gossamer.h.', f".TH {names[0].upper()} 3 \"\" \"Gossamer {self.header.version}\" \"Gossamer\"",
                 ".nh", ".ad l", ".SH NAME", escaped(", ".join(names)) + " \\- " + escaped(about), ".SH SYNOPSIS", ".nf",
                 "\\fB#include <gossamer.h>\\fR", ""]
        lines += [f"\\fB{escaped(line)}\\fR" if line else "" for line in synopsis] + [".fi"]
        for title, body in sections:
            if body:
                lines += [f".SH {title}"] + (body[1:] if body[0] == ".PP" else body)
        others = [name for name in dict.fromkeys(see) if name not in names and name in self.names]
        lines += [".SH SEE ALSO"]
        lines += [f".BR {escaped(name)} (3)" + ("," if i + 1 < len(others) else "") for i, name in enumerate(others)]
        self.files[names[0]] = "\n".join(lines) + "\n"
        for name in names[1:]:
            self.files[name] = f".so man3/{names[0]}.3\n"

    def mentioned(self, text):
        return [name for name in re.findall(r"\bgossamer_\w+", text)]

    def errors(self, text):
        """The statuses that a comment names."""
        lines = []
        for name, _, said in self.header.statuses:
            if re.search(rf"\b(?:GOSSAMER_)?{name[9:]}\b", text):
                lines += [".TP", f"\\fB{name}\\fR", escaped(said)]
        return lines

    def functions(self):
        shared = {}
        for function in self.header.functions:
            shared.setdefault((function.comment, function.section), []).append(function)
        for (comment, section), functions in shared.items():
            names = [function.name for function in functions]
            synopsis = [line for function in functions for line in declaration(function)]
            types = [p.base for function in functions for p in function.parameters]
            of_section = [f.name for f in self.header.functions if f.section == section]
            returns = []
            if any(function.result.base == "gossamer_status" for function in functions):
                returns = [".PP", "\\fBGOSSAMER_DONE\\fR, or a status that says what the caller can do, with a sentence in",
                           ".BR gossamer_last_error (3)."]
            notes = [note for where, note in self.header.notes if where == section and where and
                     any(p.base in note for function in functions for p in function.parameters if p.base in self.names)]
            self.page(names, summary(comment, names[0]), synopsis,
                      [("DESCRIPTION", prose("\n\n".join([comment] + notes), self.names)), ("RETURN VALUE", returns),
                       ("ERRORS", self.errors(comment) if returns else [])],
                      ["gossamer"] + types + self.mentioned(comment) + of_section)

    def types(self):
        for struct in self.header.structs:
            synopsis = [f"typedef struct {struct.name} {{"] + [f"  {c_text(field)};" for field in struct.fields]
            synopsis += [f"}} {struct.name};"]
            if struct.has_initializer:
                synopsis += ["", f"{struct.name} it = {struct.name.upper()}_INIT;"]
            fields = []
            for field in struct.fields:
                if field.comment and field.name:
                    fields += [".TP", f"\\fB{escaped(field.name)}\\fR",
                               *(marked(line.strip(), self.names) for line in field.comment.split("\n") if line.strip())]
            users = [f.name for f in self.header.functions if struct.name in [p.base for p in f.parameters]]
            comment = struct.comment
            self.page([struct.name], summary(comment, "a struct of Gossamer"), synopsis,
                      [("DESCRIPTION", prose(comment, self.names) if comment else []), ("FIELDS", fields)],
                      ["gossamer"] + users + self.mentioned(comment + " ".join(field.comment for field in struct.fields)))
        for enum in self.header.enums:
            synopsis = [f"typedef enum {enum.name} {{"] + [f"  {name} = {number}," for name, number, _ in enum.values]
            values = []
            for name, _, said in enum.values:
                if said:
                    values += [".TP", f"\\fB{name}\\fR", *(marked(line.strip(), self.names) for line in said.split("\n"))]
            users = [s.name for s in self.header.structs if any(f"gossamer_{enum.name[9:]}" in f.comment for f in s.fields)]
            users += [f.name for f in self.header.functions if enum.name in [p.base for p in f.parameters]]
            self.page([enum.name], summary(enum.comment, "an enumeration of Gossamer"), synopsis + [f"}} {enum.name};"],
                      [("DESCRIPTION", prose(enum.comment, self.names) if enum.comment else []), ("VALUES", values)],
                      ["gossamer"] + users)
        for callback in self.header.callbacks:
            users = [f.name for f in self.header.functions if callback.name in [p.base for p in f.parameters]]
            self.page([callback.name], summary(callback.comment, callback.name), declaration(callback, True),
                      [("DESCRIPTION", prose(callback.comment, self.names))], ["gossamer"] + users)

    def introduction(self):
        listed = []
        for section in dict.fromkeys(function.section for function in self.header.functions):
            names = [f.name for f in self.header.functions if f.section == section]
            listed += [".TP", f"\\fB{escaped(section or 'versions, errors, log')}\\fR",
                       ", ".join(escaped(name) + "(3)" for name in names)]
        first, rest = self.header.introduction.split("\n\n", 1)
        statuses = []
        for name, number, said in self.header.statuses:
            statuses += [".TP", f"\\fB{name}\\fR ({escaped(str(number))})", escaped(said)]
        self.page(["gossamer"], summary(first.removeprefix("Gossamer: "), ""), ["cc program.c $(pkg-config --cflags --libs gossamer)"],
                  [("DESCRIPTION", prose(rest, self.names)), ("FUNCTIONS", listed), ("STATUSES", statuses)],
                  [s.name for s in self.header.structs])


def main(header_path, folder):
    pages = Pages(reader.read(header_path))
    pages.introduction()
    pages.functions()
    pages.types()
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name, text in pages.files.items():
        with open(os.path.join(folder, name + ".3"), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
