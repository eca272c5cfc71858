"""What LatentCL launches on a GPU that is not there: runs `latentcl bench` on the driver of nullcl.c, finds one training step in
its record and decodes the arguments of the launches."""
import concurrent.futures
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

# The six training steps, and what else has kernels of its own.
STEPS = {"semantic": "semantic-mnist-b100", "imsat": "imsat-vat-b250", "ladder": "ladder-b100", "vgg": "vgg-cifar-b32",
         "pixelrnn-1": "pixelrnn-1x16-b16", "pixelrnn-7": "pixelrnn-7x16-b16"}
OTHERS = {"sample": "sample"}
MOST_LINES = 20000


def environment(driver, device, **more):
    """In which the command finds the null driver's device, and nothing that was measured."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("LATENTCL_")}
    env.update(NULLCL_DEVICE=device, LD_PRELOAD=str(driver), LATENTCL_ENABLE="tiled", LATENTCL_FIND="off", LATENTCL_CACHE="off",
               LATENTCL_TUNING="off", LATENTCL_DISABLE="clblast,clfft,overlap", **more)
    return env


def run_one(latentcl, driver, device, workload, folder):
    env = environment(driver, device, NULLCL_DIR=str(folder), NULLCL_MOST=str(MOST_LINES), XDG_DATA_HOME=str(folder / "data"))
    done = subprocess.run([str(latentcl), "bench", workload, "--quick", "--seconds", "0.001"], env=env, capture_output=True,
                          text=True)
    if done.returncode:
        raise SystemExit("latentcl bench %s on the null driver failed:\n%s" % (workload, (done.stdout + done.stderr)[-2000:]))


def make_records(latentcl, driver, device, work):
    """{step: folder}; made once for a binary, also when several tests want them at the same time."""
    work.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(Path(latentcl).read_bytes() + Path(driver).read_bytes()).hexdigest()
    all_of = {**STEPS, **OTHERS}
    folders = {name: work / device / name for name in all_of}
    with open(work / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = work / device / "made-by"
        if not stamp.exists() or stamp.read_text() != key:
            shutil.rmtree(work / device, ignore_errors=True)
            (work / device).mkdir(parents=True)
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda name: run_one(latentcl, driver, device, all_of[name], folders[name]), all_of))
            stamp.write_text(key)
    return folders


# ---- signatures ----

def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"//[^\n]*", " ", text)


def balanced(text, start):
    depth = 0
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text)


def signatures(text):
    """{kernel: [(type, name)]} of a program's text behind the preprocessor."""
    found = {}
    for m in re.finditer(r"\b(?:__)?kernel\b", text):
        at = m.end()
        while True:  # attributes, on either side of the type
            word = re.compile(r"\s*(?:void\b|__attribute__\s*)").match(text, at)
            if not word:
                break
            at = word.end() if word.group().strip() == "void" else balanced(text, text.index("(", word.end() - 1)) + 1
        name = re.compile(r"\s*(\w+)\s*\(").match(text, at)
        if not name:
            continue
        end, params = balanced(text, name.end() - 1), []
        for p in text[name.end():end].split(","):
            words = re.findall(r"\w+|\*", p)
            if words:
                params.append((" ".join(words[:-1]), words[-1]))
        found[name.group(1)] = params
    return found


def structures(text):
    """{structure: [(field, is a float)]}, all fields of 32 bits."""
    found = {}
    for m in re.finditer(r"typedef struct (\w+) \{(.*?)\}", text, flags=re.S):
        fields = []
        for line in m.group(2).split(";"):
            words = re.findall(r"\w+", line)
            fields += [(word, words[0] == "float") for word in words[1:] if word != "const"]
        found[m.group(1)] = fields
    return found


def preprocess(text, options):
    done = subprocess.run(["cc", "-E", "-P", "-x", "c", "-D__OPENCL_C_VERSION__=120",
                           *[o for o in options.split() if o.startswith("-D")], "-"], input=text, capture_output=True,
                          text=True, check=True)
    return done.stdout


def requested_sizes(text):
    """{kernel: (x,y,z)} where the source says how large a work-group is; text is preprocessed."""
    found = {}
    for m in re.finditer(r"reqd_work_group_size\(([^()]*(?:\([^()]*\)[^()]*)*)\)", text):
        sizes = [eval(size.replace("/", "//"), {"__builtins__": {}}) for size in m.group(1).split(",")]
        name = re.search(r"(\w+)\s*\(", text[m.end():].lstrip(") ").replace("void", "", 1))
        if name:
            found[name.group(1)] = tuple(sizes)
    return found


