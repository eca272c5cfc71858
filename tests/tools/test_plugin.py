#!/usr/bin/env python3
"""Models of one's own, from outside: test_plugin.py LATENTCL ROOT BUILD

The commands of docs/own_models.md in their order, what comes of a run without its plug-in, and plug-ins that are refused."""
import ctypes
import json
import os
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import common
from common import LATENTCL, call, in_folder, run

ROOT, BUILD = (Path(p).resolve() for p in sys.argv[2:4])
os.environ.update(PKG_CONFIG_PATH=str(BUILD / "meson-uninstalled"), PATH=f"{os.path.dirname(LATENTCL)}:{os.environ['PATH']}")
os.environ.pop("LATENTCL_PLUGINS", None)


def refused(what, *args, **how):
    line = common.refused(*args, **how)
    if not re.fullmatch(rf"latentcl: .*{what}.*\n", line):
        sys.exit(f"latentcl {' '.join(args)}: expected '{what}', got\n{line}")


def compile_plugin(name, source, *flags):
    Path(name + ".c").write_text(source)
    flags = [*flags, *call("pkg-config", "--cflags", "latentcl").stdout.split()]
    call("cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wno-unused-function", "-Werror", "-shared", "-fPIC", name + ".c",
         "-o", name + ".so", *flags)
    return f"./{name}.so"


def what_the_page_says():
    lines = [line[4:] for line in (ROOT / "docs/own_models.md").read_text().splitlines() if line.startswith("    ")]
    assert len(lines) == 9, lines
    shutil.copy(ROOT / "docs/examples/own_model.c", "own_model.c")
    assert len(Path("own_model.c").read_text().splitlines()) <= 80
    p = call("bash", "-euc", "\n".join(lines), timeout=500)
    assert "width of the code" in p.stdout and "test: 2000 examples, width 16" in p.stdout, p.stdout
    error = float(re.search(r"test error ([\d.]+) %", p.stdout).group(1))
    assert error < 25, error  # chance is 90
    report = Path("runs/own/report.html").read_text()
    assert "--plugin " + os.path.realpath("own_model.so") in report
    assert Path("features.npy").stat().st_size == 128 + 2000 * 16 * 4 and Path("grid.png").exists()


def runs_and_their_plugin():
    plugin = os.path.realpath("own_model.so")
    assert json.loads(Path("runs/own/config.json").read_text())["plugin"] == plugin
    missing = rf'model "own-autoencoder", which the plug-in {plugin} brings: load it \(--plugin FILE'
    for command in (["eval", "runs/own"], ["report", "runs/own"], ["reconstruct", "runs/own", "--out", "no.png"],
                    ["train", "--resume", "--out", "runs/own"]):
        refused(missing, *command)
    refused('there is no model "own-autoencoder"', "train", "own-autoencoder", code=2)
    told = run("eval", "runs/own", "--json", "--plugin", "own_model.so").stdout
    os.symlink("own_model.so", "link.so")
    for same in (["--plugin", "link.so"], ["--plugin=own_model.so", "--plugin", "./own_model.so"]):
        assert run("eval", "runs/own", "--json", *same).stdout == told, same
    # Its models are registered once, wherever they are named; empty names in the list are none.
    assert run("eval", "runs/own", "--json", "--plugin", "own_model.so", env={"LATENTCL_PLUGINS": ":own_model.so:"}).stdout == told
    # A plug-in that is linked with the library works with the command's own copy all the same.
    linked = compile_plugin("linked", Path("own_model.c").read_text(), f"-L{BUILD}", "-llatentcl", f"-Wl,-rpath,{BUILD}")
    assert run("eval", "runs/own", "--json", "--plugin", linked).stdout == told
    run("train", "--resume", "--out", "runs/own", "--plugin", "own_model.so", "--epochs", "3")
    run("explain", "own-autoencoder", "--plugin", "own_model.so")
    refused("there is a model \"own-autoencoder\" already", "models", "--plugin", "own_model.so", "--plugin", linked)


CLASS = """#include <latentcl/latentcl.h>
static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  (void)o, (void)d;
  s->epochs = s->batch = 1;
  return DEFAULTS;
}
static void build(lcl_build *b) { BUILD; }
static const lcl_option options[] = {{OPTION, WHEN}};
static const lcl_model_class model = { .name = NAME, .summary = "s", .reference = "r", .options = options, .n_options = N_OPTIONS,
  .defaults = defaults, .build = FUNCTION };
"""
ENTRY = "const lcl_plugin latentcl_plugin = { ABI, COUNT, (const lcl_model_class *const[]) { MODELS } };\n"
GOOD = {"DEFAULTS": "LCL_OK", "BUILD": "(void)b", "OPTION": '"width", LCL_OPTION_INT, "8", "w", "[1,9]"', "NAME": '"own"',
        "FUNCTION": "build", "ABI": "LCL_PLUGIN_ABI", "COUNT": "1", "MODELS": "&model", "N_OPTIONS": "1", "WHEN": "0"}


