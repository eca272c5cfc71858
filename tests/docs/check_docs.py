"""What README.md and docs/ say is so: links, command lines, environment variables, C code, lists of files.

Usage: check_docs.py ROOT LATENTCL BUILD"""
import re
import shlex
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

root, latentcl, build = Path(sys.argv[1]).resolve(), sys.argv[2], Path(sys.argv[3]).resolve()
pages = [root / name for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]]
pages += sorted((root / "docs").glob("*.md"))
failures = []


def fail(page, what):
    failures.append(f"{page.relative_to(root)}: {what}")


# ---- links ----

def anchors(page):
    """What #... may name in a page: its headings, as web sites of repositories spell them."""
    return {re.sub(r"[^\w\- ]", "", line.lstrip("# ").strip().lower()).replace(" ", "-")
            for line in page.read_text().splitlines() if line.startswith("#")}


def check_links(page):
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", page.read_text()):
        target = "".join(target)
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        if not other.exists():
            fail(page, f"the link {target} leads nowhere")
        elif anchor and anchor not in anchors(other):
            fail(page, f"{target}: there is no such heading")


# ---- command lines ----

@lru_cache(maxsize=None)
def help_of(*words):
    """The text of `latentcl WORDS --help`, or None when there is no such command."""
    result = subprocess.run([latentcl, *words, "--help"], capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else None


commands = re.findall(r"^  ([a-z]+) {2,}", help_of(), re.M)
models = re.findall(r"^([a-z][\w-]*) {2,}",
                    subprocess.run([latentcl, "models"], capture_output=True, text=True).stdout, re.M)
assert "train" in commands and "vae" in models, "the command does not list itself"


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text))


def settings_in(text):
    return set(re.findall(r"--set ([a-z]\w*)=", text))


def model_has(model, name):
    return re.search(rf"^ +{name}\b", help_of("train", model) or "", re.M)


def check_command(page, line):
    """One command line, from `latentcl` on."""
    words = shlex.split(line, comments=True)
    if len(words) < 2 or not re.fullmatch(r"[a-z]+|--[a-z]+", words[1]):
        return  # `latentcl` alone, or a placeholder
    if words[1] in ("--help", "--version"):
        return
    if words[1] not in commands:
        return fail(page, f"`{line}`: there is no command {words[1]}")
    model = words[2] if len(words) > 2 and words[1] in ("train", "explain") else None
    if model and re.fullmatch(r"[a-z][\w-]*", model) and model not in models and "--plugin" not in words:
        return fail(page, f"`{line}`: there is no model {model}")
    known = options_in(help_of(words[1])) | {"--help", "--no-test", "--no-profile"}
    if words[1] == "op" and len(words) > 2 and words[2].islower() and help_of("op", words[2]) is None:
        fail(page, f"`{line}`: there is no op {words[2]}")
    for option in options_in(" ".join(words)) - known:
        fail(page, f"`{line}`: {words[1]} has no option {option}")
    for name in settings_in(" ".join(words)) if model in models else []:
        if not model_has(model, name):
            fail(page, f"`{line}`: {model} has no option {name}")


all_options = set().union(*(options_in(help_of(name)) for name in commands)) | {"--help", "--version"}
for script in (root / "tools").rglob("*"):  # and those of the scripts
    if script.is_file():
        all_options |= set(re.findall(r"""["'](--[a-z0-9-]+)["']""", script.read_text(errors="replace")))


def check_commands(page):
    text = page.read_text()
    lines = [re.sub(r"^(build/tools/)", "", line.strip()) for line in text.splitlines()
             if re.match(r"(    |```)?(build/tools/)?latentcl ", line)]
    spans = re.findall(r"`(latentcl [^`]+)`", text)
    for line in lines + spans:
        check_command(page, line)
    for span in re.findall(r"`(--[^`]+)`", text):  # options on their own, as in tables of results
        for option in options_in(span) - all_options:
            fail(page, f"`{span}`: no command has {option}")
        for name in settings_in(span):
            if not any(model_has(model, name) for model in models):
                fail(page, f"`{span}`: no model has {name}")
    return len(lines + spans)


# ---- environment variables ----

