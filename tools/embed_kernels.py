#!/usr/bin/env python3
"""Writes a C file with the text of each .cl file: embed_kernels.py OUT.c FILE.cl..."""
import os
import sys


def c_lines(text):
    for line in text.splitlines():
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
        yield f'    "{escaped}\\n"'


def main(out, files):
    names = [os.path.basename(f) for f in files]
    with open(out, "w") as c:
        c.write("/* Made by tools/embed_kernels.py. */\n#include <stddef.h>\n#include <string.h>\n\n")
        c.write('#include "device/device.h"\n\n')
        c.write("static const char *const texts[] = {\n")
        for f in files:
            with open(f) as src:
                c.write("\n".join(c_lines(src.read())) + ",\n")
        c.write("};\n\nconst char *const lcl__embedded_names[] = {\n")
        c.writelines(f'    "{n}",\n' for n in names)
        c.write("    NULL,\n};\n\n")
        c.write(
            "const char *lcl__embedded_source(const char *file) {\n"
            "  for (size_t i = 0; lcl__embedded_names[i]; i++)\n"
            "    if (strcmp(file, lcl__embedded_names[i]) == 0) return texts[i];\n"
            "  return NULL;\n}\n"
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
