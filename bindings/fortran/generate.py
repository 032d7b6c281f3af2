#!/usr/bin/env python3
"""Writes the Fortran 2008 modules from gossamer.h: gossamer_c, which is C's interface as it is (its
functions called c_gossamer_...), and gossamer, which programs use.

Usage: generate.py HEADER_READER GOSSAMER_H TYPED_IN OUTPUT

In gossamer each function of C has a wrapper, made by the rules of `Wrapper`: handles are types of their own, strings are Fortran's,
optional arguments come last, and status is one of them. TYPED_IN holds what no rule gives: procedures for arrays of each type.
Fortran knows no case, so enumerators that would be called as functions have their enum's last word in their name
(GOSSAMER_REDUCE is GOSSAMER_KIND_REDUCE).
"""
import importlib.util
import os
import re
import sys

KINDS = {"int": "c_int", "int32_t": "c_int32_t", "uint32_t": "c_int32_t", "int64_t": "c_int64_t", "uint64_t": "c_int64_t",
         "size_t": "c_size_t"}
REALS = {"float": "c_float", "double": "c_double"}
WIDTH = 128  # Fortran has 132
# Types of elements: suffix, declaration, C's name.
ELEMENTS = [("r4", "real(c_float)", "F32"), ("r8", "real(c_double)", "F64"), ("i1", "integer(c_int8_t)", "I8"),
            ("i4", "integer(c_int32_t)", "I32"), ("i8", "integer(c_int64_t)", "I64")]
# Wrappers that TYPED_IN has more of, under the same generic name.
TYPED = ["gossamer_all_reduce", "gossamer_broadcast", "gossamer_check_equal", "gossamer_compress", "gossamer_update_apply",
         "gossamer_compressor_create", "gossamer_compressor_save", "gossamer_compressor_load",
         "gossamer_collective_create", "gossamer_allocate", "gossamer_free"]


def scalar(base):
    if base in KINDS:
        return f"integer({KINDS[base]})"
    if base in REALS:
        return f"real({REALS[base]})"
    if base == "char":
        return "character(kind=c_char)"
    return None


def folded(line):
    """A statement on as many lines as it needs."""
    lines = []
    indent = len(line) - len(line.lstrip())
    while len(line) > WIDTH and not line.lstrip().startswith("!"):
        cut = line.rfind(" ", 0, WIDTH - 2)
        lines.append(line[:cut] + " &")
        line = " " * (indent + 4) + line[cut + 1:]
    return lines + [line]


def has_size(p, following):
    """A pointer that its next parameter counts: `const int32_t* ranks, size_t rank_count`, `char* text, size_t capacity`."""
    if following is None or following.base != "size_t" or following.pointers:
        return False
    if p.base == "char" and p.pointers == 1:
        return not p.constant and following.name == "capacity"
    return p.constant and p.base != "void" and following.name.endswith("_count")


