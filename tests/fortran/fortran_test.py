#!/usr/bin/env python3
"""The Fortran module, as a user builds it: with gfortran from the generated source.

Usage: fortran_test.py SOURCE BUILD LIBRARY GOSSAMER C_COMPILER. Ends with 77, and why, where there is no gfortran.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD, LIBRARY, COMMAND, CC = (os.path.abspath(word) if os.sep in word else word for word in sys.argv[1:6])
MODULE = os.path.join(BUILD, "bindings", "fortran", "gossamer.f90")
FORTRAN = os.path.join(SOURCE, "bindings", "fortran")
HEADERS = os.path.join(SOURCE, "bindings", "c")
LINK = [LIBRARY, f"-Wl,-rpath,{os.path.dirname(LIBRARY)}"]
STRICT = ["-std=f2008", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wno-compare-reals"]  # small whole numbers are compared

sys.path.insert(0, HEADERS)
import header  # noqa: E402


def run(words, folder, expected=0):
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
                          env={**os.environ, "GOSSAMER_INIT_TIMEOUT_S": "20"})
    if (done.returncode == 0) != (expected == 0):
        raise AssertionError(f"{' '.join(words)}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class FortranTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.header = header.read(os.path.join(HEADERS, "gossamer.h"))
        run(["gfortran", *STRICT, "-O1", "-c", MODULE], cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def build(self, name, *sources, compiler="gfortran", strict=True):
        run([compiler, *(STRICT if strict else []), "-O1", *sources, "-o", name, *LINK], self.folder)
        return os.path.join(self.folder, name)

    def layout_in_c(self):
        lines = []
        for struct in self.header.structs:
            initial = f" = {struct.name.upper()}_INIT" if struct.has_initializer else ""
            lines.append(f"  {{ static const {struct.name} it{initial or ' = {0}'}; show(\"{struct.name}\", &it, sizeof it); }}")
            for field in struct.fields:
                if field.name:
                    lines.append(f"  printf(\"{struct.name}.{field.name} %zu\\n\", offsetof({struct.name}, {field.name}));")
        constants = [name for name, _ in self.header.constants]
        constants += [name for enum in self.header.enums for name, _, _ in enum.values]
        lines += [f"  printf(\"{name} %d\\n\", (int){name});" for name in constants]
        return "\n".join(["#include <gossamer.h>", "#include <stdio.h>",
                          "static void show(const char* name, const void* at, size_t size) {",
                          "  printf(\"%s %zu:\", name, size);",
                          "  for (size_t i = 0; i < size; ++i) printf(\" %d\", ((const signed char*)at)[i]);",
                          "  printf(\"\\n\");", "}", "int main(void) {", *lines, "  return 0;", "}", ""])

    def layout_in_fortran(self):
        declared, lines = [], []
        for struct in self.header.structs:
            it = "it_" + struct.name
            declared.append(f"  type({struct.name}), target :: {it}")
            lines.append(f"  print '(a, 1x, i0, a, *(1x, i0))', '{struct.name}', &\n    c_sizeof({it}), ':', &\n    "
                         f"transfer({it}, [integer(c_int8_t) ::])")
            for field in struct.fields:
                if field.name:
                    place = f"{it}%{field.name}" + ("(1)" if field.length else "")
                    lines.append(f"  print '(a, 1x, i0)', '{struct.name}.{field.name}', &\n    address(c_loc({place})) &\n"
                                 f"    - address(c_loc({it}))")
        renamed = {name: name.replace("GOSSAMER_", "GOSSAMER_KIND_", 1) for enum in self.header.enums
                   if enum.name == "gossamer_collective_kind" for name, _, _ in enum.values}
        constants = [name for name, _ in self.header.constants]
        constants += [name for enum in self.header.enums for name, _, _ in enum.values]
        lines += [f"  print '(a, 1x, i0)', '{name}', {renamed.get(name, name)}" for name in constants]
        return "\n".join(["program layout", "  use gossamer", "  implicit none", *declared, *lines, "contains",
                          "  integer(c_intptr_t) function address(place)", "    type(c_ptr), intent(in) :: place",
                          "    address = transfer(place, address)", "  end function", "end program", ""])

    def test_sizes_offsets_defaults_and_constants_are_those_of_c(self):
        """Goal: one source of truth. Method: both compilers print sizes, offsets, each byte of the initializers' values, and
        all constants."""
        for name, text in (("layout.c", self.layout_in_c()), ("layout.f90", self.layout_in_fortran())):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        run([CC, "-std=c99", "-I", HEADERS, "layout.c", "-o", "layout_c"], self.folder)
        self.build("layout_f", "layout.f90", "gossamer.o")
        expected = run(["./layout_c"], self.folder)
        self.assertGreater(expected.count("\n"), 150)
        self.assertEqual(run(["./layout_f"], self.folder), expected)

    def test_every_procedure_works_on_one_and_three_ranks(self):
        """Goal: wrappers and generics are right. Method: a program that checks values, run on 1 and 3 ranks."""
        program = self.build("peer", os.path.join(SOURCE, "tests", "fortran", "peer.f90"), "gossamer.o")
        for ranks in (1, 3):
            output = run([COMMAND, "run", "-n", str(ranks), "--", program], self.folder)
            self.assertEqual(output.count(f"Fortran is right on {ranks} ranks"), ranks, output)
        # An error that nobody asks for.
        output = run([COMMAND, "run", "-n", "1", "--", program, "stop"], self.folder, expected=1)
        self.assertIn("gossamer_broadcast: GOSSAMER_INVALID_ARGUMENT: ", output)
        self.assertIn("ERROR STOP", output)

    def test_the_example_solves_under_mpirun(self):
        """Goal: docs/fortran.md's program, and what the page shows. Method: built and run with each MPI that is there; a result
        better than the start. The page is compiled."""
        self.write_page()
        flavours = [(wrapper, runner) for wrapper, runner in (("mpifort.openmpi", ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe"]),
                                                              ("mpifort.mpich", ["mpiexec.hydra"]))
                    if shutil.which(wrapper) and shutil.which(runner[0])]
        if not flavours:
            self.skipTest("there is no MPI with a Fortran compiler: tools/install-packages launchers")
        for wrapper, runner in flavours:
            with self.subTest(mpi=wrapper):
                program = self.build("solver_" + wrapper, MODULE, os.path.join(FORTRAN, "gossamer_mpi.f90"),
                                     os.path.join(FORTRAN, "examples", "solver.f90"), compiler=wrapper, strict=False)
                output = run([*runner, "-n", "3", program], self.folder)
                self.assertRegex(output, r"conjugate gradients: \d\d iterations, error +\d\.\dE-1\d\n")
                self.assertRegex(output, r"gradient descent: 120 steps, 0\.0\d* of the error is left, [1-9]\d* bytes a step")
                run([wrapper, "-fsyntax-only", "page.f90"], self.folder)

    def write_page(self):
        """docs/fortran.md as a program: its block, and the calls that stand in its text."""
        with open(os.path.join(SOURCE, "docs", "fortran.md"), encoding="utf-8") as file:
            text = file.read()
        block, = re.findall(r"^```fortran\n(.*?)^```$", text, re.M | re.S)
        calls = [" ".join(call.split()) for call in re.findall(r"`(call gossamer_[^`]*)`", text)]
        self.assertGreaterEqual(len(calls), 4)
        used = re.findall(r"^use .*$", block, re.M)
        lines = ["program page", *used, "use mpi", "implicit none", "integer :: ierror", "integer, parameter :: n = 8, m = 2",
                 "real(8), target :: image(n)", "real(8) :: dot", "type(gossamer_config) :: session_config",
                 "type(gossamer_compressor_config) :: config", "type(gossamer_compressor) :: compressor", "type(gossamer_group) :: group",
                 re.sub(r"^use .*\n", "", block, flags=re.M)]
        lines += [call.replace("(session, config)", "(session, session_config)").replace(", compressor, ", ", compressor, &\n  ")
                  for call in calls] + ["end program", ""]
        with open(os.path.join(self.folder, "page.f90"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines))


if __name__ == "__main__":
    if shutil.which("gfortran") is None:
        print("skipped: there is no gfortran: tools/install-packages fortran", file=sys.stderr)
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
