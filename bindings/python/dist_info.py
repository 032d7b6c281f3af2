#!/usr/bin/env python3
"""Writes what Python finds an installed package by (importlib.metadata, pip list, entry points), from pyproject.toml, for installations
that pip does not make.

Usage: dist_info.py PYPROJECT VERSION FOLDER     FOLDER: gossamer-VERSION.dist-info
"""
import os
import re
import sys


def main(pyproject, version, folder):
    with open(pyproject, encoding="utf-8") as file:
        text = file.read()

    def value(key):
        return re.search(rf'^{key} = "(.*)"$', text, re.M)[1]

    points = ""
    for group, body in re.findall(r'^\[project\.entry-points\."(.*)"\]\n((?:\w+ = ".*"\n)+)', text, re.M):
        points += f"[{group}]\n" + body.replace('"', "")
    written = {
        "METADATA": f"Metadata-Version: 2.1\nName: {value('name')}\nVersion: {version}\nSummary: {value('description')}\n"
        f"Requires-Python: {value('requires-python')}\n",
        "entry_points.txt": points,
    }
    os.makedirs(folder, exist_ok=True)
    for name, content in written.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(content)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
