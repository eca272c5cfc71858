"""Predicts the time of a training step on an H100 from its launches and from what the compiler made of the kernels.

A model, not a measurement. It takes the larger of arithmetic and memory for every launch, and knows latencies, instructions other
than FMAs, and multiprocessors without a work-group. What it assumes of an H100 (cycles of 1.755 GHz): a read that hits L2 takes
265, L1 38, local memory 30, two dependent integer divisions 230; one of a multiprocessor's four schedulers issues an instruction a
cycle. A launch takes 2.2 us on the GPU even if it does nothing and 6 us of the host's time; both run side by side, so that a step
takes the larger sum."""
import math
import re

import record as records

UNITS, CLOCK, PEAK, MEMORY, L2 = 132, 1.755e9, 67e12, 3.35e12, 5.5e12
STREAM = 2.8e12  # of MEMORY, what kernels that only move data get
LAUNCH, HOST = 2.2e-6, 6e-6
ISSUE = UNITS * 4 * CLOCK  # instructions of whole warps a second


def bytes_of(values):
    return sum(v[1] for v in values.values() if isinstance(v, tuple) and v[0] == "buffer")


def gemm(row, parameters, d, groups, batch):
    s = d["s"]
    _, _, depth, vectors, items = records.gemm_tile(parameters)
    warps, rounds = math.ceil(items / 32), max(records.gemm_rounds(parameters, s), 1)
    resident = max(1, row["warps"] // warps)
    here = math.ceil(groups / UNITS)
    waves = math.ceil(here / resident)
    busy = warps / 4 * row["round"]["all"] * 1.1
    if row["round"]["barrier"] > 1.5:  # loads of a round wait for each other, then come FMAs, each behind its local reads
        loads = row["round"]["ldg"]
        first = 20 + 265 + 40 if parameters.get("SOURCE", 0) == 0 else 260 + 265 + 40
        turn = loads / 2 * (535 + first) + depth * (70 if vectors == 1 else 110) + 60
    else:
        turn = 600
    time = (900 * waves + rounds * max(turn * waves, here * busy)) / CLOCK
    flops = 2.0 * s["m"] * s["n"] * s["k"] * batch
    moved = 4.0 * (s["m"] * s["k"] + s["m"] * s["n"] * s["splits"]) * batch
    x = [v for v in d.values() if isinstance(v, tuple) and v[0] == "buffer"]
    moved += min(x[1][1], 4.0 * s["k"] * s["n"] * batch)
    return max(time, moved / L2), flops, moved


def generated(name, launch, d, instructions):
    """Kernels of element-wise groups and reductions: operand e is walked with the strides s<e>."""
    dims = [x for x in d["dims"] if x]
    items = math.prod(launch["global"])
    moved = 0
    for key, strides in d.items():
        if re.match(r"s\d+$", key) and isinstance(strides, list):
            moved += 4 * math.prod(n for n, stride in zip(dims, strides) if stride)
    if name == "map":
        moved += 4 * items * sum(1 for k in d if re.match(r"y\d+$", k))
        return max(moved / STREAM, items * instructions / 32 / ISSUE * 2, 400 / CLOCK), 0, moved
    count = math.prod(dims)
    turns = max(1, count / max(items, 1))  # of one item's loop; four reads wait together
    return max(moved / STREAM, (count * 40 + items * 60) / 32 / ISSUE * 2, (turns * 100 + 400) / CLOCK), 0, moved


def bilstm_walk(name, row, parameters, d, groups):
    """A group's walk over all columns of an image; each multiprocessor has some. row["column"]: a warp's instructions for a
    column. A column waits for a chain of local reads, gates and barriers that a warp or two do not hide."""
    z = d["z"]
    H, W, h = z["height"], z["width"], z["hidden"]
    turn = {"bilstm_forward_tiled": 250, "bilstm_backward_tiled": 350}[name]
    cycles = 0
    for t in range(H + W - 1):
        first, last = max(0, t - W + 1), H - 1 if z["evolve"] else min(t, H - 1)
        items = (last // parameters["BILSTM_R"] - first // parameters["BILSTM_R"] + 1) * h
        cycles += turn + math.ceil(math.ceil(items / 32) / 4) * row["column"]
    return cycles * math.ceil(groups / UNITS) / CLOCK


def bilstm_kernel_grad(row, d, groups):
    """Rounds of 16 cells each, in order of rows; a warp's instructions of a round are row["column"], of four in a group."""
    z = d["z"]
    H, W = z["height"], z["width"]
    rows = math.ceil(H / (z["parts"] // z["images"]))
    rounds = rows * math.ceil((W + (H / 2 if z["evolve"] else 0)) / 16)
    here = math.ceil(groups / UNITS)
    return (900 + rounds * max(600 + row["column"], here * row["column"] * 1.1)) / CLOCK


def predict(record, launch, rows):
    """(kind, seconds on the GPU, FLOP, bytes); rows: what compilers made of sm_90's kernels, {(program, kernel): row}."""
    if launch["what"] != "kernel":
        return launch["what"], LAUNCH, 0, launch["bytes"]
    d, name = record.decoded(launch), records.plain_name(launch["kernel"])
    row = rows.get((launch["program"], launch["kernel"]), {"instructions": 60})
    items = math.prod(launch["global"])
    local = math.prod(launch["local"]) if launch["local"][0] else whole_divisor(launch["global"][0])
    groups, lanes = math.ceil(items / local), min(local, 32) / 32
    if name == "gemm_tiled":
        time, flops, moved = gemm(row, record.program(launch["program"]).parameters(), d, groups,
                                  launch["global"][2] // d["s"]["splits"])
        return name, time + LAUNCH, flops, moved
    if name == "sum_parts":  # its work-items each add up parts, a read after the other
        moved = sum(4.0 * n * (k + 1) for n, k in zip(d["results"], d["splits"]))
        return name, max(moved / STREAM, max(d["splits"]) * 60 / CLOCK) + LAUNCH, 0, moved
    if name in ("map", "reduce"):
        time, flops, moved = generated(name, launch, d, row["instructions"])
        return name, time + LAUNCH, flops, moved
    if name == "winograd_filter_grads":  # each reads all 36 positions at once, part for part
        moved = sum(4.0 * n * (36 * k + 9) for n, k in zip(d["results"], d["splits"]))
        return name, max(moved / STREAM, max(d["splits"]) * 600 / CLOCK) + LAUNCH, 0, moved
    moved = bytes_of(d)
    if name == "winograd_outputs" and not d["has_bias"]:  # another buffer stands for the bias
        moved -= d["bias"][1]
    if name in ("bilstm_forward_tiled", "bilstm_backward_tiled"):
        parameters = record.program(launch["program"]).parameters()
        return name, bilstm_walk(name, row, parameters, d, groups) + LAUNCH, 0, moved
    if name == "bilstm_kernel_grad":
        return name, bilstm_kernel_grad(row, d, groups) + LAUNCH, 0, moved
    if "n" in d and name in ("adam", "momentum", "rmsprop", "sgd"):
        moved = 4.0 * d["n"] * {"adam": 7, "momentum": 5, "rmsprop": 7, "sgd": 3}[name]
    # Groups below a warp leave lanes idle, and a multiprocessor holds 32 groups at a time.
    waves = groups / (UNITS * 32) * 1.6e-6 if local < 64 else 0
    work = items * row["instructions"] / 32 / lanes / ISSUE * 2
    turns = d.get("splits", 1) if isinstance(d.get("splits", 1), int) else 1
    return name, max(moved / STREAM, work, waves, turns * 60 / CLOCK) + LAUNCH, 0, moved


def whole_divisor(n, most=256):
    """Items of a group where the driver chooses: OpenCL C 1.2 wants a divisor of the global size."""
    return max(d for d in range(1, most + 1) if n % d == 0)


def table(steps, rows):
    """The predicted steps: (lines to print, {step: seconds})."""
    lines, seconds = ["%-12s %8s %8s %8s %9s %9s %9s %9s" % ("step", "launches", "GFLOP", "MB", "ideal us", "GPU us", "host us",
                                                         "step us")], {}
    kinds_of = []
    for record in steps:
        found = [predict(record, x, rows) for x in record.step()]
        gpu, host = sum(f[1] for f in found), HOST * len(found)
        ideal = sum(max(f[2] / PEAK, f[3] / MEMORY) for f in found)
        seconds[record.name] = max(gpu, host)
        lines.append("%-12s %8d %8.2f %8.1f %9.0f %9.0f %9.0f %9.0f" % (
            record.name, len(found), sum(f[2] for f in found) / 1e9, sum(f[3] for f in found) / 1e6, ideal * 1e6, gpu * 1e6,
            host * 1e6, seconds[record.name] * 1e6))
        kinds = {}
        for kind, time, _, _ in found:
            n, sum_ = kinds.get(kind, (0, 0.0))
            kinds[kind] = (n + 1, sum_ + time)
        most = sorted(kinds.items(), key=lambda kv: -kv[1][1])[:5]
        kinds_of.append("%-12s %s" % (record.name, ", ".join("%d %s %.0f us" % (n, k, t * 1e6) for k, (n, t) in most)))
    return lines + ["most of it:"] + kinds_of, seconds
