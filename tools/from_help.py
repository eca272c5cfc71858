#!/usr/bin/env python3
"""Writes what the command's own help is the source of, manual pages and completion for bash, zsh and fish: from_help.py LATENTCL FOLDER"""
import pathlib
import re
import shlex
import subprocess
import sys
from typing import NamedTuple

latentcl, folder = sys.argv[1], pathlib.Path(sys.argv[2])
FILES = "a file"  # what a value can be beside a list of words
FOLDERS = "a folder"


class Option(NamedTuple):
    name: str
    value: str  # as --help calls it; empty for a flag
    help: str

    def no(self):
        """The flag that is its opposite, if it has one."""
        return f"--no-{self.name[2:]}" if self.help.endswith(f"--no-{self.name[2:]})") else None


class Command(NamedTuple):
    name: str
    summary: str
    usage: str
    about: str
    options: list

    def offered(self):
        return [option for option in self.options if not option.help.startswith("internal:")]


def said(*args):
    return subprocess.run([latentcl, *args], check=True, capture_output=True, text=True).stdout


def words(pattern, *args):
    return list(dict.fromkeys(re.findall(pattern, said(*args), re.M)))


def read(name, summary, text):
    usage, rest = text.split("\n\n", 1)
    about, *options = re.split(r"^(?:Options.*:\n)?(?=  --)", rest, 0, re.M)
    parsed = []
    for option in filter(None, options):
        left, right = re.match(r"  (--\S+(?: \S+)*?)(?:  +|\n +)(.*)", option.rstrip("\n"), re.S).groups()
        parsed.append(Option(*left.partition(" ")[::2], re.sub(r"\s+", " ", right)))
    return Command(name, summary, usage.removeprefix("Usage: "), about.strip("\n"), parsed)


# ---- manual pages ----

def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in ".'" else line for line in text.splitlines())


def page(command, name):
    out = [f'.TH {name.upper()} 1 "" "{version}" "LatentCL"', ".SH NAME", f"{name} \\- {escaped(command.summary)}", ".SH SYNOPSIS",
           escaped(command.usage), ".SH DESCRIPTION"]
    for paragraph in command.about.split("\n\n"):
        literal = paragraph.startswith("  ") or "\n  " in paragraph
        out += [".PP", *([".nf"] if literal else []), escaped(paragraph), *([".fi"] if literal else [])]
    if command.options:
        out.append(".SH OPTIONS")
        for option in command.options:
            out += [".TP", f".B {escaped(f'{option.name} {option.value}'.strip())}", escaped(option.help)]
    others = [n for n in ["latentcl", *[f"latentcl-{c.name}" for c in commands]] if n != name]
    out += [".SH SEE ALSO", ", ".join(f"\\fB{escaped(n)}\\fR(1)" for n in others)]
    (folder / f"{name}.1").write_text("\n".join(out) + "\n")


# ---- completion ----

def values(name):
    """What a value that --help calls so can be: words, FILES, FOLDERS, or nothing that is known."""
    if re.search("FILE|PREFIX", name):
        return FILES
    if name in ("DIR", "RUN", "PATH"):
        return FOLDERS
    return [word for part in name.split("|") for word in (lists.get(part, []) if part.isupper() else [part])] if "|" in name else lists.get(name, [])


def argument(command):
    """What an argument that is no option can be, and whether there can be several."""
    name = re.match(r"latentcl \S+ \[?([^\s\]-][^\s\]]*)", command.usage)
    return (values(name[1]), re.search(re.escape(name[1]) + r"\]?\.\.\.", command.usage)) if name else ([], None)


def bash():
    once = '[ "$COMP_CWORD" -gt 2 ] || '
    options, arguments = [], [f"    help) {once}words='{names}' ;;"]
    for c in commands:
        spelled = [n for o in c.offered() for n in (o.name, o.no()) if n]
        options.append(f"    {c.name}) words='{' '.join(spelled)}' ;;")
        kind, many = argument(c)
        if kind and isinstance(kind, list):
            arguments.append(f"    {c.name}) {'' if many else once}words='{' '.join(kind)}' ;;")
    chosen = {o.name: " ".join(values(o.value)) for c in commands for o in c.offered() if "|" in o.value and isinstance(values(o.value), list)}
    return "\n".join(["_latentcl() {",
                      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words=",
                      "  if [ \"$COMP_CWORD\" -eq 1 ]; then", f"    words='{names} help version'",
                      "  elif [ \"${word#-}\" != \"$word\" ]; then", "    case $command in", *options, "    esac",
                      "  elif [ \"${before#-}\" != \"$before\" ]; then", "    case $before in",
                      *[f"    {name}) words='{choice}' ;;" for name, choice in chosen.items()], "    esac",
                      "  else", "    case $command in", *arguments, "    esac", "  fi",
                      "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))", "}", "complete -o default -F _latentcl latentcl", ""])


