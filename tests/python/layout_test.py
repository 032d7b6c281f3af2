#!/usr/bin/env python3
"""What Python was told of gossamer.h is what the C compiler sees.

Usage: layout_test.py COMPILER HEADERS

Goal: constants, enumerators, sizes, offsets and initializers that generate.py made are the header's. Method: a C
program, made from the package's own list, prints those of the compiler; the number of what is listed is counted in the
header itself.
"""
import ast
import ctypes
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

from gossamer import _interface as interface

COMPILER, HEADERS = sys.argv[1:3]
sys.argv[1:] = []

C_ENUMS = {
    "Status": "GOSSAMER_",
    "LogLevel": "GOSSAMER_LOG_",
    "Progress": "GOSSAMER_PROGRESS_",
    "Selection": "GOSSAMER_SELECT_",
    "Decode": "GOSSAMER_DECODE_",
    "Schedule": "GOSSAMER_SCHEDULE_",
    "MemoryKind": "GOSSAMER_MEMORY_",
    "Cells": "GOSSAMER_CELLS_",
    "GraphKind": "GOSSAMER_GRAPH_",
}


def enums():
    return {
        name: getattr(interface, name)
        for name in interface.__all__
        if isinstance(getattr(interface, name), type) and issubclass(getattr(interface, name), int)
    }


def named_fields(struct):
    return [field[0] for field in struct._fields_ if len(field) == 2]


def program():
    lines = [
        "#include <gossamer.h>",
        "#include <stdio.h>",
        "#include <string.h>",
        "static void bytes(const char *name, const void *p," " size_t n) {",
        '  printf("initial %s ", name);',
        '  for (size_t i = 0; i < n; ++i) printf("%02x",' " ((const unsigned char *)p)[i]);",
        '  printf("\\n");',
        "}",
        "int main(void) {",
    ]
    for name, kind in enums().items():
        for member in kind:
            c_name = C_ENUMS.get(name, "GOSSAMER_") + member.name
            lines.append(f'  printf("enum {name}.{member.name} %d\\n", (int){c_name});')
    for name, struct in interface.STRUCTS.items():
        lines.append(f'  printf("size {name} %zu\\n", sizeof({name}));')
        for field in named_fields(struct):
            lines.append(
                f'  printf("field {name}.{field} %zu %zu\\n", offsetof({name}, {field}), '
                f"sizeof((({name} *)0)->{field}));"
            )
        if hasattr(struct, "initial"):
            # As a static object: what lies between its fields is zero.
            lines.append(f'  {{ static {name} value = {name.upper()}_INIT; bytes("{name}", &value, sizeof value); }}')
    return "\n".join(lines + ["  return 0;", "}"])


class Layout(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(HEADERS, "gossamer.h"), encoding="utf-8") as file:
            cls.header = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        with tempfile.TemporaryDirectory() as folder:
            source, built = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
            with open(source, "w", encoding="utf-8") as file:
                file.write(program())
            subprocess.run([COMPILER, "-std=c99", "-Wall", "-Werror", "-I", HEADERS, source, "-o", built], check=True)
            cls.seen = subprocess.run([built], check=True, capture_output=True, text=True).stdout.splitlines()

    def values(self, word):
        return [line.split()[1:] for line in self.seen if line.startswith(word + " ")]

    def test_enumerators_have_the_compilers_numbers(self):
        checked = self.values("enum")
        for name, number in checked:
            kind, member = name.split(".")
            self.assertEqual(getattr(interface, kind)[member].value, int(number), name)
        declared = re.findall(r"\bGOSSAMER_\w+ = ", self.header)
        statuses = re.findall(r"  X\(\w+, -?\d+, ", self.header)
        self.assertEqual(len(checked), len(declared) - 1 + len(statuses))  # LAST_ is never returned

    def test_structs_have_the_compilers_sizes_and_offsets(self):
        sizes = self.values("size")
        self.assertEqual(len(sizes), len(re.findall(r"typedef struct gossamer_\w+ \{", self.header)))
        for name, size in sizes:
            self.assertEqual(ctypes.sizeof(interface.STRUCTS[name]), int(size), name)
        for name, offset, size in self.values("field"):
            struct, field = name.split(".")
            seen = getattr(interface.STRUCTS[struct], field)
            self.assertEqual((seen.offset, seen.size), (int(offset), int(size)), name)

    def test_initializers_are_the_compilers_byte_for_byte(self):
        initial = self.values("initial")
        self.assertEqual(len(initial), len(re.findall(r"#define GOSSAMER_\w+_INIT\b", self.header)))
        for name, expected in initial:
            value = interface.STRUCTS[name].initial()
            self.assertEqual(ctypes.string_at(ctypes.addressof(value), ctypes.sizeof(value)).hex(), expected, name)

    def test_every_function_of_the_header_is_declared(self):
        declared = re.findall(r"^GOSSAMER_API [^;(]*?(gossamer_\w+)\(", self.header, re.M)
        self.assertEqual(list(interface.FUNCTIONS), declared)
        self.assertGreater(len(declared), 30)

    def test_every_status_has_its_answer_on_the_page_of_errors(self):
        with open(os.path.join(HEADERS, "..", "..", "docs", "footguns.md"), encoding="utf-8") as file:
            rows = re.findall(r"^\| (`[A-Z_`, ]+) \|", file.read(), re.M)
        self.assertEqual(sorted(re.findall(r"\w+", " ".join(rows))), sorted(status.name for status in interface.Status))

    def test_the_page_of_errors_has_the_words_that_the_package_says(self):
        """Each message of its sections on Python, between the places for names and numbers, is a text of the package."""
        root = os.path.join(HEADERS, "..", "..")
        with open(os.path.join(root, "docs", "footguns.md"), encoding="utf-8") as file:
            page = " ".join(re.search(r"^### Python\n(.*?)^### Joining\n", file.read(), re.M | re.S)[1].split())
        said = ""
        for path in glob.glob(os.path.join(root, "bindings", "python", "gossamer", "**", "*.py"), recursive=True):
            with open(path, encoding="utf-8") as file:
                for node in ast.walk(ast.parse(file.read())):
                    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
                    said += "".join(str(getattr(part, "value", "")) if isinstance(part, ast.Constant) else "..." for part in parts) + "\n"
        parts = []
        for message in re.findall(r"\*\*`(.*?)`\*\*", page):
            # Others' words: Python's, PyTorch's, and the C library's.
            if not re.match("ModuleNotFoundError|'NoneType'|ResourceWarning|... the session belongs", message):
                parts += re.split(r"`, `|\.\.\.|cuda:0|libgossamer.so.0", message)
        parts = [part.strip(" :;,") for part in parts if len(part) > 10]
        self.assertGreater(len(parts), 30)
        self.assertEqual([part for part in parts if part not in said], [])

    def test_what_generate_does_not_understand_is_refused(self):
        # A field of a type that nobody knows must not be left out, which would shift all behind it.
        sys.path.insert(0, os.path.join(HEADERS, "..", "python"))
        import generate

        with open(os.path.join(HEADERS, "gossamer.h"), encoding="utf-8") as file:
            text = file.read()
        for declared, broken in (
            ("  int32_t rank; ", "  long double rank; "),
            ("void gossamer_finalize(gossamer_session* session)", "void gossamer_finalize(some_other_type session)"),
        ):
            self.assertIn(declared, text)
            with self.assertRaisesRegex(SystemExit, "long double|some_other_type"):
                generate.python_of(generate.c_header.Reader(text.replace(declared, broken, 1)).read())


if __name__ == "__main__":
    unittest.main()
