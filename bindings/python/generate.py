#!/usr/bin/env python3
"""Makes gossamer/_interface.py from gossamer.h: the header stays the one place where the interface is written.

Usage: generate.py HEADER [OUTPUT]     without OUTPUT: to stdout

bindings/c/header.py reads it, and refuses what it does not understand; so does this, of types.
Enumerators lose GOSSAMER_ and, where the enum's name begins with it, their next word: GOSSAMER_SELECT_TOP of
gossamer_selection is Selection.TOP.
"""
import os
import re
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "c"))
import header as c_header  # noqa: E402

NUMBERS = [name for name in c_header.SCALARS if name != "char"]


def camel(name):
    return "".join(word.capitalize() for word in name.removeprefix("gossamer_").split("_"))


def short(name):
    return name.removeprefix("GOSSAMER_")


def one_line(comment):
    return " ".join(comment.split())


class Types:
    """What ctypes calls the header's types."""

    def __init__(self, header):
        self.structs = {struct.name for struct in header.structs}
        self.enums = {enum.name for enum in header.enums}
        self.callbacks = {callback.name for callback in header.callbacks}
        self.opaque = set(header.opaque)

    def of(self, v):
        if v.function:
            result, parameters = re.fullmatch(r"(.+?) ?\(\*\w+\)\((.*)\)", v.function).groups()
            return self.call(c_header.variable(result, v.function), c_header.parameters(parameters, v.function))
        if v.length:
            return f"{'ctypes.c_char' if v.base == 'char' else self.plain(v)} * {v.length}"
        if v.pointers == 1 and v.base == "char":
            return "ctypes.c_char_p"
        if v.pointers == 1 and v.base in self.structs:
            return f"ctypes.POINTER(C{camel(v.base)})"
        if v.pointers:
            return "ctypes.c_void_p"
        return self.plain(v)

    def plain(self, v):
        if v.base in self.callbacks:
            return camel(v.base)
        if v.base in self.enums:
            return "ctypes.c_int"
        if v.base in c_header.SCALARS:
            return f"ctypes.c_{v.base.removesuffix('_t') if v.base != 'size_t' else v.base}"
        raise SystemExit(f"gossamer.h: a type that generate.py does not know: {v.base} {v.name}")

    def result(self, v):
        return "None" if v.base == "void" and not v.pointers else self.of(v)

    def call(self, result, parameters):
        # What is called back gets addresses: ctypes would make copies of strings and structs.
        given = [re.sub(r"ctypes\.POINTER\(\w+\)", "ctypes.c_void_p", self.of(p)) for p in parameters]
        return f"ctypes.CFUNCTYPE({', '.join([self.result(result)] + given)})"


def members_of(enum):
    """(name, number, comment) of each."""
    members = [(short(name), number, one_line(comment)) for name, number, comment in enum.values if not name.endswith("LAST_")]
    word = members[0][0].partition("_")[0]
    if enum.name.removeprefix("gossamer_").startswith(word.lower()) and all(name.startswith(word + "_") for name, _, _ in members):
        members = [(name[len(word) + 1 :], number, comment) for name, number, comment in members]
    return members


def initial_of(field, numbers):
    """None where it is the zero that ctypes begins with."""
    if size := re.fullmatch(r"sizeof\((\w+)\)", field.initial):
        return f"ctypes.sizeof(C{camel(size[1])})"
    if field.initial in numbers:
        return str(numbers[field.initial])
    if field.initial == "NULL" or re.fullmatch(r"0(\.0)?", field.initial):
        return None
    if re.fullmatch(r"-?\d+(\.\d+)?", field.initial):
        return field.initial
    raise SystemExit(f"gossamer.h: the initializer's value of {field.name} is not understood: {field.initial}")


def error_name(status):
    return camel(status.lower()) + "Error"


def is_plain(struct):
    """Whether it is a struct of numbers that the library fills in."""
    return (
        len(struct.fields) > 1
        and struct.fields[0].name == "struct_size"
        and all(
            field.name and not field.pointers and not field.length and field.base in NUMBERS and not kind_of(field)
            for field in struct.fields
        )
    )


def kind_of(field):
    """The enum of a number, as its comment names it."""
    named = re.match(r"a (gossamer_\w+)", field.comment)
    return named[1] if named else None


def wrapped(words, indent, width=118):
    return textwrap.fill(words.replace("\\", "\\\\"), width, initial_indent=indent, subsequent_indent=indent)


