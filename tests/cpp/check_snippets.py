#!/usr/bin/env python3
"""Compiles what pages show in passing: each block of C or C++ that is no program of its own, as the body of a function.

Usage: check_snippets.py HEADER FOLDER_OF_PAGES PAGES,WITH,COMMAS C_COMPILER CXX_COMPILER FLAGS...     HEADER: gossamer.hpp

C is compiled as C99, C++ as C++17. Of docs/cpp.md also the names in its text are looked for in the header.
"""
import os
import re
import subprocess
import sys

# What the pages leave to the reader. MPI's own header is not needed for this: tests/launchers compiles gossamer_mpi.h with it.
BEGINNINGS = {
    "c": """
#include <gossamer.h>
#include <stdio.h>
typedef void* MPI_Comm;
extern MPI_Comm MPI_COMM_WORLD;
int MPI_Init(int* argc, char*** argv);
int MPI_Abort(MPI_Comm communicator, int code);
gossamer_status gossamer_mpi_init(MPI_Comm communicator, const gossamer_config* config, gossamer_session** session);
void hand_out(void* data, size_t bytes, int root);
extern int argc;
extern char** argv;
extern int rank, rank_count;
extern size_t count;
extern float* weights;
extern char path[100];
extern const char* folder;
extern gossamer_session* session;
extern gossamer_compressor* compressor;
extern gossamer_collective* mix;
extern gossamer_operation* operation;
extern gossamer_status status;
""",
    "cpp": """
#include <chrono>
#include <cstdint>
#include <gossamer.hpp>
#include <string>
#include <vector>
std::vector<double> local_sums();
void give_up_on(std::int64_t rank);
int log(const std::string& text);
extern gossamer::Session session;
extern gossamer::Operation operation;
extern std::vector<double> sums;
extern std::vector<float> weights, bias, weights_gradient, bias_gradient;
extern float rate;
""",
}
PROGRAM = re.compile(r"(?:/\* |// )[\w.]+\.(?:c|cc|h)(?: \*/)?\n")


def check_names(page, text, header):
    with open(header, encoding="utf-8") as file:
        known = file.read()
    names = set(re.findall(r"(?<=[`.:])(?:make_\w+|save_file|load_files|on_complete|notify|init_\w+|compress_pointers|apply_pointers)", text))
    if missing := sorted(name for name in names if not re.search(rf"\b{name}\b", known)):
        sys.exit(f"{page} names {', '.join(missing)}, which {header} has not")


def main(header, folder, pages, c_compiler, cxx_compiler, *flags):
    compilers = {"c": [c_compiler, "-std=c99", "-x", "c"], "cpp": [cxx_compiler, "-std=c++17", "-x", "c++"]}
    sources, seen = dict(BEGINNINGS), 0
    for page in pages.split(","):
        with open(os.path.join(folder, page), encoding="utf-8") as file:
            text = file.read()
        if page == "cpp.md":
            check_names(page, text, header)
        found = [(language, body) for language, body in re.findall(r"^```(c|cpp)\n(.*?)^```$", text, re.M | re.S) if not PROGRAM.match(body)]
        if not found:
            sys.exit(f"{page}: no block was found")
        for language, body in found:
            body = re.sub(r"^#include .*\n", "", body, flags=re.M)
            nothing = "void" if language == "c" else ""
            sources[language] += f'int block_{seen}({nothing});\n#line 1 "{page}, block {seen}"\nint block_{seen}({nothing}) {{\n{body}\n  return 0;\n}}\n'
            seen += 1
    for language, source in sources.items():
        done = subprocess.run([*compilers[language], *flags, "-fsyntax-only", "-"], input=source, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
    print(f"{seen} blocks of {pages} compile")


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
