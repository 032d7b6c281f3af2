"""Reads gossamer.h, the one source of what the Fortran module, the manual pages and the list of the ABI are made from.

`read(path)` gives a Header. It knows the C that the header is written in and no more: whatever it does not understand is an
error with its line, so that nothing is left out unnoticed. Sizes and offsets are those of 64-bit systems (LP64); tests compare
them with the compiler's.
"""
import dataclasses
import re

# Bytes, which are the alignment too.
SCALARS = {"char": 1, "int": 4, "float": 4, "double": 8, "size_t": 8, "int32_t": 4, "uint32_t": 4, "int64_t": 8, "uint64_t": 8,
           "int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2}
POINTER = 8


@dataclasses.dataclass
class Variable:
    """A parameter or a field: `const float* const* gradients` is base "float", 2 pointers, constant."""
    name: str           # "" for padding
    base: str
    pointers: int = 0
    constant: bool = False
    length: int = 0     # of an array
    function: str = ""  # the C text of the function that it points at
    comment: str = ""
    offset: int = -1    # of a field
    size: int = 0
    initial: str = ""   # of a field, as the initializer has it


@dataclasses.dataclass
class Enum:
    name: str
    values: list        # of (name, number, comment)
    comment: str = ""
    section: str = ""


@dataclasses.dataclass
class Struct:
    name: str
    fields: list
    comment: str = ""
    section: str = ""
    size: int = 0
    has_initializer: bool = False


@dataclasses.dataclass
class Function:
    name: str
    result: Variable
    parameters: list
    comment: str = ""
    section: str = ""


@dataclasses.dataclass
class Header:
    introduction: str = ""
    version: str = ""
    constants: list = dataclasses.field(default_factory=list)   # of (name, number)
    enums: list = dataclasses.field(default_factory=list)
    structs: list = dataclasses.field(default_factory=list)
    opaque: list = dataclasses.field(default_factory=list)      # names of handles
    callbacks: list = dataclasses.field(default_factory=list)   # Functions that are types
    functions: list = dataclasses.field(default_factory=list)
    statuses: list = dataclasses.field(default_factory=list)    # of (name, number, text)
    notes: list = dataclasses.field(default_factory=list)       # (section, text) of comments that stand alone


def plain(comment):
    """The text of a comment, without its stars; paragraphs and indented blocks stay."""
    lines = comment.strip()[2:-2].split("\n")
    lines = [lines[0].strip()] + [re.sub(r"^\s*\* ?", "", line).rstrip() for line in lines[1:]]
    return "\n".join(lines).strip()


def variable(text, where, comment=""):
    text = " ".join(text.split())
    match = re.fullmatch(r"(?P<result>[\w ]+\*?) ?\(\*(?P<name>\w+)\)\((?P<parameters>.*)\)", text)
    if match:
        return Variable(match["name"], "function", 1, function=text, comment=comment, size=POINTER)
    match = re.fullmatch(r"(?P<type>uint32_t) ?: ?32", text)
    if match:
        return Variable("", match["type"], comment=comment)
    match = re.fullmatch(r"(?P<const>const )?(?P<base>\w+) ?(?P<stars>(?:\*|\* const\*)*) ?(?P<name>\w*)(?:\[(?P<length>\w+)\])?", text)
    if not match:
        raise SystemExit(f"gossamer.h: {where}: \"{text}\" is written in a way that header.py does not know")
    return Variable(match["name"], match["base"], match["stars"].count("*"), bool(match["const"]),
                    comment=comment, length=match["length"] or 0)


def parameters(text, where):
    text = text.strip()
    if text in ("void", ""):
        return []
    return [variable(part, where) for part in text.split(",")]


class Reader:
    def __init__(self, text):
        self.header = Header()
        self.text = text
        self.section = ""
        self.constants = {}
        self.initials = {}

    def read(self):
        text = self.text
        first = re.match(r"/\*.*?\*/", text, re.S)
        self.header.introduction = plain(first[0])
        # Macros: numbers, the table of statuses, initializers. None of the rest is anybody's.
        for name, number in re.findall(r"^#define (GOSSAMER_\w+) (-?\d+)$", text, re.M):
            self.constants[name] = int(number)
            self.header.constants.append((name, int(number)))
        for name, value, said in re.findall(r'X\((\w+), (-?\d+), "([^"]*)"\)', text):
            self.header.statuses.append((f"GOSSAMER_{name}", int(value), said))
        for name, body in re.findall(r"^#define (GOSSAMER_\w+)_INIT\s*\\\n\s*\{(.*?)\n?\s*\}$", text, re.M | re.S):
            self.initials[name.lower()] = [part.strip() for part in body.replace("\\", " ").split(",")]
        self.header.version = ".".join(str(self.constants[f"GOSSAMER_VERSION_{part}"]) for part in ("MAJOR", "MINOR", "PATCH"))
        body = re.sub(r"^#(?:\\\n|[^\n])*\n", "", text[first.end():], flags=re.M)
        body = re.sub(r'^(?:extern "C" \{|\})\n', "", body, flags=re.M)
        self.declarations(body)
        wrong = set(self.initials) - {struct.name for struct in self.header.structs}
        if wrong:
            raise SystemExit(f"gossamer.h: initializers of no struct: {', '.join(sorted(wrong))}")
        return self.header

    def declarations(self, body):
        at, comment, shared = 0, "", ""
        while True:
            gap = re.compile(r"\s*").match(body, at)
            blank = "\n\n" in gap[0]
            at = gap.end()
            if at == len(body):
                break
            if body.startswith("/*", at):
                if comment:
                    self.header.notes.append((self.section, comment))
                end = body.index("*/", at) + 2
                comment = plain(body[at:end])
                shared = ""
                at = end
                section = re.fullmatch(r"---- (.*?) -+", comment)
                if section:
                    self.section, comment = section[1], ""
                continue
            if blank:
                if comment:
                    self.header.notes.append((self.section, comment))
                comment, shared = "", ""
            end = self.end_of(body, at)
            self.declaration(body[at:end].strip(), comment or shared)
            # A comment speaks for all declarations that follow without a blank line.
            shared = comment or shared
            comment = ""
            at = end

    @staticmethod
    def end_of(body, at):
        depth = 0
        while True:
            if body.startswith("/*", at):
                at = body.index("*/", at) + 2
                continue
            depth += {"{": 1, "}": -1}.get(body[at], 0)
            at += 1
            if body[at - 1] == ";" and depth == 0:
                return at

    def declaration(self, text, comment):
        where = " ".join(text.split())[:60]
        bare = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
        match = re.fullmatch(r"GOSSAMER_API\s+(.*?)(gossamer_\w+)\((.*)\);", bare, re.S)
        if match:
            self.header.functions.append(Function(match[2], variable(match[1], where), parameters(match[3], where), comment,
                                                  self.section))
            return
        match = re.fullmatch(r"typedef struct (\w+) \1;", bare)
        if match:
            self.header.opaque.append(match[1])
            return
        match = re.fullmatch(r"typedef (.*?)\(\*(\w+)\)\((.*)\);", bare, re.S)
        if match:
            self.header.callbacks.append(Function(match[2], variable(match[1], where), parameters(match[3], where), comment,
                                                  self.section))
            return
        match = re.fullmatch(r"typedef enum (\w+) \{(.*)\} \1;", text, re.S)
        if match:
            self.enum(match[1], match[2], comment, where)
            return
        match = re.fullmatch(r"typedef struct (\w+) \{(.*)\} \1;", text, re.S)
        if match:
            self.struct(match[1], match[2], comment, where)
            return
        raise SystemExit(f"gossamer.h: \"{where}\" is a declaration that header.py does not know")

    def enum(self, name, body, comment, where):
        if "GOSSAMER_STATUS_TABLE" in body or name == "gossamer_status":
            self.header.enums.append(Enum(name, [(n, v, t) for n, v, t in self.header.statuses], comment, self.section))
            return
        values = []
        for item in re.finditer(r"(\w+) = (-?\w+),?\s*((?:/\*.*?\*/)?)", body, re.S):
            values.append((item[1], int(item[2], 0), plain(item[3]) if item[3] else ""))
        if len(values) != re.sub(r"/\*.*?\*/", "", body, flags=re.S).count("="):
            raise SystemExit(f"gossamer.h: {where}: an enumerator without a number")
        self.header.enums.append(Enum(name, values, comment, self.section))

    def struct(self, name, body, comment, where):
        struct = Struct(name, [], comment, self.section)
        before = ""
        for match in re.finditer(r"/\*.*?\*/|[^;/]+;", body, re.S):
            if match[0].startswith("/*"):
                # Behind a field on its line, or before the next.
                line = body[body.rfind("\n", 0, match.start()) + 1:match.start()].strip()
                if line:
                    struct.fields[-1].comment = plain(match[0])
                else:
                    before = plain(match[0])
                continue
            field = variable(match[0].rstrip(";").strip(), where, before)
            before = ""
            if isinstance(field.length, str):
                field.length = int(field.length) if field.length.isdigit() else self.constants[field.length]
            struct.fields.append(field)
        self.lay_out(struct)
        initials = self.initials.get(name)
        if initials:
            named = [field for field in struct.fields if field.name]
            if len(named) != len(initials):
                raise SystemExit(f"gossamer.h: {name} has {len(named)} fields and its initializer {len(initials)} values")
            for field, value in zip(named, initials):
                field.initial = value
            struct.has_initializer = True
        self.header.structs.append(struct)

    def lay_out(self, struct):
        alignment, at = 1, 0
        for field in struct.fields:
            of_struct = {s.name: s for s in self.header.structs}.get(field.base)
            unit = POINTER if field.pointers else of_struct.size if of_struct else SCALARS[field.base]
            align = POINTER if field.pointers or of_struct else unit
            at = (at + align - 1) // align * align
            field.offset, field.size = at, unit * max(field.length, 1)
            at += field.size
            alignment = max(alignment, align)
        struct.size = (at + alignment - 1) // alignment * alignment


def read(path):
    with open(path, encoding="utf-8") as file:
        return Reader(file.read()).read()