class Module:
    def __init__(self, header):
        self.header = header
        self.enums = {enum.name for enum in header.enums}
        self.structs = {struct.name: struct for struct in header.structs}
        self.callbacks = {callback.name for callback in header.callbacks}
        self.functions = {function.name for function in header.functions}
        self.renamed = {}
        for enum in header.enums:
            if any(name.lower() in self.functions for name, _, _ in enum.values):
                word = enum.name.rsplit("_", 1)[1].upper()
                for name, _, _ in enum.values:
                    self.renamed[name] = name.replace("GOSSAMER_", f"GOSSAMER_{word}_", 1)
        self.check_names()

    def constant(self, name):
        return self.renamed.get(name, name)

    def check_names(self):
        names = [self.constant(name) for enum in self.header.enums for name, _, _ in enum.values]
        names += [name for name, _ in self.header.constants] + list(self.structs) + self.header.opaque + list(self.functions)
        seen = {}
        for name in names:
            if name.lower() in seen:
                sys.exit(f"generate.py: {name} and {seen[name.lower()]} are one name in Fortran")
            if len(name) > 63 - len("_i8_rank3"):
                sys.exit(f"generate.py: {name} is too long a name for Fortran")
            seen[name.lower()] = name

    def initial(self, field, struct):
        if field.pointers:
            return "c_null_funptr" if field.function else "c_null_ptr"
        if not field.initial:
            return "c_null_char" if field.base == "char" else "0"
        if field.initial.startswith("sizeof("):
            return f"{self.structs[field.initial[7:-1]].size}_c_size_t"
        if field.base in REALS:
            return f"{field.initial}_{REALS[field.base]}"
        return self.constant(field.initial)

    def type_of(self, struct):
        lines = [f"  type, bind(c) :: {struct.name}"]
        padding = 0
        for field in struct.fields:
            name = field.name
            if not name:
                padding += 1
                name = f"padding_{padding}_"
            if field.pointers:
                declared = "type(c_funptr)" if field.function else "type(c_ptr)"
            else:
                declared = scalar(field.base)
            shape = f"({field.length})" if field.length else ""
            lines += folded(f"    {declared} :: {name}{shape} = {self.initial(field, struct)}")
        return lines + ["  end type", ""]

    def parameter(self, p, following):
        """How gossamer_c declares it."""
        if has_size(p, following):
            return f"{self.element(p)}, intent({'in' if p.constant else 'out'}) :: {p.name}(*)"
        if p.base in self.callbacks:
            return f"type(c_funptr), value :: {p.name}"
        if p.pointers == 0:
            return f"{'integer(c_int)' if p.base in self.enums else scalar(p.base)}, value :: {p.name}"
        if p.base in self.header.opaque or p.base == "void":
            return f"type(c_ptr), {'value' if p.pointers == 1 else 'intent(out)'} :: {p.name}"
        if p.base in self.structs and p.pointers == 1:
            return f"type({p.base}), intent({'in' if p.constant else 'inout'}) :: {p.name}"
        if p.base == "char" and p.pointers == 1:
            return f"character(kind=c_char), intent(in) :: {p.name}(*)"
        if p.pointers == 2:
            return f"type(c_ptr), intent(in) :: {p.name}(*)"
        if p.constant:
            return f"{scalar(p.base)}, intent(in) :: {p.name}(*)"
        return f"{scalar(p.base)}, intent(out) :: {p.name}"

    def element(self, p):
        return "type(c_ptr)" if p.pointers == 2 else f"type({p.base})" if p.base in self.structs else scalar(p.base)

    def result(self, function):
        result = function.result
        if result.pointers:
            return "type(c_ptr)"
        return None if result.base == "void" else "integer(c_int)" if result.base in self.enums else scalar(result.base)

    def interface(self, function):
        names = ", ".join(p.name for p in function.parameters)
        result = self.result(function)
        kind = "function" if result else "subroutine"
        head = f"    {kind} c_{function.name}({names}) bind(c, name='{function.name}')" + (" result(outcome)" if result else "")
        lines = folded(head) + ["      import"]
        lines += [f"      {self.parameter(p, following)}"
                  for p, following in zip(function.parameters, function.parameters[1:] + [None])]
        lines += [f"      {result} :: outcome"] if result else []
        return lines + [f"    end {kind}"]

    def c_module(self):
        lines = ["! C's interface of Gossamer as it is: module gossamer is what programs use.", "module gossamer_c",
                 "  use, intrinsic :: iso_c_binding", "  implicit none", "  public", ""]
        for name, number in self.header.constants:
            lines.append(f"  integer(c_int), parameter :: {name} = {number}")
        for enum in self.header.enums:
            lines += ["", f"  ! {enum.name}"]
            lines += [f"  integer(c_int), parameter :: {self.constant(name)} = {number}" for name, number, _ in enum.values]
        lines.append("")
        for struct in self.header.structs:
            lines += self.type_of(struct)
        lines.append("  interface")
        for function in self.header.functions:
            lines += self.interface(function)
        return lines + ["  end interface", "end module gossamer_c", ""]


class Wrapper:
    """What a program calls for one function of C."""

    def __init__(self, module, function):
        self.module, self.function = module, function
        self.first, self.last = [], []             # arguments, optional ones last
        self.declared, self.locals = [], []
        self.before, self.passed, self.after = [], [], []
        pointers = list(function.parameters)
        while pointers:
            p = pointers.pop(0)
            following = pointers[0] if pointers else None
            if has_size(p, following):
                self.argument(p.name, f"{module.element(p)}, intent({'in' if p.constant else 'out'}), contiguous", "(:)")
                self.passed += [p.name, f"size({p.name}, kind=c_size_t)"]
                pointers.pop(0)
            else:
                self.take(p)

    def argument(self, name, declared, shape="", optional=False):
        (self.last if optional else self.first).append(name)
        self.declared.append(f"{declared}{', optional' if optional else ''} :: {name}{shape}")

    def take(self, p):
        module, name = self.module, p.name
        passed = name
        ends = self.function.result.base == "void" and re.search("_(destroy|finalize)$", self.function.name)
        if p.base in module.header.opaque:
            self.argument(name, f"type({p.base}), intent({'inout' if p.pointers == 2 or ends else 'in'})")
            passed = f"{name}%handle"
            if ends:
                self.after.append(f"{name}%handle = c_null_ptr")
        elif p.base in module.structs:
            optional = p.base == "gossamer_config" and p.constant
            self.argument(name, f"type({p.base}), intent({'in' if p.constant else 'inout'})", optional=optional)
            if optional:
                self.locals.append(f"type({p.base}) :: own_{name}")
                self.before.append(f"if (present({name})) own_{name} = {name}")
                passed = f"own_{name}"
        elif p.base == "char" and p.pointers == 1:
            self.argument(name, "character(*), intent(in)")
            passed = f"c_text({name})"
        elif p.name == "timeout_ns":
            self.argument(name, "integer(c_int64_t), intent(in)", optional=True)
            self.locals.append("integer(c_int64_t) :: own_timeout_ns")
            self.before += ["own_timeout_ns = 0", "if (present(timeout_ns)) own_timeout_ns = timeout_ns"]
            passed = "own_timeout_ns"
        elif p.base in module.callbacks:
            self.argument(name, "type(c_funptr), intent(in)")
        elif p.pointers == 0:
            self.argument(name, f"{'integer(c_int)' if p.base in module.enums else scalar(p.base)}, intent(in)")
        elif p.base == "void":
            self.argument(name, f"type(c_ptr), intent({'in' if p.pointers == 1 else 'out'})")
        elif p.pointers == 2:
            self.argument(name, "type(c_ptr), intent(in), contiguous", "(:)")
        elif p.constant:
            self.argument(name, f"{scalar(p.base)}, intent(in), contiguous", "(:)")
        else:
            self.argument(name, f"{scalar(p.base)}, intent(out)")
        self.passed.append(passed)

    def name(self):
        return self.function.name + ("_c_" if self.function.name in TYPED else "")

    def text(self):
        function, name = self.function, self.name()
        call = f"c_{function.name}({', '.join(self.passed)})"
        result = self.module.result(function)
        kind, outcome = "subroutine", []
        if function.result.base == "gossamer_status":
            self.argument("status", "integer(c_int), intent(out)", optional=True)
            body = self.before + [f"call conclude('{function.name}', {call}, status)"]
        elif function.result.pointers:
            kind, outcome = "function", ["character(:), allocatable :: outcome"]
            body = self.before + [f"outcome = f_text({call})"]
        elif result:
            kind, outcome = "function", [f"{result} :: outcome"]
            body = self.before + [f"outcome = {call}"]
        else:
            body = self.before + [f"call {call}"]
        head = f"  {kind} {name}({', '.join(self.first + self.last)})" + (" result(outcome)" if outcome else "")
        lines = folded(head)
        for line in self.declared + outcome + self.locals + body + self.after:
            lines += folded("    " + line)
        return lines + [f"  end {kind}", ""]