def plugin(name, text=CLASS + ENTRY, **changes):
    for word, value in {**GOOD, **changes}.items():
        text = re.sub(rf"\b{word}\b", lambda _: value, text)
    return compile_plugin(name, text)


def refused_plugins():
    cases = {  # name: what is said, what is different
        "abi": (r"version 7 of the interface, this LatentCL has 4: compile it", {"ABI": "7"}),
        "none": ("has no models", {"COUNT": "0"}),
        "taken": ('there is a model "vae" already', {"NAME": '"vae"'}),
        "name": ("lower-case letters.*not \"Own Model\"", {"NAME": '"Own Model"'}),
        "no_name": ("lower-case letters.*not \"\"", {"NAME": "0"}),
        "no_build": ('the model "own" must have summary, reference, defaults and build', {"FUNCTION": "0"}),
        "common": ('two options "epochs": every model has one', {"OPTION": '"epochs", LCL_OPTION_INT, "8", "w", 0'}),
        "default": (r'option width: expected a whole number in \[1,9\], got "10"', {"OPTION": '"width", LCL_OPTION_INT, "10", "w", "[1,9]"'}),
        "no_help": ("option 1 must have a name, a default", {"OPTION": '"width", LCL_OPTION_INT, "8", 0, 0'}),
        "choice": ("for a choice, what is allowed", {"OPTION": '"width", LCL_OPTION_CHOICE, "8", "w", 0'}),
        "when": (r'option width: expected options before it.*"a=b"', {"WHEN": '"a=b"'}),
        "when_text": (r'option width: expected options before it.*"a"', {"WHEN": '"a"'}),
        "when_value": (r'option a: expected one of x\|y, got "z"',
                       {"OPTION": '"a", LCL_OPTION_CHOICE, "x", "w", "x|y", 0 }, { "b", LCL_OPTION_INT, "8", "w", 0', "N_OPTIONS": "2",
                        "WHEN": '"a!=x|z"'}),
        "symbol": ("cannot load the plug-in: .*undefined symbol", {"BUILD": "(void)b; extern void not_there(void); not_there()"}),
        "second": ('there is a model "own" already', {"COUNT": "2", "MODELS": "&model, &model"}),
    }
    for name, (said, changes) in cases.items():
        refused(said, "models", "--plugin", plugin(name, **changes))
    library = ctypes.CDLL(str(BUILD / "liblatentcl.so"))  # a program goes on: none of the two models is there
    library.lcl_model_count.restype = ctypes.c_size_t
    before = library.lcl_model_count()
    assert library.lcl_plugin_load(b"./second.so") != 0 and library.lcl_model_count() == before > 10
    refused("is no plug-in of LatentCL: it does not define latentcl_plugin", "models", "--plugin",
            plugin("entry", "int nothing_of_that_name;\n"))
    refused("version 7 of the interface", "eval", "runs/own", env={"LATENTCL_PLUGINS": "own_model.so:abi.so"})
    refused("no_such.so: No such file", "train", "own", "--plugin", "no_such.so")
    refused("cannot load the plug-in: .*own_model.c", "models", "--plugin", "own_model.c")
    refused("it is a link or no file", "models", "--plugin", "runs")
    refused("needs a value", "models", "--plugin", code=2)


def others_plugins():
    good = plugin("good")
    assert "\nown " in run("models", "--plugin", good).stdout
    refusal = "is not used: another user owns it or can write it"
    os.chmod("good.so", 0o775)
    refused(refusal, "models", "--plugin", good)
    os.mkdir("shared")
    shutil.copy("own_model.so", "shared/own_model.so")
    os.chmod("shared", 0o1777)
    refused(refusal, "models", "--plugin", "shared/own_model.so")
    os.chmod("shared", 0o755)
    run("models", "--plugin", "shared/own_model.so")
    if os.geteuid() == 0:  # only root can give a file away
        os.chown("shared/own_model.so", 65534, 65534)
        refused(refusal, "models", "--plugin", "shared/own_model.so")


def errors_of_callbacks():
    data = ["own", "--max-steps", "1", "--out", "runs/none", "--plugin"]
    refused("own: images must be square, not 1.5", "train", *data,
            plugin("refuses", DEFAULTS='lcl_fail(LCL_ERR_ARGUMENT, "images must be square, not %g", 1.5)'))
    refused("own: build: no layer 3$", "train", *data, plugin("fails", BUILD='lcl_build_fail(b, LCL_ERR_SHAPE, "no layer %d", 3)'))
    refused("own: the training graph has no loss", "train", *data, plugin("empty"))
    assert not Path("runs/none").exists()


in_folder(what_the_page_says, runs_and_their_plugin, refused_plugins, others_plugins, errors_of_callbacks)
