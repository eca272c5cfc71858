#!/usr/bin/env python3
"""Checks the includes of src, tools and include: no include of a higher layer, no private header from outside its
folder (internal.h, *_internal.h and what includes them), no circle of files (a .c and the .h of its name are one).

Usage: layers.py [ROOT]"""
import pathlib
import re
import sys

LAYERS = [["base"], ["device"], ["graph"], ["ops"], ["nn", "onnx"], ["reference", "models", "data"], ["train", "bench"],
          ["tools"]]
PUBLIC = {"status": "base", "context": "device", "graph": "graph", "algorithm": "ops", "ops": "ops", "nn": "nn", "onnx": "onnx",
          "model": "models", "plugin": "models", "ranks": "device", "data": "data", "train": "train", "bench": "bench", "latentcl": "tools"}
LAYER = {folder: i for i, layer in enumerate(LAYERS) for folder in layer}

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
texts = {str(f.relative_to(root)): f.read_text()
         for top in ("src", "tools", "include") for f in sorted((root / top).rglob("*.[ch]"))}


def folder(path):
    parts = path.split("/")
    return PUBLIC[parts[-1][:-2]] if parts[0] == "include" else parts[1] if parts[0] == "src" else parts[0]


def included(path):
    """The files of the project that a file includes; generated ones are none of them."""
    for name in re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', texts[path], re.M):
        near = path.rsplit("/", 1)[0] + "/" + name
        yield from [f for f in (near, "src/" + name, "include/" + name) if f in texts][:1]


def private(path):
    return path.endswith(".h") and (re.search(r"[/_]internal\.h$", path) or any(
        private(to) for to in included(path) if folder(to) == folder(path)))


errors = []
uses = {path[:-2]: set() for path in texts}  # a file -> the files whose headers it includes
for path in texts:
    for to in included(path):
        if LAYER[folder(to)] > LAYER[folder(path)]:
            errors.append(f"{path} includes {to}: {folder(to)} is a layer above {folder(path)}")
        uses[path[:-2]] |= {to[:-2]} - {path[:-2]}

done, way = set(), []


def visit(file):
    if file in way:
        errors.append("a circle of files: " + " -> ".join(way[way.index(file):] + [file]))
    elif file not in done:
        way.append(file)
        for to in sorted(uses[file]):
            visit(to)
        done.add(way.pop())


for file in sorted(uses):
    visit(file)
for path in texts if not errors else []:  # private() ends only where there is no circle
    errors += [f"{path} includes {to}, which is private to {folder(to)}" for to in included(path)
               if folder(to) != folder(path) and private(to)]
print("\n".join(errors) or f"layers: the includes of {len(texts)} files are in order")
sys.exit(bool(errors))