def typed(text):
    """The procedures of TYPED_IN, each block once for every type of elements and every rank that it asks for."""
    out, names = [], {}
    for block in re.split(r"^!EACH\b", text, flags=re.M)[1:]:
        head, body = block.split("\n", 1)
        words = dict(word.split("=") for word in head.split())
        for suffix, declared, c_name in ELEMENTS:
            if "types" in words and suffix not in words["types"].split(","):
                continue
            for rank in (int(r) for r in words.get("ranks", "1").split(",")):
                name = f"{words['name']}_{suffix}_rank{rank}"
                shape = "" if rank == 0 else f"({','.join(':' * rank)})"
                filled = (body.replace("@NAME", name).replace("@TYPE", declared).replace("@SHAPE", shape)
                          .replace("@CONTIGUOUS", ", contiguous" if rank else "").replace("@C_TYPE", f"GOSSAMER_{c_name}")
                          .replace("@COUNT", "1_c_size_t" if rank == 0 else "size(vector, kind=c_size_t)"))
                names.setdefault(words["name"], []).append(name)
                for line in filled.rstrip().split("\n"):
                    out += folded(line)
                out.append("")
    return out, names


def main(reader, header_path, typed_path, output):
    specification = importlib.util.spec_from_file_location("header", reader)
    reader_module = importlib.util.module_from_spec(specification)
    sys.modules["header"] = reader_module
    specification.loader.exec_module(reader_module)
    header = reader_module.read(header_path)
    module = Module(header)
    with open(typed_path, encoding="utf-8") as file:
        plain, _, blocks = file.read().partition("!BLOCKS\n")
    bodies, generics = typed(blocks)
    wrappers = [Wrapper(module, function) for function in header.functions]
    lines = [f"! Gossamer {header.version} for Fortran 2008. Made from gossamer.h, which is the specification; docs/fortran.md has what differs.",
             ""] + module.c_module()
    lines += ["module gossamer", "  use, intrinsic :: iso_c_binding", "  use, intrinsic :: iso_fortran_env, only: error_unit",
              "  use gossamer_c"]
    functions = [function.name for function in header.functions]
    lines += ["  implicit none", "  public", "  private :: error_unit, conclude, c_text, f_text", ""]
    lines += [f"  private :: c_{name}" for name in functions] + [""]
    for name in header.opaque:
        lines += [f"  type :: {name}", "    type(c_ptr) :: handle = c_null_ptr", "  end type", ""]
    for name in TYPED:
        if name not in functions:
            sys.exit(f"generate.py: {name} is no function of gossamer.h")
    for name in sorted(set(generics) | set(TYPED)):
        specific = generics.get(name, []) + ([name + "_c_"] if name in TYPED else [])
        specific += [found for found in re.findall(r"^  subroutine (\w+)", plain, re.M) if found.startswith(name + "_of_")]
        lines += [f"  interface {name}"] + [f"    module procedure {one}" for one in specific] + ["  end interface", ""]
        lines += [f"  private :: {one}" for one in specific] + [""]
    lines += ["contains", ""]
    for wrapper in wrappers:
        lines += wrapper.text()
    lines += plain.rstrip().split("\n") + [""] + bodies + ["end module gossamer"]
    text = "\n".join(lines) + "\n"
    with open(output + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(output + ".part", output)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
