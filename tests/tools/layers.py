#!/usr/bin/env python3
"""Checks the includes of src, tools and include: no include of a higher layer, no private header
(internal.h, *_internal.h) from outside its folder, no circle of files (a .c and the .h of its name are one)."""
import pathlib
import re
import sys

LAYERS = [["base"], ["device"], ["graph"], ["ops"], ["nn"], ["reference", "models", "data"], ["train", "bench"],
          ["tools"]]
PUBLIC = {"status": "base", "version": "base", "context": "device", "graph": "graph", "ops": "ops", "nn": "nn",
          "model": "models", "data": "data", "train": "train", "bench": "bench", "latentcl": "tools"}
LAYER = {folder: i for i, layer in enumerate(LAYERS) for folder in layer}

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
files = {str(f.relative_to(root)): f.read_text()
         for top in ("src", "tools", "include") for f in sorted((root / top).rglob("*.[ch]"))}


def folder(path):
    parts = path.split("/")
    return PUBLIC[parts[-1][:-2]] if parts[0] == "include" else parts[1] if parts[0] == "src" else parts[0]


def target(path, name):
    near = path.rsplit("/", 1)[0] + "/" + name
    return next((f for f in (near, "src/" + name, "include/" + name) if f in files), None)


mistakes = []
uses = {}  # unit -> the units whose headers it includes
for path, text in files.items():
    unit = path[:-2]
    uses.setdefault(unit, set())
    for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
        to = target(path, name)
        if not to:
            continue  # generated while building
        if LAYER[folder(to)] > LAYER[folder(path)]:
            mistakes.append(f"{path} includes {name}: {folder(to)} is a layer above {folder(path)}")
        if re.search(r"(^|[/_])internal\.h$", to) and to.rsplit("/", 1)[0] != path.rsplit("/", 1)[0]:
            mistakes.append(f"{path} includes {name}, which is private to its folder")
        if to[:-2] != unit:
            uses[unit].add(to[:-2])

done, way = set(), []


def visit(unit):
    if unit in way:
        mistakes.append("a circle of files: " + " -> ".join(way[way.index(unit):] + [unit]))
    elif unit not in done:
        way.append(unit)
        for to in sorted(uses[unit]):
            visit(to)
        done.add(way.pop())


for unit in sorted(uses):
    visit(unit)
print("\n".join(mistakes) or f"layers: {len(files)} files in order")
sys.exit(bool(mistakes))
