#!/usr/bin/env python3
"""Tests the checkers of this folder: each breach, put into a small tree, must be found and well described."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import check_layers
import check_text

HERE = os.path.dirname(os.path.abspath(__file__))

RIGHT_TREE = {
    "base/CMakeLists.txt": "gossamer_layer(base SOURCES base.cc)\n",
    "base/base.h": '#pragma once\n#include <vector>\n#include "base/result.h"\n',
    "base/result.h": "#pragma once\n",
    "topology/CMakeLists.txt": "gossamer_layer(topology SOURCES ring.cc USES gossamer_base)  # not gossamer_runtime\n",
    "topology/topology.h": '#include "base/base.h"\n',
    "topology/ring.cc": '#include "parts.h"\n#include "topology/topology.h"\n#include "hwy/highway.h"\n',
    "topology/parts.h": "// #include \"runtime/runtime.h\" in a comment is nothing\n",
    "runtime/CMakeLists.txt": "gossamer_layer(runtime SOURCES a.cc USES gossamer_topology LINK gossamer_warnings)\n",
    "runtime/runtime.h": '#include "topology/topology.h"\n',
    "bindings/c/gossamer.h": "/* C99 */\n",
    "bindings/c/gossamer.cc": '#include "bindings/c/gossamer.h"\n#include "runtime/runtime.h"\n',
    "tools/main.cc": '#include "bindings/c/gossamer.h"\n#include "sketch/sketch.h"\n',
    "tests/topology/ring_test.cc": '#include "topology/parts.h"\n#include "runtime/private.h"\n',
}


def write_tree(root, tree):
    for path, content in tree.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8", newline="") as file:
            file.write(content)


class TreeTest(unittest.TestCase):
    def breaches(self, checker, changes=None, **options):
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, {**RIGHT_TREE, **(changes or {})})
            return checker.check(root, **options)


def public(*layers):
    """The headers that these layers show, as a breach lists them."""
    return ", ".join(header for layer in layers for header in check_layers.PUBLIC_HEADERS[layer])


class LayersTest(TreeTest):
    def test_a_right_tree_is_right(self):
        self.assertEqual(self.breaches(check_layers, exceptions={}), [])

    # Goal: each wrong include is found at its line and told what is allowed. Method: one file of each kind.
    def test_wrong_includes_are_found(self):
        cases = [
            ("topology/ring.cc", '\n#include "runtime/runtime.h"\n',
             "topology/ring.cc:2: includes runtime/runtime.h: an arrow up, from topology to runtime; "
             f"topology may include its own headers and {public('base')}"),
            ("topology/ring.cc", '#  include <sketch/sketch.h>\n',
             "topology/ring.cc:1: includes sketch/sketch.h: an arrow sideways, from topology to sketch; "
             f"topology may include its own headers and {public('base')}"),
            ("topology/ring.cc", '#include "base/result.h"\n',
             "topology/ring.cc:1: includes base/result.h, a private header of base; "
             f"topology may include its own headers and {public('base')}"),
            ("topology/ring.cc", '#include "../base/result.h"\n',
             "topology/ring.cc:1: includes base/result.h, a private header of base; "
             f"topology may include its own headers and {public('base')}"),
            ("topology/ring.cc", '#include "base/../runtime/engine/engine.h"\n',
             "topology/ring.cc:1: includes runtime/engine/engine.h: an arrow up, from topology to runtime; "
             f"topology may include its own headers and {public('base')}"),
            ("sketch/a.cc", '#define HWY_TARGET_INCLUDE "topology/ring.cc"\n',
             "sketch/a.cc:1: includes topology/ring.cc: an arrow sideways, from sketch to topology; "
             f"sketch may include its own headers and {public('base')}"),
            ("base/base.cc", '#include "topology/topology.h"\n',
             "base/base.cc:1: includes topology/topology.h: an arrow up, from base to topology; "
             "base may include its own headers only"),
            ("runtime/deep/er.cu", '#include "../../tests/topology/ring_test.cc"\n',
             "runtime/deep/er.cu:1: includes tests/topology/ring_test.cc, which belongs to no layer; "
             f"runtime may include its own headers and {public('base', 'transport', 'topology', 'sketch')}"),
            ("runtime/control/mesh.h", '#include "runtime/engine/driver.h"\n',
             "runtime/control/mesh.h:1: includes runtime/engine/driver.h, which is outside of runtime/control; "
             "runtime/control may include nothing else of its layer"),
            ("tools/launch/spawn.h", '#include "tools/train/plot.h"\n',
             "tools/launch/spawn.h:1: includes tools/train/plot.h, which is outside of tools/launch; "
             "tools/launch may include itself and tools/command"),
            ("bindings/cpp/gossamer.hpp", '#include "runtime/runtime.h"\n',
             "bindings/cpp/gossamer.hpp:1: includes runtime/runtime.h: an arrow sideways, from bindings/cpp to runtime; "
             "bindings/cpp may include its own headers and bindings/c/gossamer.h"),
            ("tools/main.cc", '#include "runtime/engine/engine.h"\n',
             "tools/main.cc:1: includes runtime/engine/engine.h, a private header of runtime; "
             "tools may include its own headers and "
             f"{public('base', 'transport', 'topology', 'sketch', 'runtime', 'bindings/c')}"),
        ]
        for path, content, expected in cases:
            with self.subTest(path=path, content=content):
                self.assertEqual(self.breaches(check_layers, {path: content}, exceptions={}), [expected])

    # Goal: a wrong arrow in CMake is found. Method: USES over several lines, and a later link call.
    def test_wrong_targets_are_found(self):
        self.assertEqual(
            self.breaches(check_layers, {"topology/CMakeLists.txt": "gossamer_layer(topology SOURCES ring.cc\n"
                                                                    "  USES gossamer_base\n       gossamer_runtime)\n"},
                          exceptions={}),
            ["topology/CMakeLists.txt:3: uses gossamer_runtime: an arrow up, from topology to runtime; "
             "topology may use gossamer_base"])
        self.assertEqual(
            self.breaches(check_layers, {"sketch/cuda.cmake": "target_link_libraries(gossamer_sketch PRIVATE "
                                                              "gossamer_transport)\n"}, exceptions={}),
            ["sketch/cuda.cmake:1: uses gossamer_transport: an arrow sideways, from sketch to transport; "
             "sketch may use gossamer_base"])

    # Goal: an exception allows what it names, and must go when nothing needs it. Method: one used, one idle.
    def test_exceptions_are_used_or_removed(self):
        wrong = {"topology/ring.cc": '#include "base/result.h"\n'}
        pair = ("topology/ring.cc", "base/result.h")
        self.assertEqual(self.breaches(check_layers, wrong, exceptions={pair: "a reason"}), [])
        self.assertEqual(self.breaches(check_layers, exceptions={pair: "a reason"}),
                         ["topology/ring.cc:1: the exception for base/result.h is not used; remove it from EXCEPTIONS"])

    # Goal: ctest sees a breach. Method: the exit status of the program, for a wrong, a right and no tree.
    def test_the_exit_status_tells(self):
        def run(root):
            return subprocess.run([sys.executable, "-B", os.path.join(HERE, "check_layers.py"), root],
                                  capture_output=True, text=True, check=False)
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(run(root).returncode, 2)
            write_tree(root, RIGHT_TREE)
            write_tree(root, {path: f'#include "{target}"\n' for path, target in check_layers.EXCEPTIONS})  # or one is idle
            self.assertEqual(run(root).returncode, 0)
            write_tree(root, {"base/wrong.cc": '#include "tools/tools.h"\n'})
            result = run(root)
            self.assertEqual(result.returncode, 1)
            self.assertIn("base/wrong.cc:1: includes tools/tools.h: an arrow up", result.stdout)


class TextTest(TreeTest):
    def test_a_right_tree_is_right(self):
        self.assertEqual(self.breaches(check_text), [])

    # Goal: tabs and trailing spaces are found at their line. Method: one file of each, and files where
    # they are right.
    def test_tabs_and_trailing_spaces_are_found(self):
        self.assertEqual(self.breaches(check_text, {"base/base.cc": "int a;\n\tint b;\n"}),
                         ["base/base.cc:2: a tab; indent with spaces, and write \\t in strings"])
        self.assertEqual(self.breaches(check_text, {"README.md": "one \ntwo\n"}),
                         ["README.md:1: spaces at the end of the line; remove them"])
        self.assertEqual(self.breaches(check_text, {"base/base.cc": "int a;\r\n"}),
                         ["base/base.cc:1: spaces at the end of the line; remove them"])
        self.assertEqual(self.breaches(check_text, {"Makefile": "all:\n\tcc\n", "logo.bin": "\0 \n",
                                                    "tests/fuzz/corpus/idx/tail": "x \n"}), [])

    # Goal: a long file gives a reason. Method: 600 lines, 601, and 601 with the comment.
    def test_long_files_say_why(self):
        self.assertEqual(self.breaches(check_text, {"base/base.cc": "int a;\n" * 600}), [])
        self.assertEqual(self.breaches(check_text, {"base/base.cc": "int a;\n" * 601}),
                         ["base/base.cc:601: 601 lines; split the file at 600, or say why not in a comment "
                          "\"long file: <reason>\""])
        self.assertEqual(len(self.breaches(check_text, {"base/base.cc": "// long file:\n" + "int a;\n" * 601})), 1)
        self.assertEqual(self.breaches(check_text, {"base/base.cc": "// long file: a table\n" + "int a;\n" * 601}), [])
        self.assertEqual(self.breaches(check_text, {"docs/words.md": "a\n" * 601}), [])

    # Goal: a path in words leads to a file. Method: documents and comments that name one that is there, one that is not, and
    # what is no comment or speaks of the past.
    def test_paths_that_lead_nowhere_are_found(self):
        gone = "base/gone.h"
        self.assertEqual(self.breaches(check_text, {"docs/words.md": f"see `base/base.h`\nand `{gone}`\n"}),
                         [f"docs/words.md:2: there is no {gone}; name the file that there is"])
        self.assertEqual(self.breaches(check_text, {"base/base.cc": f"int a;  // as in {gone}\n"}),
                         [f"base/base.cc:1: there is no {gone}; name the file that there is"])
        self.assertEqual(self.breaches(check_text, {"base/base.cc": f'#include "{gone}"\n// base/base.h, <base/c.h>\n',
                                                    "docs/decisions.md": f"{gone}\n"}), [])

    # Goal: what depends on the program's locale is found in the product, and elsewhere and in comments it is not. Method:
    # each kind of call, and calls that look like them.
    def test_numbers_in_the_programs_locale_are_found(self):
        advice = (" depends on the program's locale; use text(), fixed() or general() of base/text.h, or "
                  "std::from_chars")
        for content, name in [("int a;\nstd::ostringstream out;\n", "ostringstream"),
                              ("\nx = std::strtod(text, &end);\n", "strtod"),
                              ("\nx = std::stod(text);\n", "std::stod"),
                              ('\nstd::snprintf(out, size, "%d of %.*f s", a,\n b, c);\n', "snprintf"),
                              ("\nstd::printf(\"%'d\", a);\n", "printf"),
                              ('\nstd::sscanf(text, "%d", &a);\n', "sscanf"),
                              ('\nsetlocale(LC_ALL, "C");\n', "setlocale"),
                              ("\nstd::locale before;\n", "std::locale")]:
            with self.subTest(content=content):
                self.assertEqual(self.breaches(check_text, {"runtime/a.cc": content}, locale_exceptions={}),
                                 [f"runtime/a.cc:2: {name}{advice}"])
                self.assertEqual(self.breaches(check_text, {"tests/a.cc": content}, locale_exceptions={}), [])
        right = ('// strtod( and std::locale\n/* atof(\n */ std::fprintf(stderr, "%s:%d %016llx 5 %%\\n", a, b, c);\n'
                 'state_of(x); x = std::strtol(a, b, 10); std::to_string(5);\n')
        self.assertEqual(self.breaches(check_text, {"base/base.cc": right}, locale_exceptions={}), [])

    # Goal: an exception to that is used or removed. Method: one of each.
    def test_exceptions_of_locale_are_used_or_removed(self):
        exceptions = {"base/base.cc": "a reason"}
        self.assertEqual(self.breaches(check_text, {"base/base.cc": "x = atof(y);\n"}, locale_exceptions=exceptions), [])
        self.assertEqual(self.breaches(check_text, {"base/base.cc": "int a;\n"}, locale_exceptions=exceptions),
                         ["base/base.cc:1: the exception is not used; remove it from LOCALE_EXCEPTIONS"])

    # Goal: what git ignores is not read. Method: a repository with an ignored file that breaks the rule.
    @unittest.skipUnless(shutil.which("git"), "git is not installed")
    def test_ignored_files_are_not_read(self):
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, {".gitignore": "made/\n", "made/a.cc": "\t\n", "base/b.cc": "\tx\n"})
            subprocess.run(["git", "init", "-q", root], check=True)
            self.assertEqual(check_text.check(root),
                             ["base/b.cc:1: a tab; indent with spaces, and write \\t in strings"])


if __name__ == "__main__":
    unittest.main()
