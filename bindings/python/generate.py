#!/usr/bin/env python3
"""Makes gossamer/_interface.py from gossamer.h: the header stays the one place where the interface is written.

Usage: generate.py HEADER [OUTPUT]     without OUTPUT: to stdout

Reads what the header's rules allow: enums, one X table, structs of numbers, pointers, character arrays and calls, their
*_INIT macros, plain numbers, and GOSSAMER_API functions. Anything else is an error that names it, never left
out in silence.
Enumerators lose GOSSAMER_ and, where the enum's name begins with it, their next word: GOSSAMER_SELECT_TOP of
gossamer_selection is Selection.TOP.
"""
import re
import sys

NUMBERS = {
    "int": "c_int",
    "float": "c_float",
    "double": "c_double",
    "size_t": "c_size_t",
    "int32_t": "c_int32",
    "uint32_t": "c_uint32",
    "int64_t": "c_int64",
    "uint64_t": "c_uint64",
    "uint8_t": "c_uint8",
}
COMMENT = re.compile(r"/\*(.*?)\*/", re.S)
NOTE = re.compile("\0(\\d+)\0")


class HeaderError(Exception):
    pass


def camel(name):
    return "".join(word.capitalize() for word in name.removeprefix("gossamer_").split("_"))


class Header:
    """What the header says: names to values, all in its order."""

    def __init__(self, text):
        self.notes = [
            " ".join(line.strip().removeprefix("*").strip() for line in note.split("\n")).strip()
            for note in COMMENT.findall(text)
        ]
        number = iter(range(len(self.notes)))
        text = COMMENT.sub(lambda _: f"\0{next(number)}\0", text).replace("\\\n", " ")
        self.code = NOTE.sub(" ", text)
        self.constants = {
            name: int(value) for name, value in re.findall(r"#define GOSSAMER_(\w+)[ ]+(-?\d+)\s*\n", self.code)
        }
        self.status = [
            (name, int(value), words) for name, value, words in re.findall(r'X\((\w+), (-?\d+), "([^"]*)"\)', self.code)
        ]
        self.enums, self.enum_notes = {}, {}
        for about, name, body in re.findall("(\0\\d+\0)?\\s*typedef enum (gossamer_\\w+) \\{(.*?)\\} \\2;", text, re.S):
            self.enums[name] = self.read_enum(name, body)
            self.enum_notes[name] = self.notes_in(about)
        self.calls = {
            name: (result, parameters)
            for result, name, parameters in re.findall(
                r"typedef ([\w* ]+?) ?\(\*(gossamer_\w+)\)\(([^;]*)\);", self.code
            )
        }
        self.struct_names = set(re.findall(r"typedef struct (gossamer_\w+) \{", text))
        self.structs = {
            name: self.read_struct(name, body)
            for name, body in re.findall(r"typedef struct (gossamer_\w+) \{(.*?)\} \1;", text, re.S)
        }
        self.initial = {name: self.read_initializer(name) for name in self.structs if self.initializer(name)}
        self.functions = [
            self.read_function(" ".join(each.split()))
            for each in re.findall(r"^GOSSAMER_API ([^;]*);", self.code, re.M)
        ]

    def notes_in(self, text):
        return " ".join(self.notes[int(number)] for number in NOTE.findall(text))

    def read_enum(self, name, body):
        if "_TABLE(" in body:
            return [(member, value, words) for member, value, words in self.status]
        members = re.findall("GOSSAMER_(\\w+) = (0[xX]\\w+|-?\\d+),?((?:\\s*\0\\d+\0)*)", body)
        left = re.sub("GOSSAMER_(\\w+) = (0[xX]\\w+|-?\\d+),?|\0\\d+\0", "", body).strip()
        if left or not members:
            raise HeaderError(f"{name}: {left or 'no enumerators'}: expected GOSSAMER_NAME = number")
        word = members[0][0].partition("_")[0]
        if name.removeprefix("gossamer_").startswith(word.lower()) and all(
            each[0].startswith(word + "_") for each in members
        ):
            members = [(member[len(word) + 1 :], value, note) for member, value, note in members]
        return [
            (member, int(value, 0), self.notes_in(note))
            for member, value, note in members
            if not member.endswith("LAST_")
        ]

    def read_struct(self, name, body):
        """(field, ctypes expression, comment, bits) of each; a hole is a field without a name."""
        fields = []
        for part in re.findall("[^;]*;(?:[ ]*\0\\d+\0)?", body):
            code, _, after = part.partition(";")
            code, note = " ".join(NOTE.sub(" ", code).split()), self.notes_in(after)
            if hole := re.fullmatch(r"(\w+) : (\d+)", code):
                fields.append((f"hole{len(fields)}_", self.ctype(hole[1]), note, int(hole[2])))
            elif call := re.fullmatch(r"(.+?) ?\(\*(\w+)\)\((.*)\)", code):
                fields.append((call[2], self.call_type(call[1], call[3]), note, None))
            elif array := re.fullmatch(r"(\w+) (\w+)\[(\w+)\]", code):
                length = self.constants[array[3].removeprefix("GOSSAMER_")] if not array[3].isdigit() else int(array[3])
                element = "c_char" if array[1] == "char" else self.ctype(array[1])
                fields.append(
                    (
                        array[2],
                        f"ctypes.{element} * {length}" if element == "c_char" else f"{element} * {length}",
                        note,
                        None,
                    )
                )
            elif plain := re.fullmatch(r"(.*[\s*])(\w+)", code):
                fields.append((plain[2], self.ctype(plain[1].strip()), note, None))
            else:
                raise HeaderError(f"{name}: a field that is not understood: {code}")
        return fields

    def ctype(self, words):
        words = words.strip()
        plain = words.replace("const", "").strip()
        if plain in ("char*", "char *"):
            return "ctypes.c_char_p"
        if plain.endswith("*"):
            pointed = plain[:-1].strip()
            return f"ctypes.POINTER({camel(pointed)})" if pointed in self.struct_names else "ctypes.c_void_p"
        if plain in NUMBERS:
            return f"ctypes.{NUMBERS[plain]}"
        if plain in self.enums:
            return "ctypes.c_int"
        if plain in self.calls:
            return camel(plain)
        raise HeaderError(f"a type that is not understood: {words}")

    def parameter_types(self, parameters):
        parameters = parameters.strip()
        if parameters in ("void", ""):
            return []
        types = []
        for each in parameters.split(","):
            found = re.fullmatch(r"(.*[\s*])(\w+)", " ".join(each.split()))
            if not found:
                raise HeaderError(f"a parameter that is not understood: {each}")
            types.append(self.ctype(found[1]))
        return types

    def call_type(self, result, parameters):
        # What is called back gets addresses: ctypes would make copies of strings and structs.
        given = [
            re.sub(r"ctypes\.POINTER\(\w+\)", "ctypes.c_void_p", each) for each in self.parameter_types(parameters)
        ]
        returned = "None" if result.strip() == "void" else self.ctype(result)
        return f"ctypes.CFUNCTYPE({', '.join([returned] + given)})"

    def initializer(self, name):
        found = re.search(rf"#define {name.upper()}_INIT\s*\{{(.*?)\}}", self.code, re.S)
        return found and found[1]

    def read_initializer(self, name):
        values = {}
        named = [field for field in self.structs[name] if field[3] is None]
        words = [each.strip() for each in self.initializer(name).split(",")]
        if len(words) != len(named):
            raise HeaderError(f"{name.upper()}_INIT has {len(words)} values for {len(named)} fields")
        members = {f"GOSSAMER_{member}": value for each in self.enums.values() for member, value, _ in each}
        for enum in self.enums:  # names as the header has them
            for full, value in re.findall(r"(GOSSAMER_\w+) = (-?\d+)", self.code):
                members.setdefault(full, int(value))
        for (field, _, _, _), word in zip(named, words):
            if size := re.fullmatch(r"sizeof\((\w+)\)", word):
                values[field] = f"ctypes.sizeof({camel(size[1])})"
            elif word in members:
                values[field] = str(members[word])
            elif word == "NULL" or re.fullmatch(r"0(\.0)?", word):
                continue
            elif re.fullmatch(r"-?\d+(\.\d+)?", word):
                values[field] = word
            else:
                raise HeaderError(f"{name.upper()}_INIT: a value that is not understood: {word}")
        return values

    def read_function(self, words):
        found = re.fullmatch(r"(.*?[\s*])(gossamer_\w+)\((.*)\)", words)
        if not found:
            raise HeaderError(f"a function that is not understood: {words}")
        result = found[1].strip()
        return found[2], "None" if result == "void" else self.ctype(result), self.parameter_types(found[3])


