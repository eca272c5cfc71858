#!/usr/bin/env python3
"""tools/compare_with_peer and tools/peers: who is compared with whom, what is printed and kept, and that a workload's name means the
same work to the peers as to `latentcl bench`. test_peers.py LATENTCL ROOT"""
import importlib.util
import json
import os
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from common import LATENTCL, call as run

root = Path(sys.argv[2]).resolve()
scripts = ["torch_steps.py", "jax_steps.py"]


def bench(*words):
    return json.loads(run(LATENTCL, "bench", *words, "--quick", "--seconds", "0.001", "--json", "-").stdout)["results"]


# ---- compare_with_peer, with commands that only pretend ----

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    Path("calls").touch()

    def script(name, body):
        Path(name).write_text(f"#!/bin/sh\nfor w; do case $w in gemm-*|semantic-*|odd) break ;; esac; done\necho {name} $w >>calls\n{body}\n")
        Path(name).chmod(0o755)
        return f"./{name}"

    def says(seconds, more="", only=""):
        case = f'case $w in {only}) ;; *) exit 0 ;; esac\n' if only else ""
        return f'{case}echo "{{\\"workload\\": \\"$w\\", \\"seconds\\": {seconds}{more}}}"'

    # Of three rounds of ours the second is slow.
    mine = script("ours", "n=$(grep -c \"ours $w\" calls)\ns=0.002; [ $n != 2 ] || s=0.004\n"
                  'echo "{\\"device\\": {\\"platform\\": \\"P\\", \\"driver\\": \\"2\\", \\"compute_units\\": 4}, '
                  '\\"peaks\\": {\\"gflops\\": 300}, \\"results\\": [{\\"seconds\\": {\\"median\\": $s}, \\"host_bytes\\": 52428800}]}"')
    quick = script("quick", says(0.006, ', \\"peer\\": \\"Quick\\", \\"version\\": \\"7\\", \\"blas\\": \\"FastBLAS 3\\", \\"host_bytes\\": 104857600',
                                 only="gemm-*|semantic-*"))
    slow = script("slow", says(0.008))
    gone = script("gone", "echo it is not installed here >&2; exit 77")
    broken = script("broken", "[ $w = gemm-1024 ] || { echo it fell over >&2; exit 3; }\n" + says(0.5))
    compare = [root / "tools/compare_with_peer", "--latentcl", mine]

    got = run(*compare, "--json", "out.json", "--peer", quick, "--peer", f"second={slow} --x y", "--peer", gone, "semantic-mnist-b100", "odd")
    assert "quick: Quick 7, FastBLAS 3; gemm-1024 358 GFLOP/s of the device's 300" in got.stdout, got.stdout
    assert "gone: skipped: it is not installed here" in got.stdout
    row = re.search(r"^semantic-mnist-b100 .*", got.stdout, re.M)[0].split()
    assert row == "semantic-mnist-b100 2.000 ms 6.000 ms 8.000 ms 3.00 (1.50-3.00) 3.0 - reached".split(), row
    row = re.search(r"^odd .*", got.stdout, re.M)[0].split()
    assert row[:7] == "odd 2.000 ms - 8.000 ms 4.00".split(), row
    assert "1 of 1 goals reached" in got.stdout
    assert re.search(r"semantic-mnist-b100 +host +50 MB +100 MB +-", got.stdout), got.stdout
    out = json.loads(Path("out.json").read_text())
    assert out["peers"]["quick"]["blas"] == "FastBLAS 3" and out["peers"]["second"]["command"] == ["./slow", "--x", "y"], out
    assert out["results"][0]["ours"] == [0.002, 0.004, 0.002] and out["results"][0]["peers"] == {"quick": [0.006] * 3, "second": [0.008] * 3}
    assert out["results"][1]["peers"] == {"second": [0.008] * 3}, out["results"][1]
    assert run(*compare, "--table", "out.json").stdout.split("\n") == [
        "LatentCL on P 2, 4 compute units; quick: Quick 7, FastBLAS 3; second. The ratio is the time of the fastest of them over ours, "
        "the median of the rounds.", "",
        "| workload | LatentCL | quick | second | ratio (range) | goal |", "|---|---|---|---|---|---|",
        "| `semantic-mnist-b100` | 2 ms | 6 ms | 8 ms | 3.00 (1.50-3.00) | 3.0 |", "| `odd` | 2 ms |  | 8 ms | 4.00 (2.00-4.00) |  |", ""]
    Path("wrong.json").write_text("[1]")
    for wrong in ("wrong.json", "none.json"):
        assert f"{wrong}: expects what --json wrote" in run(*compare, "--table", wrong, code=1).stderr
    calls = Path("calls").read_text().split("\n")
    turn = [c.split()[0] for c in calls if "semantic" in c]
    assert turn == ["ours", "quick", "slow"] * 3, turn # in turn
    assert sum("quick odd" in c for c in calls) == 1 # it has no such workload

    got = run(*compare, "--rounds", "1", "--peer", f"a={broken}", "odd")
    assert "a failed at odd: it fell over" in got.stderr and "no peer" in got.stdout and "WARNING: that is what a reference BLAS does" in got.stdout
    assert "skipped: it is not installed" in run(*compare, "--peer", gone, "odd", code=77).stdout
    assert "a name of its own" in run(*compare, "--peer", quick, "--peer", quick, code=2).stderr
    assert "No such file" in run(*compare, "--peer", "./none", code=1).stderr
    assert "expects a --peer" in run(*compare, "odd", code=2).stderr
    assert "none/out.json cannot be written" in run(*compare, "--peer", quick, "--json", "none/out.json", code=2).stderr
    reading = script("reading", """m=; case $w in gemm-*) m='"median": 1' ;; esac\necho '{"device": {}, "results": [{"seconds": {'"$m"'}}]}'""")
    assert "odd is a reading" in run(root / "tools/compare_with_peer", "--latentcl", reading, "--peer", quick, "odd", code=1).stderr
    assert "above 0" in run(*compare, "--peer", quick, "--rounds", "0", code=2).stderr
    assert "it broke" in run(root / "tools/compare_with_peer", "--latentcl", script("bad", "echo it broke >&2; exit 1"), "--peer", quick, code=1).stderr
    os.chdir(root)