def enum_text(enum):
    members = members_of(enum)
    about = wrapped(f'"""{one_line(enum.comment) or enum.name + " of gossamer.h."}', "    ")
    notes = [wrapped(f"{name}: {note}", "    ") for name, _, note in members if note]
    out = ["", "", f"class {camel(enum.name)}(enum.IntEnum):"]
    out += [about, "", *notes, '    """'] if notes else [about + '"""']
    return out + [""] + [f"    {name} = {number}" for name, number, _ in members]


def error_text(name, words):
    also = {"INVALID_ARGUMENT": ", ValueError", "DEADLINE": ", TimeoutError"}.get(name, "")
    return [
        "",
        "",
        f"class {error_name(name)}(GossamerError{also}):",
        wrapped(f'"""GOSSAMER_{name}: {words}."""', "    "),
        f"    status: int = Status.{name}",
    ]


def struct_text(struct, types, numbers):
    out = ["", "", f"class C{camel(struct.name)}(ctypes.Structure):", f'    """{struct.name} of gossamer.h."""', ""]
    out += ["    _fields_ = ["]
    for place, field in enumerate(struct.fields):
        bits = "" if field.name else ", 32"
        out += [f'        ("{field.name or f"hole{place}_"}", {types.of(field)}{bits}),']
    named = [field for field in struct.fields if field.name]
    out += ["    ]"] + [f"    {field.name}: Any" for field in named]
    if struct.has_initializer:
        values = {field.name: initial_of(field, numbers) for field in named}
        given = ", ".join(f"{name}={value}" for name, value in values.items() if value is not None)
        out += [
            "",
            "    @classmethod",
            f'    def initial(cls) -> "C{camel(struct.name)}":',
            f'        """{struct.name.upper()}_INIT."""',
            f"        return cls({given})",
        ]
    return out


def tuple_text(struct):
    fields = struct.fields[1:]
    out = ["", "", f"class {camel(struct.name)}(NamedTuple):", f'    """{struct.name} of gossamer.h.', ""]
    out += [wrapped(f"{field.name}: {one_line(field.comment)}", "    ") for field in fields if field.comment]
    out += ['    """', ""]
    return out + [
        f"    {field.name}: {'float' if field.base in ('double', 'float') else 'int'}"
        for field in fields
        if not field.name.endswith("_")
    ]


def python_of(header):
    types = Types(header)
    numbers = {name: number for enum in header.enums for name, number, _ in enum.values}
    failures = [(short(name), number, words) for name, number, words in header.statuses]
    failures = [each for each in failures if each[0] not in ("DONE", "PENDING")]
    plain = [struct for struct in header.structs if is_plain(struct)]
    out = [
        '"""Made by generate.py from gossamer.h: numbers, structs and functions of the C interface. Do not edit."""',
        "import ctypes",
        "import enum",
        "from typing import Any, NamedTuple",
        "",
        "from gossamer._failure import GossamerError",
        "",
        f"HEADER_VERSION = ({header.version.replace('.', ', ')})",
    ]
    out += [f"{short(name)} = {number}" for name, number in header.constants if "_VERSION_" not in name]
    for enum in header.enums:
        out += enum_text(enum)
    for name, _, words in failures:
        out += error_text(name, words)
    out += ["", "", "ERRORS: dict[int, type[GossamerError]] = {"]
    out += [f"    {number}: {error_name(name)}," for name, number, _ in failures] + ["}", ""]
    for callback in header.callbacks:
        out += [f"{camel(callback.name)} = {types.call(callback.result, callback.parameters)}"]
    for struct in header.structs:
        out += struct_text(struct, types, numbers)
    for struct in plain:
        out += tuple_text(struct)
    out += ["", "", "# Result and parameters of every function.", "FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {"]
    for function in header.functions:
        listed = ", ".join(types.of(p) for p in function.parameters)
        out += [f'    "{function.name}": ({types.result(function.result)}, [{listed}]),']
    public = [camel(enum.name) for enum in header.enums] + [error_name(name) for name, _, _ in failures]
    public += [camel(struct.name) for struct in plain]
    out += [
        "}",
        "",
        f"__all__ = {public!r}".replace("'", '"'),
        "",
        f"STRUCTS = {{{', '.join(f'{chr(34)}{struct.name}{chr(34)}: C{camel(struct.name)}' for struct in header.structs)}}}",
        "",
    ]
    return "\n".join(line.rstrip() for line in "\n".join(out).split("\n"))


def main(arguments):
    if not 1 <= len(arguments) <= 2:
        sys.exit(__doc__)
    text = python_of(c_header.read(arguments[0]))
    if len(arguments) == 1:
        print(text, end="")
        return
    with open(arguments[1], "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