def decode(argument, ctype, structs):
    kind, rest = argument[0], argument[1:]
    if kind == "m":
        size, where = rest.split(":")
        return ("buffer", int(size), where)
    if kind == "l":
        return ("local", int(rest.split(":")[0]))
    raw = bytes.fromhex(rest.split(":")[1])
    base = ctype.replace("const", "").split()[-1] if ctype.replace("const", "").split() else "int"
    if base in structs:
        at = zip(structs[base], struct.unpack("<%di" % (len(raw) // 4), raw))
        return {name: struct.unpack("<f", struct.pack("<i", v))[0] if is_float else v for (name, is_float), v in at}
    m = re.match(r"(int|uint|float)\d*$", base)
    if len(raw) % 4 == 0:
        form = {"int": "i", "uint": "I", "float": "f"}[m.group(1)] if m else "i"
        v = struct.unpack("<%d%s" % (len(raw) // 4, form), raw)
        return v[0] if len(v) == 1 else list(v)
    return raw.hex()


# ---- a record ----

class Program:
    """Text and options of a program as the driver was given them."""

    def __init__(self, path):
        self.text, self.options = path.read_text(), path.with_suffix(".opt").read_text()
        plain = strip_comments(preprocess(self.text, self.options))
        self.kernels, self.structs, self.sizes = signatures(plain), structures(plain), requested_sizes(plain)
        file = re.findall(r'^#line 1 "([^"]+)"', self.text, flags=re.M)
        self.file = next((Path(f).name for f in file if Path(f).name != "common.cl"), "?")

    def parameters(self):
        return {name: int(v) for name, v in re.findall(r"-D(\w+)=(\d+)", self.options)}


class Record:
    programs = {}  # of all records, by the hash of their text

    def __init__(self, name, folder):
        self.name, self.folder = name, Path(folder)
        with open(self.folder / "launches.jsonl") as lines:
            self.lines = [json.loads(line) for line in lines]

    def program(self, key):
        if key not in Record.programs:
            Record.programs[key] = Program(self.folder / "programs" / (key + ".cl"))
        return Record.programs[key]

    def step(self):
        """The launches between two waits that repeat: the first run of twice the same sequence."""
        segments, now = [], []
        for line in self.lines:
            if line["what"] == "wait":
                if now:
                    segments.append(now)
                now = []
            elif line["what"] in ("kernel", "copy", "fill"):
                now.append(line)
        keys = [tuple((x["what"], x.get("kernel"), tuple(x.get("global", ()))) for x in s) for s in segments]
        repeated = [i for i in range(len(keys) - 1) if keys[i] == keys[i + 1]]
        return segments[repeated[0]] if repeated else max(segments, key=len)

    def used(self):
        """{program: {kernel: most items of a work-group}} of everything that was launched."""
        found = {}
        for x in self.lines:
            if x["what"] == "kernel":
                items = math.prod(max(v, 1) for v in x["local"]) if x["local"][0] else 64
                kernels = found.setdefault(x["program"], {})
                kernels[x["kernel"]] = max(items, kernels.get(x["kernel"], 0))
        return found

    def decoded(self, launch):
        program, values = self.program(launch["program"]), {}
        params = program.kernels.get(launch["kernel"], [])
        for i, a in enumerate(launch["args"]):
            ctype, name = params[i] if i < len(params) else ("", "a%d" % i)
            values[name.removesuffix("_all")] = decode(a, ctype, program.structs)
        if "phases" in values:  # each with its taps of the filter: all together have each tap once
            s, p = values["s"], values["phases"]
            most = s["k"]
            s["k"] = p["kh"] * p["kw"] * values["la"]["len"] / (min(p["sh"], p["h"]) * min(p["sw"], p["w"]))
            s["k_split"] = math.ceil(s["k_split"] * s["k"] / most)
        return values


def plain_name(kernel):
    """Of a generated kernel without the hash of its text."""
    return re.sub(r"_[0-9a-f]{24}$", "", kernel)


def gemm_tile(parameters):
    """(rows, columns, depth, vectors, work-items) of a tile of the tiled GEMM."""
    if "TILE_M" in parameters:
        m, n, v = parameters["TILE_M"], parameters["TILE_N"], parameters.get("VECTORS", 1)
        return m, n, parameters.get("TK", 16 // v), v, m * n // (16 * v * v)
    v, group = parameters.get("NV", 1), parameters.get("GROUP", 16)
    return 4 * v * group, 4 * v * group, parameters.get("TK", 16), v, group * group


def gemm_rounds(parameters, sizes):
    return sizes["k_split"] if "TILE_M" in parameters else math.ceil(sizes["k_split"] / gemm_tile(parameters)[2])
