"""What the peers share: options, workloads by the names of `latentcl bench --list`, timing, memory, and the line they print.

A peer is a script that times workloads in another library and prints a JSON line for each:

    {"workload", "peer", "version", "blas", "device", "threads", "seconds" (median of a run), "first" (seconds of the first),
     "runs", "host_bytes" (peak of the process), "device_bytes" (peak; absent: not known)}

With --list it prints the names that it knows and needs no library for that. A name that it does not know gives no line; a library
that is not there gives one sentence and exit code 77.
"""
import argparse
import ctypes
import json
import os
import re
import statistics
import sys
import time

PIXELRNN = [("1x16", 16, 28, ""), ("7x16", 16, 28, ""), ("2x16", 16, 28, ""), ("4x16", 16, 28, ""), ("1x32", 16, 28, ""),
            ("1x64", 16, 28, ""), ("1x16", 1, 28, ""), ("1x16", 4, 28, ""), ("1x16", 64, 28, ""), ("1x16", 16, 8, "-s8"),
            ("1x16", 16, 16, "-s16"), ("1x16", 16, 64, "-s64"), ("1x16", 16, 28, "-bn")]
# name: images (N,C,H,W), filters (K,C,R,S), padding, stride
CONV = {"conv3x3-b32-64-64-32": ((32, 64, 32, 32), (64, 64, 3, 3), 1, 1),
        "conv3x3-b32-512-512-4": ((32, 512, 4, 4), (512, 512, 3, 3), 1, 1),
        "semantic-conv1": ((100, 1, 28, 28), (32, 1, 3, 3), 1, 2),
        "semantic-conv2": ((100, 32, 14, 14), (64, 32, 3, 3), 1, 2),
        "semantic-conv3": ((100, 64, 7, 7), (96, 64, 3, 3), 1, 2),
        "augconv-conv1": ((128, 1, 28, 28), (20, 1, 5, 5), 0, 1),
        "augconv-conv2": ((128, 20, 12, 12), (40, 20, 5, 5), 0, 1),
        "augconv-large": ((128, 20, 12, 12), (20, 20, 11, 11), 5, 1),
        "pixelrnn-1x1": ((16, 32, 28, 28), (64, 32, 1, 1), 0, 1),
        "conv-b16-8-28-k19": ((16, 8, 28, 28), (8, 8, 19, 19), 9, 1)}
DEEPBENCH = """16x1x480x48-16x3x3 1 1, 16x16x240x24-32x3x3 1 1, 16x32x120x12-64x3x3 1 1, 16x64x60x6-128x3x3 1 1,
    8x3x108x108-64x3x3 1 2, 8x64x54x54-64x3x3 1 1, 8x128x27x27-128x3x3 1 1, 8x128x14x14-256x3x3 1 1, 8x256x7x7-512x3x3 1 1,
    8x3x224x224-64x3x3 1 1, 8x64x112x112-128x3x3 1 1, 8x128x56x56-256x3x3 1 1, 8x256x28x28-512x3x3 1 1, 8x512x14x14-512x3x3 1 1,
    8x512x7x7-512x3x3 1 1, 16x3x224x224-64x7x7 3 2, 16x192x28x28-32x5x5 2 1, 16x192x28x28-64x1x1 0 1, 16x512x14x14-48x5x5 2 1,
    16x832x7x7-256x1x1 0 1, 4x1x161x700-32x5x20 0 2, 4x32x79x341-32x5x10 0 2"""
for line in DEEPBENCH.split(","):
    shape, padding, stride = line.split()
    images, filters = ([int(n) for n in part.split("x")] for part in shape.split("-"))
    CONV["deepbench-" + shape] = (tuple(images), (filters[0], images[1], *filters[1:]), int(padding), int(stride))
GRADIENTS = ["conv3x3-b32-64-64-32", "conv3x3-b32-512-512-4", "semantic-conv1", "semantic-conv2"]
# name: rows of A, columns of B, inner dimension; whether A and B are stored transposed
GEMM = {f"gemm-{n}": (n, n, n, False, False) for n in (64, 256, 512, 1024)}
GEMM |= {"gemm-100x784x1000": (100, 1000, 784, False, True), "gemm-250x1200x1200": (250, 1200, 1200, False, True),
         "gemm-250x1200x1200-nn": (250, 1200, 1200, False, False), "gemm-1200x250x1200-tn": (1200, 1200, 250, True, False),
         "gemm-100x1536x128": (100, 128, 1536, False, True), "gemm-100x128x10": (100, 10, 128, False, True)}


def pixelrnn_options(match):
    layers, hidden, batch, _, side, norm = match.groups()
    return {"layers": int(layers), "hidden": int(hidden), "batch": int(batch), "side": int(side or 28), "batch_norm": bool(norm)}


