#!/usr/bin/env python3
"""Writes the manual pages of the command and of each subcommand, from what --help says: man.py LATENTCL FOLDER"""
import pathlib
import re
import subprocess
import sys

latentcl, folder = sys.argv[1], pathlib.Path(sys.argv[2])


def said(*args):
    return subprocess.run([latentcl, *args], check=True, capture_output=True, text=True).stdout


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in ".'" else line for line in text.splitlines())


def page(name, summary, text):
    usage, rest = text.split("\n\n", 1)
    about, _, options = rest.partition("\nOptions (default in brackets):\n")
    out = [f'.TH {name.upper()} 1 "" "{version}" "LatentCL"', ".SH NAME", f"{name} \\- {escaped(summary)}", ".SH SYNOPSIS",
           escaped(usage.removeprefix("Usage: ")), ".SH DESCRIPTION"]
    for paragraph in about.strip("\n").split("\n\n"):
        literal = paragraph.startswith("  ") or "\n  " in paragraph
        out += [".PP", *([".nf"] if literal else []), escaped(paragraph), *([".fi"] if literal else [])]
    if options:
        out.append(".SH OPTIONS")
        for option in re.split(r"\n(?=  --)", "\n" + options.rstrip("\n"))[1:]:
            left, right = re.match(r"  (--\S+(?: \S+)*?)(?:  +|\n +)(.*)", option, re.S).groups()
            out += [".TP", f".B {escaped(left)}", escaped(re.sub(r"\s+", " ", right))]
    others = [n for n in ["latentcl", *[f"latentcl-{c}" for c, _ in commands]] if n != name]
    out += [".SH SEE ALSO", ", ".join(f"\\fB{escaped(n)}\\fR(1)" for n in others)]
    (folder / f"{name}.1").write_text("\n".join(out) + "\n")


version = said("--version").splitlines()[0]
text = said("--help")
commands = re.findall(r"^  ([a-z]+) {2,}(.*)", text, re.M)
page("latentcl", "latent-representation models on any OpenCL device", text)
for command, summary in commands:
    page(f"latentcl-{command}", summary, said(command, "--help"))