def error_name(status):
    return camel(status.lower()) + "Error"


def is_plain(fields, enum_fields, name):
    """Whether it is a struct of numbers that the library fills in."""
    return (
        len(fields) > 1
        and fields[0][0] == "struct_size"
        and all(
            bits is None
            and re.fullmatch(r"ctypes\.c_(u?int\d+|double|float|size_t)", ctype)
            and f"{name}.{field}" not in enum_fields
            for field, ctype, _, bits in fields
        )
    )


def wrapped(words, indent, width=118):
    import textwrap

    return textwrap.fill(words.replace("\\", "\\\\"), width, initial_indent=indent, subsequent_indent=indent)


def python_of(header):
    version = [header.constants[f"VERSION_{part}"] for part in ("MAJOR", "MINOR", "PATCH")]
    out = [
        '"""Made by generate.py from gossamer.h: numbers, structs and functions of the C interface. Do not edit."""',
        "import ctypes",
        "import enum",
        "from typing import Any, NamedTuple",
        "",
        "from gossamer._failure import GossamerError",
        "",
        f"HEADER_VERSION = ({', '.join(map(str, version))})",
    ]
    out += [f"{name} = {value}" for name, value in header.constants.items() if not name.startswith("VERSION_")]
    for name, members in header.enums.items():
        out += ["", "", f"class {camel(name)}(enum.IntEnum):"]
        about = wrapped(f'"""{header.enum_notes[name] or name + " of gossamer.h."}', "    ")
        notes = [wrapped(f"{member}: {note}", "    ") for member, _, note in members if note]
        out += (
            ([about, "", *notes, '    """'] if notes else [about + '"""'])
            + [""]
            + [f"    {member} = {value}" for member, value, _ in members]
        )
    for name, value, words in header.status:
        if name in ("DONE", "PENDING"):
            continue
        also = {"INVALID_ARGUMENT": ", ValueError", "DEADLINE": ", TimeoutError"}.get(name, "")
        out += [
            "",
            "",
            f"class {error_name(name)}(GossamerError{also}):",
            wrapped(f'"""GOSSAMER_{name}: {words}."""', "    "),
            f"    status: int = Status.{name}",
        ]
    out += ["", "", "ERRORS: dict[int, type[GossamerError]] = {"]
    out += [f"    {value}: {error_name(name)}," for name, value, _ in header.status if name not in ("DONE", "PENDING")]
    out += ["}", ""]
    for name, (result, parameters) in header.calls.items():
        out += [f"{camel(name)} = {header.call_type(result, parameters)}"]
    enum_fields = {}
    for name, fields in header.structs.items():
        out += [
            "",
            "",
            f"class C{camel(name)}(ctypes.Structure):",
            f'    """{name} of gossamer.h."""',
            "",
            "    _fields_ = [",
        ]
        for field, ctype, note, bits in fields:
            ctype = re.sub(r"POINTER\((\w+)\)", r"POINTER(C\1)", ctype)
            out += [f'        ("{field}", {ctype}{"" if bits is None else f", {bits}"}),']
            if kind := re.match(r"a (gossamer_\w+)", note):
                if kind[1] in header.enums:
                    enum_fields[f"{name}.{field}"] = camel(kind[1])
        out += ["    ]"] + [f"    {field}: Any" for field, _, _, bits in fields if bits is None]
        if name in header.initial:
            given = ", ".join(f"{field}={value}" for field, value in header.initial[name].items())
            given = re.sub(r"sizeof\((\w+)\)", r"sizeof(C\1)", given)
            out += [
                "",
                "    @classmethod",
                f'    def initial(cls) -> "C{camel(name)}":',
                f'        """{name.upper()}_INIT."""',
                f"        return cls({given})",
            ]
    plain = [name for name, fields in header.structs.items() if is_plain(fields, enum_fields, name)]
    for name in plain:
        out += ["", "", f"class {camel(name)}(NamedTuple):", f'    """{name} of gossamer.h.', ""]
        out += [wrapped(f"{field}: {note}", "    ") for field, _, note, _ in header.structs[name][1:] if note] + [
            '    """',
            "",
        ]
        out += [
            f"    {field}: {'float' if 'double' in ctype or 'float' in ctype else 'int'}"
            for field, ctype, _, _ in header.structs[name][1:]
            if not field.endswith("_")
        ]
    out += ["", "", "# The enum of a field, as its comment names it.", "FIELD_ENUMS: dict[str, type[enum.IntEnum]] = {"]
    out += [f'    "{field}": {kind},' for field, kind in enum_fields.items()] + ["}", ""]
    out += ["# Result and parameters of every function.", "FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {"]
    for name, result, parameters in header.functions:
        listed = re.sub(r"POINTER\((\w+)\)", r"POINTER(C\1)", ", ".join(parameters))
        out += [f'    "{name}": ({result}, [{listed}]),']
    public = [camel(name) for name in header.enums] + [
        error_name(name) for name, value, _ in header.status if value < 0 or value > 1
    ]
    out += [
        "}",
        "",
        f"__all__ = {public + [camel(name) for name in plain]!r}".replace("'", '"'),
        "",
        f"STRUCTS = {{{', '.join(f'{chr(34)}{name}{chr(34)}: C{camel(name)}' for name in header.structs)}}}",
        "",
    ]
    return "\n".join(line.rstrip() for line in "\n".join(out).split("\n"))


def generate(header_path):
    with open(header_path, encoding="utf-8") as file:
        text = file.read()
    try:
        return python_of(Header(text))
    except HeaderError as problem:
        raise SystemExit(f"{header_path}: {problem}") from None


def main(arguments):
    if not 1 <= len(arguments) <= 2:
        sys.exit(__doc__)
    text = generate(arguments[0])
    if len(arguments) == 1:
        print(text, end="")
        return
    with open(arguments[1], "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
