#!/usr/bin/env python3
"""What a GPU would get from LatentCL, judged without one: check.py WHAT --latentcl PATH --driver PATH [...]

WHAT is `launches` (the launches of six training steps: how many, and which leave a GPU idle), `choices` (what the cost model takes
for their GEMMs and convolutions, against choices.txt), or a target whose compilers say
what the kernels become: sm_80, sm_90 (NVIDIA; sm_90 also predicts the steps' times), gfx906, gfx1030, gfx1100 (AMD), acm-g10
(Intel) or spirv, each for what a device of its kind is given. Exits 77 where the target's compilers are missing; compilers.sh
gets them.

limits.json is a ratchet. It has a limit for each figure, today's value, beside the goal. A figure beyond its limit fails the check,
one without a limit has to reach its goal. Who makes something better lowers the limit: --tighten writes today's values
where they are better than the limits, and never one that is worse. limits.json also says which compilers the limits hold for: with
others, only that everything compiles is judged, and the check exits 77 too."""
import argparse
import concurrent.futures
import hashlib
import json
import math
import os
import pickle
import sys
from collections import Counter
from pathlib import Path

import assembly
import choices
import model
import record as records
from compilers import CompileError, Compilers, NoCompiler

HERE = Path(__file__).resolve().parent
WARP, UNITS = 32, 132  # of the device that is recorded: an H100
# Registers, warps, groups and local memory of a multiprocessor.
NVIDIA = {"sm_80": (65536, 64, 32, 164 << 10), "sm_90": (65536, 64, 32, 228 << 10)}
# The device of nullcl.c whose record is compiled for a target.
DEVICES = {"sm_80": "a100", "sm_90": "h100", "gfx906": "mi50", "gfx1030": "rx6800", "gfx1100": "rx7900", "acm-g10": "a770",
           "spirv": "h100", "launches": "h100"}
# Share of FMAs in a GEMM's main loop with 4x4 and 8x8 sums a work-item.
FMA_GOALS = {"sm_90": (0.65, 0.80), "sm_80": (0.65, 0.80), "gfx1100": (0.60, 0.75), "gfx1030": (0.60, 0.75),
             "gfx906": (0.60, 0.75), "acm-g10": (0.55, 0.55)}
# FMAs of a work-item in a column of the BiLSTM's walks, and in a round of its kernels' gradient.
WALKS = {"bilstm_forward_tiled": lambda p: 8 * p["BILSTM_H"] * p["BILSTM_R"],
         "bilstm_backward_tiled": lambda p: 8 * p["BILSTM_H"] * p["BILSTM_R"], "bilstm_kernel_grad": lambda p: 16 * 16}
SOURCES = ("matrix", "convolution", "filter gradient")


# ---- launches ----

def idle_launches(record):
    """(kind, what) of the step's launches that a GPU could not do well whatever their kernels were."""
    for x in record.step():
        if x["what"] != "kernel":
            continue
        name, items = records.plain_name(x["kernel"]), math.prod(x["global"])
        local = math.prod(x["local"]) if x["local"][0] else model.whole_divisor(x["global"][0])
        groups = math.ceil(items / local)
        if not x["local"][0] and items >= WARP:
            yield "no size", "%s of %s items: groups of %d" % (name, "x".join(map(str, x["global"])), local)
        elif local < WARP and items >= WARP:
            yield "narrow", "%s: %d groups of %d" % (name, groups, local)
        elif 2 * groups < UNITS and work_of(record, x, name, items) >= UNITS * WARP:
            yield "starved", "%s: %d groups of %d" % (name, groups, local)


def work_of(record, launch, name, items):
    """Work-items that the launch could have had: a GEMM's parts of k, a reduction's of what is summed."""
    d = record.decoded(launch)
    if name == "gemm_tiled":  # to split 24 rounds saves what the launch takes that sums the parts
        parameters = record.program(launch["program"]).parameters()
        return items * records.gemm_rounds(parameters, d["s"]) / 24
    if name == "reduce":  # 32 values are enough for a work-item
        return math.prod(n for n in d["dims"] if n) / 32
    if name == "map":
        return math.prod(n for n in d["dims"] if n)
    if name in ("bilstm_forward_tiled", "bilstm_backward_tiled"):
        return 0  # an image's columns follow each other: its walk in one direction has no other groups
    return items


def check_launches(steps, figures):
    for record in steps:
        step = record.step()
        figures.put("launches " + record.name, len(step))
        idle = list(idle_launches(record))
        figures.put("idle " + record.name, len(idle))
        print("%-12s %4d launches, %d leave the device idle" % (record.name, len(step), len(idle)))
        for (kind, what), n in Counter(idle).most_common():
            print("    %-8s %3d x  %s" % (kind, n, what))


# ---- kernels ----

