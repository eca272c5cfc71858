#!/usr/bin/env python3
"""Writes manual pages, and completion for bash, zsh and fish, from what --help says: from_help.py LATENTCL FOLDER"""
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

    def kind(self):
        return lists.get(self.name) or values(self.value)

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
    about, *options = re.split(r"^(?:Options.*:\n)?(?=  --)", rest, flags=re.M)
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
    out = [f'.TH {name.upper()} 1 "" "{version}" "LatentCL"', ".SH NAME", f"{name} \\- {escaped(command.summary)}",
           ".SH SYNOPSIS", escaped(command.usage), ".SH DESCRIPTION"]
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
    """What a value that --help calls so can be: FILES, FOLDERS or words, none when nothing is known."""
    found = [word for part in name.split("|") for word in ([part] if part.islower() else lists.get(part, []))]
    if not found and re.search(r"FILE|PREFIX|\.\w+$", name):
        return FILES
    return FOLDERS if name in ("DIR", "RUN", "PATH") else found


def argument(command):
    """What an argument that is no option can be, and whether there can be several."""
    name = re.match(r"latentcl \S+ \[?([^\s\[\]-][^\s\]]*)", command.usage)
    if not name:
        return [], False
    many = re.search(re.escape(name[1]) + r"\]?\.\.\.", command.usage) is not None
    return lists.get(command.name) or values(name[1]), many


def filled(template, **parts):
    """The template with the lines of parts["NAME"] for @NAME@."""
    for name, lines in parts.items():
        template = template.replace(f"@{name}@", "\n".join(lines))
    return template


BASH = r"""# Made from the command's --help.
_latentcl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='@COMMANDS@ help version'
  elif [ "${word#-}" != "$word" ]; then
    case $command in
@OPTIONS@
    esac
  elif [ "${before#-}" != "$before" ]; then
    case $before in
@CHOICES@
    esac
  else
    case $command in
@ARGUMENTS@
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _latentcl latentcl
"""


def bash():
    def case(name, offered, once=False):
        return f"""    {name}) {'[ "$COMP_CWORD" -gt 2 ] || ' if once else ''}words='{' '.join(offered)}' ;;"""

    options, choices, arguments = [], {}, [case("help", names, True)]
    for c in commands:
        options.append(case(c.name, [name for o in c.offered() for name in (o.name, o.no()) if name]))
        choices.update({o.name: o.kind() for o in c.offered() if o.kind() and isinstance(o.kind(), list)})
        kind, many = argument(c)
        if kind and isinstance(kind, list):
            arguments.append(case(c.name, kind, not many))
    return filled(BASH, COMMANDS=[" ".join(names)], OPTIONS=options, ARGUMENTS=arguments,
                  CHOICES=[case(*choice) for choice in choices.items()])


ZSH = r"""#compdef latentcl
# Made from the command's --help.
_latentcl() {
  local -a commands=(
@COMMANDS@
  )
  if (( CURRENT == 2 )); then
    commands+=('help:the options of a command' 'version:version, commit and libraries')
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
  help) (( CURRENT == 2 )) && _describe command commands ;;
@CASES@
  esac
}
_latentcl "$@"
"""


def zsh():
    def action(kind):
        if isinstance(kind, list):
            return f"({' '.join(kind)})" if kind else " "
        return {FILES: "_files", FOLDERS: "_files -/"}[kind]

    def plain(text):
        return re.sub(r"([\[\]:\\])", r"\\\1", text)

    cases = []
    for c in commands:
        specs = []
        for o in c.offered():
            many = "*" if "..." in o.value or "repeated" in o.help else ""
            value = f":{plain(o.value)}:{action(o.kind())}" if o.value else ""
            specs.append(f"{many}{o.name}{'=' if value else ''}[{plain(o.help)}]{value}")
            if o.no():
                specs.append(f"{o.no()}[not\\: {plain(o.help)}]")
        kind, many = argument(c)
        if kind:
            specs.append(f"{'*' if many else '1'}:argument:{action(kind)}")
        call = " \\\n      ".join(["    _arguments", *map(shlex.quote, specs)])
        cases += [f"  {c.name})", call, "    ;;"]
    described = [f"{plain(c.name)}:{plain(c.summary)}" for c in commands]
    return filled(ZSH, CASES=cases, COMMANDS=["    " + shlex.quote(text) for text in described])


FISH = r"""# Made from the command's --help.
# __latentcl_at COMMAND [N]: the command is this one, and N words (with latentcl itself) are there.
function __latentcl_at
  set -l words (commandline -opc)
  test "$words[2]" = "$argv[1]"; and begin; test -z "$argv[2]"; or test (count $words) = "$argv[2]"; end
end
complete -c latentcl -f
complete -c latentcl -n '__latentcl_at "" 1' -a help -d 'the options of a command'
complete -c latentcl -n '__latentcl_at "" 1' -a version -d 'version, commit and libraries'
@LINES@
"""


def fish():
    def line(condition, *rest):
        return " ".join(["complete -c latentcl", f"-n '__latentcl_at {condition}'", *rest])

    def told(text):
        return "-d '" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def offer(kind):
        if isinstance(kind, list):
            return f"-a '{' '.join(kind)}'"
        return {FILES: "-F", FOLDERS: "-a '(__fish_complete_directories)'"}[kind]

    lines = [line(at, f"-a {c.name}", told(c.summary)) for at in ['"" 1', "help 2"] for c in commands]
    for c in commands:
        for o in c.offered():
            value = ["-r" if o.kind() == FILES else "-x"] if o.value else []
            value += [offer(o.kind())] if o.kind() else []
            lines.append(line(c.name, f"-l {o.name[2:]}", *value, told(o.help)))
            if o.no():
                lines.append(line(c.name, f"-l {o.no()[2:]}", told("not: " + o.help)))
        kind, many = argument(c)
        if kind:
            lines.append(line(c.name if many else f"{c.name} 2", offer(kind)))
    return filled(FISH, LINES=lines)


version = said("--version").splitlines()[0]
text = said("--help")
summaries = re.findall(r"^  ([a-z]+) {2,}(.*)", text, re.M)
commands = [read(name, summary, said(name, "--help")) for name, summary in summaries]
names = [c.name for c in commands]
# By what --help calls a value, by option or by command.
lists = {"MODEL": words(r"^([a-z][\w-]*) ", "models"), "TABLE": words(r"^(\S+/\S+)", "reproduce"),
         "op": words(r"^(\w+)", "op", "--list"), "SUITE": words(r"^([\w-]+)", "bench", "--list"),
         "WORKLOAD": words(r"^[\w-]+ +(\S+)", "bench", "--list")}
lists["--op"] = lists["op"]

page(read("latentcl", "latent-representation models on any OpenCL device", text), "latentcl")
for command in commands:
    page(command, f"latentcl-{command.name}")
for name, made in {"latentcl.bash": bash(), "_latentcl": zsh(), "latentcl.fish": fish()}.items():
    (folder / name).write_text(made)