def workloads():
    """Every workload: name -> (kind, arguments). A library has a function of each kind; half: operands in half precision."""
    table = {name: ("gemm", dict(zip(("m", "n", "k", "ta", "tb"), of))) for name, of in GEMM.items()}
    for name, of in CONV.items():
        table[name] = ("conv", dict(zip(("x", "w", "padding", "stride"), of)))
        for gradient in ("dx", "dw") if name in GRADIENTS else ():
            table[f"{name}-{gradient}"] = ("conv", {**table[name][1], "gradient": gradient})
    table["pixelrnn-mask-a"] = ("masked_conv", {"x": (16, 1, 28, 28), "w": (32, 1, 7, 7), "padding": 3})
    for hidden, side in ((16, 28), (32, 28), (16, 64)):
        table[f"bilstm-b16-{hidden}-{side}"] = ("bilstm", {"batch": 16, "hidden": hidden, "side": side})
    table["bilstm-b16-16-28-dk"] = ("bilstm", {"batch": 16, "hidden": 16, "side": 28, "gradient": True})
    for side in (11, 19):
        table[f"fft-b16-8-28-k{side}"] = ("fft_conv", {"x": (16, 8, 28, 28), "w": (8, 8, side, side)})
    for name, kind, shape in (("softmax-b250-10", "log_softmax", (250, 10)), ("batch-norm-250x1200", "batch_norm", (250, 1200)),
                              ("batch-norm-32x64x32x32", "batch_norm", (32, 64, 32, 32)), ("random-normal-1M", "normal", (1000000,)),
                              ("relu-1M", "relu", (1000, 1000)), ("tanh-1M", "tanh", (1000, 1000)), ("sum-1M", "sum", (1000, 1000))):
        table[name] = (kind, {"shape": shape})
    table |= {"semantic-mnist-b100": ("semantic_noise", {"batch": 100}), "imsat-vat-b250": ("imsat", {"batch": 250}),
              "ladder-b100": ("ladder", {"batch": 100}), "vgg-cifar-b32": ("vgg", {"batch": 32})}
    for model, batch, side, suffix in PIXELRNN:
        name = f"pixelrnn-{model}-b{batch}{suffix}"
        match = re.fullmatch(r"pixelrnn-(\d+)x(\d+)-b(\d+)(-s(\d+))?(-bn)?", name)
        table[name] = ("pixelrnn", pixelrnn_options(match))
    table["epoch-png-b100"] = ("epoch", {"batch": 100})
    table["pixelrnn-forward-1x16-n64"] = ("pixelrnn", {"layers": 1, "hidden": 16, "batch": 64, "side": 28, "forward": True})
    for name in ("gemm-1024", "conv3x3-b32-64-64-32", "conv3x3-b32-64-64-32-dx", "conv3x3-b32-64-64-32-dw", "semantic-mnist-b100",
                 "ladder-b100", "vgg-cifar-b32"):
        table[name + "-f16"] = (table[name][0], {**table[name][1], "half": True})
    return table


def gflop(kind, of):
    """Of a GEMM or convolution, an FMA counted as 2; None for the others."""
    if kind == "gemm":
        return 2e-9 * of["m"] * of["n"] * of["k"]
    if kind != "conv":
        return None
    (n, c, h, w), (k, _, r, s) = of["x"], of["w"]
    out = [(size + 2 * of["padding"] - taps) // of["stride"] + 1 for size, taps in ((h, r), (w, s))]
    return 2e-9 * n * c * k * r * s * out[0] * out[1]


def options(description, more=()):
    p = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where it computes (cpu)")
    p.add_argument("--tf32", default="off", choices=["off", "on"], help="products in TF32 on GPUs (off)")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of the CPU (all that this process may use)")
    p.add_argument("--seconds", type=float, default=3, help="steady-state time of a workload (3)")
    p.add_argument("--list", action="store_true", help="list the workloads, with the GFLOP of GEMMs and convolutions")
    for flag, text in more:
        p.add_argument(flag, action="store_true", help=text)
    p.add_argument("workloads", nargs="*", help="names; none: all")
    a = p.parse_args()
    if a.threads < 1 or not a.seconds > 0:
        p.error("--threads and --seconds expect a number above 0")
    if a.list:
        for name, (kind, of) in workloads().items():
            print(name, gflop(kind, of) or "")
        sys.exit(0)
    return a


def skip(sentence):
    """Ends the script as skipped."""
    print(sentence, file=sys.stderr)
    sys.exit(77)


def status_line(pid, field):
    """Bytes that a line of /proc/PID/status tells, or None."""
    try:
        with open(f"/proc/{pid}/status") as f:
            return next((int(line.split()[1]) * 1024 for line in f if line.startswith(field + ":")), None)
    except OSError:
        return None


def loaded_blas():
    """What the BLAS that this process has loaded says of itself, or the name of its file."""
    with open("/proc/self/maps") as f:
        paths = {line.split()[-1] for line in f if re.search(r"/lib(open)?blas|/libblis|/libatlas", line)}
    for path in sorted(paths):
        try:
            say = ctypes.CDLL(path).openblas_get_config
        except (OSError, AttributeError):
            continue
        say.restype = ctypes.c_char_p
        return say().decode().strip()
    return ", ".join(sorted(map(os.path.basename, paths))) or "no BLAS that is known"


def measure(run, wait, seconds):
    """Seconds of the first run and the median in the steady state, and how many runs that took. Short work runs several times
    between two waits, as LatentCL's benchmark does it; wait gets what these runs returned."""
    def burst(count):
        begin = time.perf_counter()
        wait([run() for _ in range(count)])
        return (time.perf_counter() - begin) / count

    first, times = burst(1), []
    for _ in range(3):
        warm = burst(1)
        if warm > seconds:
            break
    count = int(1e-3 / warm) + 1 if warm < 5e-4 else 1
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        times.append(burst(count))
    return first, statistics.median(times), len(times) * count


def main(a, library, about, wait, device_peak=lambda: None):
    """Times the workloads that were asked for. library: functions by kind, each returns what one run calls."""
    table = workloads()
    for name in a.workloads or list(table):
        kind, of = table.get(name, (None, {}))
        make = library.get(kind)
        run = make(**of) if make else None
        if run is None:
            continue
        first, median, runs = measure(run, wait, a.seconds)
        line = {"workload": name, **about, "threads": a.threads, "seconds": median, "first": first, "runs": runs,
                "host_bytes": status_line("self", "VmHWM"), "device_bytes": device_peak()}
        print(json.dumps({key: value for key, value in line.items() if value is not None}), flush=True)