# ---- the peers' workloads are those of the benchmark ----

listed = dict(reversed(line.split()[:2]) for line in run(LATENTCL, "bench", "all", "--list").stdout.splitlines())
for name in scripts:
    known = dict((line.split() + [None])[:2] for line in run(sys.executable, root / "tools/peers" / name, "--list").stdout.splitlines())
    assert set(known) <= set(listed), set(known) - set(listed)
    missing = {w for w, suite in listed.items() if suite not in ("device", "launch")} - set(known)
    assert missing == {"pixelrnn-sample-1x16-n64"}, missing # sampling that keeps its state
rows = bench("gemm", "semantic-conv1", "semantic-conv2", "semantic-conv3", "semantic-conv2-dw", "augconv-conv1")
for row in rows:
    assert abs(float(known[row["name"]]) / row["gflop"] - 1) < 1e-6, (row["name"], known[row["name"]], row["gflop"])
deep = [w for w in known if w.startswith("deepbench")]
assert len(deep) == 22 and abs(float(known["deepbench-16x3x224x224-64x7x7"]) - 2 * 16 * 64 * 112 * 112 * 3 * 49 * 1e-9) < 1e-6

# ---- without their libraries they say so; with them they compute ----

skipped = []
for name, library in zip(scripts, ("torch", "jax")):
    command = [sys.executable, root / "tools/peers" / name, "--seconds", "0.01", "gemm-64", "semantic-conv1-dx", "no-such-workload"]
    if importlib.util.find_spec(library) is None:
        text = run(*command, code=77).stderr
        assert len(text.splitlines()) == 1 and f"pip install {library}" in text, text
        skipped.append(library)
        continue
    lines = [json.loads(line) for line in run(*command).stdout.splitlines()]
    assert [line["workload"] for line in lines] == ["gemm-64", "semantic-conv1-dx"], lines
    for line in lines:
        assert line["seconds"] > 0 and line["version"] and line["blas"] and line["host_bytes"] > 1e7, line
print(f"{len(rows)} workloads compared" + "".join(f"; skipped: {library} is not installed" for library in skipped))