def zsh():
    def action(kind):
        return {FILES: "_files", FOLDERS: "_files -/"}[kind] if isinstance(kind, str) else f"({' '.join(kind)})" if kind else " "

    def plain(text):
        return re.sub(r"([\[\]:\\])", r"\\\1", text)

    out = ["_latentcl() {", "  local -a commands=(", *[f"    {shlex.quote(plain(c.name) + ':' + plain(c.summary))}" for c in commands], "  )",
           "  if (( CURRENT == 2 )); then",
           "    commands+=('help:the options of a command' 'version:version, commit and libraries')"]
    out += ["    _describe command commands", "    return", "  fi", "  case $words[2] in", "  help) (( CURRENT == 3 )) && _describe command commands ;;"]
    for c in commands:
        specs = []
        for o in c.offered():
            many = "*" if "..." in o.value or "repeated" in o.help else ""
            value = f":{plain(o.value)}:{action(values(o.value))}" if o.value else ""
            specs.append(f"{many}{o.name}{'=' if value else ''}[{plain(o.help)}]{value}")
            if o.no():
                specs.append(f"{o.no()}[not\\: {plain(o.help)}]")
        kind, many = argument(c)
        if kind:
            specs.append(f"{'*' if many else '1'}:argument:{action(kind)}")
        out += [f"  {c.name})", "    shift words; (( CURRENT-- ))", "    _arguments \\", " \\\n".join("      " + shlex.quote(s) for s in specs), "    ;;"]
    return "\n".join(["#compdef latentcl", *out, "  esac", "}", '_latentcl "$@"', ""])


def fish():
    def line(condition, *rest):
        return " ".join(["complete -c latentcl", f"-n '__latentcl_at {condition}'", *rest])

    def what(kind):
        return {FILES: "-F", FOLDERS: "-a '(__fish_complete_directories)'"}[kind] if isinstance(kind, str) else f"-a '{' '.join(kind)}'"

    def quote(text):
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    out = ["# __latentcl_at COMMAND [N]: the command is this one, and N words (with latentcl itself) are there.",
           "function __latentcl_at", "  set -l words (commandline -opc)",
           '  test "$words[2]" = "$argv[1]"; and begin; test -z "$argv[2]"; or test (count $words) = "$argv[2]"; end', "end",
           "complete -c latentcl -f"]
    for c in [*commands, Command("help", "the options of a command", "", "", []), Command("version", "version, commit and libraries", "", "", [])]:
        out.append(line('"" 1', f"-a {c.name}", f"-d {quote(c.summary)}"))
    out += [line("help 2", f"-a {c.name}", f"-d {quote(c.summary)}") for c in commands]
    for c in commands:
        for o in c.offered():
            kind = values(o.value)
            take = "" if not o.value else f"-r {what(kind)}" if kind == FILES else f"-x {what(kind) if kind else ''}"
            out.append(line(c.name, f"-l {o.name[2:]}", take, f"-d {quote(o.help)}"))
            if o.no():
                out.append(line(c.name, f"-l {o.no()[2:]}", f"-d {quote('not: ' + o.help)}"))
        kind, many = argument(c)
        if kind:
            out.append(line(c.name if many else f"{c.name} 2", what(kind)))
    return "\n".join(out) + "\n"


version = said("--version").splitlines()[0]
text = said("--help")
commands = [read(name, summary, said(name, "--help")) for name, summary in re.findall(r"^  ([a-z]+) {2,}(.*)", text, re.M)]
names = " ".join(c.name for c in commands)
lists = {"MODEL": words(r"^([a-z][\w-]*) ", "models"), "TABLE": words(r"^(\S+/\S+)", "reproduce"), "NAME": words(r"^(\w+)", "op", "--list"),
         "SUITE": words(r"^([\w-]+)", "bench", "--list"), "WORKLOAD": words(r"^[\w-]+ +(\S+)", "bench", "--list")}

page(read("latentcl", "latent-representation models on any OpenCL device", text), "latentcl")
for command in commands:
    page(command, f"latentcl-{command.name}")
for name, lines in {"latentcl.bash": bash(), "_latentcl": zsh(), "latentcl.fish": fish()}.items():
    head, _, rest = lines.partition("\n") if lines.startswith("#compdef") else ("", "", lines)
    (folder / name).write_text(f"{head}\n# Made from the command's --help.\n{rest}".lstrip())