def check_environment(page):
    told = set(re.findall(r"LATENTCL_[A-Z_]+", page.read_text()))
    used = set()
    for folder in ["src", "tools"]:
        for path in (root / folder).rglob("*.[ch]"):
            used |= set(re.findall(r'"(LATENTCL_[A-Z_]+)"', path.read_text()))
    for name in told ^ used:
        fail(page, f"{name} is {'not read anywhere' if name in told else 'not described'}")


# ---- C code ----

def check_code(page):
    for code in re.findall(r"```c\n(.*?)```", page.read_text(), re.S):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
            file.write(code)
            file.flush()
            result = subprocess.run(["cc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only",
                                     f"-I{root}/include", f"-I{build}/include", file.name],
                                    capture_output=True, text=True)
        if result.returncode:
            fail(page, "C code does not compile:\n" + result.stderr)


# ---- docs/adding.md: the files that mention the pattern of a list are the files of the list ----

ADDING = {  # heading: placeholders, and what marks the pattern in the files of which folders
    "An op": ({"FAMILY": "shape"},
              {r'\blcl_scatter_add\(|"scatter_add"|kernel void scatter_add\(':
               ["include", "src/ops", "src/reference", "cl", "tests/ops", "tests/python"]}),
    "A model": ({"MODEL": "two_head"},
                {r"lcl__model_two_head\b|'two_head\.c'": ["src", "tests"],
                 r'^  \{ "two-head",': ["tests/models", "tests/train"]}),
    "A data format": ({"FORMAT": "sound"}, {r"\blcl__open_sound\b|'sound\.c'": ["include", "src", "tools"]}),
    "A convolution algorithm": ({"ALGORITHM": "direct"},
                                {r"conv_direct": ["include", "src", "cl", "tests/ops"]}),
    "A command": ({"COMMAND": "tsne"}, {r"\bcmd_tsne\b|'tsne'": ["src", "tools"]}),
}
TEXT = {".c", ".h", ".cl", ".build", ".py"}


def check_adding(page):
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S))
    if set(sections) != set(ADDING):
        fail(page, f"has the sections {sorted(sections)}, the test knows {sorted(ADDING)}")
    for heading, (names, marks) in ADDING.items():
        listed = set()
        for path in re.findall(r"^- `([^`]+)`", sections.get(heading, ""), re.M):
            for placeholder, name in names.items():
                path = path.replace(placeholder, name)
            listed.add(path)
        found = {str(path.relative_to(root)) for mark, folders in marks.items() for folder in folders
                 for path in (root / folder).rglob("*")
                 if path.suffix in TEXT and path.resolve() != Path(__file__).resolve() and re.search(mark, path.read_text(), re.M)}
        if not listed or listed != found:
            fail(page, f"{heading}: only in the list {sorted(listed - found)}, "
                       f"only in the code {sorted(found - listed)}")


n_commands = 0
for page in pages:
    check_links(page)
    check_code(page)
    n_commands += check_commands(page)
check_environment(root / "docs/manual.md")
check_adding(root / "docs/adding.md")
for path in re.findall(r"`((?:src|cl|include|tests|tools|docs)/[\w./-]+)`", "".join(p.read_text() for p in pages)):
    if re.search(r"[A-Z]{3}", path) is None and not (root / path).exists():
        failures.append(f"there is no {path}")
if any("sub_group" in path.read_text() for folder in ("cl", "src") for path in (root / folder).rglob("*.c*")):
    failures.append("docs/architecture.md says that no kernel uses sub-groups")
NUMBERS = {12: "Twelve", 13: "Thirteen", 14: "Fourteen", 15: "Fifteen", 16: "Sixteen"}
if f"**{NUMBERS.get(len(models), len(models))} models of the literature**" not in (root / "README.md").read_text():
    failures.append(f"README.md tells another number of models than the {len(models)} that there are")
if len((root / "README.md").read_text().splitlines()) > 130:
    failures.append("README.md has more than 130 lines: move some to docs/")
if n_commands < 50:
    failures.append(f"only {n_commands} command lines were found")
if failures:
    sys.exit("\n".join(failures))
print(f"{len(pages)} pages, {n_commands} command lines")
