#!/usr/bin/env python3
"""Compiles what docs/cpp.md shows: each block of C++ as the body of a function, and each class and call of its table by name.

Usage: check_page.py PAGE HEADER WORDS_OF_THE_COMPILER...
"""
import re
import subprocess
import sys

# What the page leaves to the reader.
BEGINNING = """
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
"""


def main(page, header, *compiler):
    with open(page, encoding="utf-8") as file:
        text = file.read()
    with open(header, encoding="utf-8") as file:
        known = file.read()
    blocks = re.findall(r"^```cpp\n(.*?)^```$", text, re.M | re.S)
    if len(blocks) < 3:
        sys.exit(f"{page}: only {len(blocks)} blocks of C++ were found")
    source = BEGINNING
    for number, block in enumerate(blocks):
        body = re.sub(r"^#include .*\n", "", block, flags=re.M)
        source += f"int block_{number}();\nint block_{number}() {{\n{body}\n  return 0;\n}}\n"
    done = subprocess.run([*compiler, "-fsyntax-only", "-x", "c++", "-"], input=source, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{page}:\n{done.stderr}")
    names = set(re.findall(r"(?<=[`.:])(?:make_\w+|save_file|load_files|on_complete|notify|init_\w+|compress_pointers|apply_pointers)", text))
    if missing := sorted(name for name in names if not re.search(rf"\b{name}\b", known)):
        sys.exit(f"{page} names {', '.join(missing)}, which {header} has not")
    print(f"{len(blocks)} blocks of {page} compile")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