def warps_nvidia(target, registers, local, items):
    all_registers, warps, groups, shared = NVIDIA[target]
    per = math.ceil(items / 32)
    grain = math.ceil(max(registers, 16) * 32 / 256) * 256
    return per * min(all_registers // (grain * per), shared // (local + 1024), groups, warps // per)


def share_of_fma(part):
    """Of the instructions; of several in one instruction each counts."""
    return part["macs"] / (part["all"] - part["fma"] + part["macs"]) if part["all"] else 0


def describe(program, kernel, target, items):
    facts = kernel.facts
    row = {"registers": facts.get("registers", 0), "spill": facts.get("spill", 0), "private": facts.get("private", 0),
           "local": facts.get("local", 0), "instructions": assembly.mix(kernel.body)["all"]}
    if target in NVIDIA:
        row["warps"] = warps_nvidia(target, row["registers"], row["local"], items)
    if kernel.name == "gemm_tiled":
        m, n, depth, vectors, group = records.gemm_tile(program.parameters())
        row["round"] = assembly.weighted(kernel, 16 * vectors ** 2 * depth, (m + n) * depth / group)
        row["share"] = share_of_fma(row["round"]) if row["round"] else 0
    if kernel.name in WALKS:
        p = program.parameters()
        row["column"] = assembly.with_turns(kernel, WALKS[kernel.name](p))
    return row


def compile_all(compilers, target, used, records_by_program, cache):
    """{(program, kernel): row} and messages of programs that do not compile. What was compiled before is kept in the folder
    cache, by what it depends on."""
    own = hashlib.sha256(b"".join((HERE / f).read_bytes() for f in ("compilers.py", "assembly.py"))).hexdigest()
    cache.mkdir(parents=True, exist_ok=True)

    def one(key):
        program = records_by_program[key].program(key)
        text = "%s\n%s\n%s\n%s" % (own, target, program.options, program.text)
        place = cache / hashlib.sha256(text.encode()).hexdigest()
        if place.exists():
            return key, pickle.loads(place.read_bytes())
        try:
            kernels = compilers.compile(program, target)
        except CompileError as e:
            return key, str(e)
        absent = [name for name in used[key] if name not in kernels]
        if absent and target != "spirv":
            return key, "no %s in what the compiler wrote" % ", ".join(sorted(absent))
        fresh = place.with_suffix(".%d" % os.getpid())
        fresh.write_bytes(pickle.dumps(kernels))
        fresh.rename(place)
        return key, kernels

    rows, errors = {}, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for key, kernels in pool.map(one, used):
            program = records_by_program[key].program(key)
            if isinstance(kernels, str):
                errors.append("%s (%s): %s" % (program.file, program.options, kernels))
                continue
            for name, kernel in kernels.items():
                rows[key, name] = describe(program, kernel, target, used[key].get(name, 64))
    return rows, errors


def check_kernels(target, rows, records_by_program, figures):
    print("%-44s %4s %6s %7s %6s %6s %5s" % ("kernels on " + target, "regs", "spill", "private", "local", "instr", "FMA"))
    for (key, name), row in sorted(rows.items(), key=lambda kv: (records.plain_name(kv[0][1]), kv[0])):
        program = records_by_program[key].program(key)
        short = records.plain_name(name)
        for fault in ("spill", "private"):
            if row[fault]:
                figures.put("%s %s %s" % (fault, target, short), row[fault])
        if "share" in row:
            p = program.parameters()
            short += " %s %s" % ("8x8" if records.gemm_tile(p)[3] == 2 else "4x4", SOURCES[p.get("SOURCE", 0)])
            figures.put("fma %s %s" % (target, short), round(row["share"], 3))
        print("%-44s %4d %6s %7s %6s %6d %5s" % (short, row["registers"], row["spill"] or "-", row["private"] or "-",
                                             row["local"] or "-", row["instructions"],
                                             "%.0f%%" % (100 * row["share"]) if "share" in row else ""))


# ---- the ratchet ----

class Figures:
    """Measured figures against the table of limits; of several kernels of one name the worst counts."""

    def __init__(self, table):
        self.table, self.values = table, {}

    @staticmethod
    def worse(name, a, b):
        """Whether a is worse than b; a difference that rounding or another version of a compiler makes is none."""
        return a < b - 0.01 if name.startswith("fma") else a > b * 1.01

    def put(self, name, value):
        old = self.values.get(name)
        self.values[name] = value if old is None else min(old, value) if name.startswith("fma") else max(old, value)

    def goal(self, name):
        if name in self.table:
            return self.table[name]["goal"]
        if name.startswith("fma"):
            target, tile = name.split()[1], name.split()[3]
            return FMA_GOALS[target][tile == "8x8"]
        return 0

    def judge(self):
        """Prints goals that are not reached and returns the figures that are beyond their limits."""
        failures = []
        for name, value in sorted(self.values.items()):
            goal = self.goal(name)
            limit = self.table.get(name, {"limit": goal})["limit"]
            if self.worse(name, value, limit):
                failures.append("%s is %g, the limit is %g" % (name, value, limit))
            elif self.worse(name, limit, value):
                print("better than its limit: %s is %g, the limit %g (--tighten lowers it)" % (name, value, limit))
            if self.worse(name, value, goal):
                print("goal not reached: %s is %g, the goal %g" % (name, value, goal))
        return failures

    def tighten(self, path, prefixes):
        """The table with today's values where they are better, and without what is not there any more."""
        table = {}
        for name, entry in self.table.items():
            if name in self.values or not name.startswith(prefixes):
                value = self.values.get(name, entry["limit"])
                table[name] = {"goal": entry["goal"],
                               "limit": value if self.worse(name, entry["limit"], value) else entry["limit"]}
        write_table(path, table)


def read_limits(path):
    return json.loads(path.read_text())


def write_table(path, table):
    old = read_limits(path)
    lines = ",\n".join("    %s: %s" % (json.dumps(k), json.dumps(v)) for k, v in sorted(table.items()))
    path.write_text('{\n  "about": %s,\n  "compilers": %s,\n  "limits": {\n%s\n  }\n}\n' %
                    (json.dumps(old["about"]), json.dumps(old["compilers"]), lines))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("what", choices=["launches", "choices", *FMA_GOALS, "spirv"], help="launches of the steps, choices of the cost model, or the kernels of a target")
    a.add_argument("--latentcl", required=True, type=Path, help="the command")
    a.add_argument("--driver", required=True, type=Path, help="nullcl.so, built from nullcl.c")
    a.add_argument("--compilers", default="compilers", type=Path, help="the folder that compilers.sh filled")
    a.add_argument("--work", required=True, type=Path, help="folder for records and for what was compiled before")
    a.add_argument("--limits", default=HERE / "limits.json", type=Path, help="what must not get worse (limits.json)")
    a.add_argument("--table", default=choices.TABLE, type=Path, help="of the choices (choices.txt)")
    a.add_argument("--tighten", action="store_true", help="lower the limits to today's values; write the table of choices")
    args = a.parse_args()

    if args.what == "choices":
        differs = choices.check(args.latentcl.absolute(), args.driver.absolute(), args.table, args.tighten)
        for text in differs:
            print(text)
        if differs and not args.tighten:
            print("FAILED: the cost model takes what choices.txt does not say; if that is wanted, --tighten writes it")
        return 1 if differs and not args.tighten else 0
    compilers = Compilers(args.compilers.absolute())
    try:
        if args.what != "launches":
            compilers.need(args.what)
    except NoCompiler as e:
        print("%s skipped: %s here; tests/codegen/compilers.sh gets the compilers" % (args.what, e))
        return 77
    folders = records.make_records(args.latentcl.absolute(), args.driver.absolute(), DEVICES[args.what], args.work.absolute())
    all_records = [records.Record(name, folder) for name, folder in folders.items()]
    steps = [r for r in all_records if r.name in records.STEPS]
    limits = read_limits(args.limits)
    figures, errors, others = Figures(limits["limits"]), [], []
    if args.what == "launches":
        check_launches(steps, figures)
    else:
        used, home = {}, {}
        for r in all_records:
            for key, kernels in r.used().items():
                home[key] = r
                mine = used.setdefault(key, {})
                for kernel, items in kernels.items():
                    mine[kernel] = max(items, mine.get(kernel, 0))
        rows, errors = compile_all(compilers, args.what, used, home, args.work / "compiled")
        if rows:
            check_kernels(args.what, rows, home, figures)
        if args.what == "sm_90" and not errors:
            lines, seconds = model.table(steps, rows)
            print("\nA training step on an H100 by the model (not measured):", *lines, sep="\n")
            for name, value in seconds.items():
                figures.put("us " + name, round(value * 1e6))
        others = ["%s %s" % v for v in compilers.versions(args.what).items() if limits["compilers"][v[0]] != v[1]]
    failures = figures.judge()
    if others and not errors:
        print("not judged: the limits are those of %s; here is %s" %
              (", ".join("%s %s" % v for v in limits["compilers"].items()), ", ".join(others)))
        return 77
    if args.tighten:
        kinds = ("launches ", "idle ") if args.what == "launches" else tuple(
            "%s %s " % (kind, args.what) for kind in ("fma", "spill", "private"))
        prefixes = kinds + (("us ",) if args.what == "sm_90" else ())
        figures.tighten(args.limits, prefixes)
    for e in errors:
        print("compile error: " + e)
    for f in failures:
        print("FAILED: " + f)
    return 1 if errors or failures else 0


if __name__ == "__main__":
    sys.exit(main())
