#!/usr/bin/env python3
"""check.py notices what gets worse, lowers limits that are better, and skips by name: on a step of three launches that was
recorded by hand, with compilers that only pretend."""
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import assembly  # noqa: E402
import record  # noqa: E402

work = Path(tempfile.mkdtemp(prefix="codegen-check"))
steps = [*record.STEPS, *record.OTHERS]

# ---- the record: a GEMM, a large element-wise group, and one that is too small to fill a device ----

GEMM = """#line 1 "gemm_tiled.cl"
typedef struct gemm_sizes { int m, n, k; int splits, k_split; } gemm_sizes;
kernel __attribute__((reqd_work_group_size(64, 1, 1))) void
gemm_tiled(global const float *a, global const float *b, global float *c, const gemm_sizes s) {}
"""
MAP = """#line 1 "map.cl"
kernel void map(global const float *a, global float *y0, int4 dims) {}
"""


def kernel(program, name, items, local, *args):
    return {"what": "kernel", "program": program, "kernel": name, "global": [items, 1, 1], "local": [local, 1, 1], "args": args}


def ints(*values):
    return "v%d:%s" % (4 * len(values), b"".join(v.to_bytes(4, "little") for v in values).hex())


# 132 tiles of 32 x 32; 1000 rounds of 16 values of k.
gemm = kernel("gemm", "gemm_tiled", 132 * 64, 64, "m4:a+0", "m4:b+0", "m4:c+0", ints(32, 132 * 32, 16000, 1, 1000))
large = kernel("map", "map", 132 * 256, 256, "m4:a+0", "m4:y+0", ints(132 * 256, 0, 0, 0))
small = kernel("map", "map", 64, 64, "m4:a+0", "m4:y+0", ints(64, 0, 0, 0))
STEP = [gemm, large, small]


def write_record(step):
    """The same for every workload. A step runs twice, after something else."""
    for name in steps:
        folder = work / "work/h100" / name
        (folder / "programs").mkdir(parents=True, exist_ok=True)
        for key, text, options in ("gemm", GEMM, "-DTILE_M=32 -DTILE_N=32 -DVECTORS=1"), ("map", MAP, ""):
            (folder / "programs" / (key + ".cl")).write_text(text)
            (folder / "programs" / (key + ".opt")).write_text(options)
        wait = [{"what": "wait"}]
        lines = [large] + wait + step + wait + step + wait
        (folder / "launches.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    own = [work / "latentcl", work / "driver"]
    for path in own:
        path.write_text("none")
    made_by = hashlib.sha256(b"".join(path.read_bytes() for path in own)).hexdigest()
    (work / "work/h100/made-by").write_text(made_by)  # so it is not recorded anew


# ---- compilers ----

def sass(fma, others, kernel="gemm_tiled"):
    """A GEMM whose loop has so many FMAs, and of other instructions 9 and `others`."""
    loop = ["LDG.E R2, [R4]", "LDG.E R3, [R6]", "LDS.128 R8, [R1]", "LDS.128 R12, [R1]"]
    loop += ["FFMA R20, R8, R12, R20"] * fma + ["IMAD.IADD R4, R4, 1, R5"] * others
    loop += ["STS.128 [R1], R8", "STS.128 [R1], R8", "STS.128 [R1], R8", "BAR.SYNC.DEFER_BLOCKING 0x0"]
    lines = ["MOV R1, c[0x0][0x28]", ".L_x_1:", *loop, "@P0 BRA `(.L_x_1)", "EXIT"]
    return ".text.%s:\n" % kernel + "".join(
        "%s\n" % line if line.startswith(".L") else "        /*%04x*/ %s ;\n" % (16 * i, line) for i, line in enumerate(lines))


def write_compilers(fma=256, others=0, spill=0, version="19.1.7", broken=False, code=None):
    shutil.rmtree(work / "compilers", ignore_errors=True)
    shutil.rmtree(work / "work/compiled", ignore_errors=True)
    bin_, clc = work / "compilers/root/usr/bin", work / "compilers/root/usr/lib/clc"
    bin_.mkdir(parents=True)
    clc.mkdir(parents=True)
    (clc / "nvptx64--nvidiacl.bc").touch()
    (work / "sass").write_text(sass(fma, others) + sass(0, 0, "map") if code is None else code)

    def tool(name, version, body):
        (bin_ / name).write_text('#!/bin/sh\n[ "$1" != --version ] || { echo "%s"; exit; }\n%s\n' % (version, body))
        (bin_ / name).chmod(0o755)
    tool("clang-19", "clang version " + version, "echo 'k.cl:1: unknown type' >&2; exit 1" if broken else
         'while [ "$1" != -o ]; do shift; done; echo ".visible .entry gemm_tiled(){ }" >"$2"')
    tool("ptxas", "release 13.5, V13.5.37", """cat >&2 <<E
Compiling entry function 'gemm_tiled' for 'sm_90'
 0 bytes stack frame, %d bytes spill stores, 0 bytes spill loads
Used 64 registers, 8704 bytes smem
E""" % spill)
    tool("nvdisasm", "", "cat '%s'" % (work / "sass"))


def check(what, code, *says, limits, tighten=False):
    """Runs check.py. limits: {figure: (goal, limit)}; returns those in the file afterwards."""
    path = work / "limits.json"
    path.write_text(json.dumps({"about": "x", "compilers": {"clang": "19.1.7", "ptxas": "13.5.37"},
                                "limits": {k: {"goal": g, "limit": l} for k, (g, l) in limits.items()}}))
    before = path.read_text()
    done = subprocess.run([sys.executable, HERE / "check.py", what, "--latentcl", work / "latentcl", "--driver", work / "driver",
                           "--compilers", work / "compilers", "--work", work / "work", "--limits", path,
                           *(["--tighten"] if tighten else [])], capture_output=True, text=True, env={"PATH": PATH})
    out = done.stdout
    assert done.returncode == code, (what, done.returncode, out, done.stderr)
    for text in says:
        assert text in out, (text, out)
    assert out.count("FAILED") == sum("FAILED" in text for text in says), out
    assert tighten or path.read_text() == before
    return {k: (v["goal"], v["limit"]) for k, v in json.loads(path.read_text())["limits"].items()}


# PATH without compilers of this machine: the shell, and what Python needs.
(work / "bin").mkdir()
for name in ("sh", "cat", "cc"):
    (work / "bin" / name).symlink_to(shutil.which(name))
PATH = str(work / "bin")

# ---- launches ----

write_record(STEP)
three = {"launches " + name: (3, 3) for name in record.STEPS}
check("launches", 0, "semantic        3 launches, 0 leave the device idle", limits=three)
check("launches", 1, "FAILED: launches vgg is 3, the limit is 2", limits={**three, "launches vgg": (1, 2)})
write_record(STEP + [large])
check("launches", 1, *["FAILED: launches %s is 4, the limit is 3" % name for name in record.STEPS], limits=three)
for fault, says in ((kernel("map", "map", 64 * 132, 16, *large["args"]), "narrow     1 x  map: 528 groups of 16"),
                    (kernel("map", "map", 64 * 131, 0, *large["args"]), "no size    1 x  map of 8384x1x1 items: groups of 131"),
                    (kernel("gemm", "gemm_tiled", 65 * 64, 64, *gemm["args"]), "starved    1 x  gemm_tiled: 65 groups of 64")):
    write_record([fault, large, small])
    check("launches", 1, says, *["FAILED: idle %s is 1, the limit is 0" % name for name in record.STEPS], limits=three)

# ---- limits follow what is better, never what is worse; other targets' stay ----

write_record(STEP)
got = check("launches", 1, "FAILED: launches ladder is 3, the limit is 2", "better than its limit: launches vgg is 3, the limit 9",
            tighten=True, limits={**three, "launches vgg": (1, 9), "launches ladder": (1, 2), "idle gone": (0, 4),
                                  "fma sm_90 gemm_tiled 4x4 matrix": (0.65, 0.1)})
assert got == {**three, "launches vgg": (1, 3), "launches ladder": (1, 2), "fma sm_90 gemm_tiled 4x4 matrix": (0.65, 0.1)}, got

# ---- kernels and the model: 256 FMAs a round, 9 other instructions ----

# Rounds wait for their loads: 600 cycles each, and 900 for the start, of 1755 a microsecond; a launch has 2.2.
us = {"us " + name: (400, 355) for name in record.STEPS}
write_compilers()
check("sm_90", 0, " 97%", "semantic            3 ", limits=us)
got = check("sm_90", 0, "better than its limit: fma sm_90 gemm_tiled 4x4 matrix is 0.966, the limit 0.5", tighten=True,
            limits={**us, "fma sm_90 gemm_tiled 4x4 matrix": (0.65, 0.5), "us vgg": (400, 999), "launches vgg": (1, 9),
                    "spill sm_90 gemm_tiled": (0, 8), "private sm_80 gemm_tiled": (0, 8)})
assert got["fma sm_90 gemm_tiled 4x4 matrix"] == (0.65, 0.966) and got["us vgg"] == (400, 349), got
assert "spill sm_90 gemm_tiled" not in got and got["private sm_80 gemm_tiled"] == (0, 8) and got["launches vgg"] == (1, 9), got
write_compilers(others=150)
check("sm_90", 1, "FAILED: fma sm_90 gemm_tiled 4x4 matrix is 0.617, the limit is 0.65", limits=us)
write_compilers(spill=4)
check("sm_90", 1, "FAILED: spill sm_90 gemm_tiled is 4, the limit is 0", limits=us)
write_compilers(others=2000)
check("sm_90", 1, "FAILED: fma", *["FAILED: us %s is " % name for name in record.STEPS],
      limits=us)
write_compilers(broken=True)
check("sm_90", 1, "compile error: gemm_tiled.cl (-DTILE_M=32 -DTILE_N=32 -DVECTORS=1): clang-19: k.cl:1: unknown type",
      "compile error: map.cl", limits={})
write_compilers(code="")
check("sm_90", 1, "compile error: gemm_tiled.cl (-DTILE_M=32 -DTILE_N=32 -DVECTORS=1): no gemm_tiled in what the compiler wrote",
      limits={})

# ---- other compilers are not judged, missing ones are named ----

write_compilers(others=150, version="20.1.0")
check("sm_90", 77, "not judged: the limits are those of clang 19.1.7, ptxas 13.5.37; here is clang 20.1.0", limits=us)
write_compilers()
(work / "compilers/root/usr/bin/ptxas").unlink()
check("sm_90", 77, "sm_90 skipped: no ptxas here; tests/codegen/compilers.sh gets the compilers", limits=us)
(work / "compilers/root/usr/bin/clang-19").unlink()
check("gfx1100", 77, "gfx1100 skipped: no clang-19 here", limits=us)
check("acm-g10", 77, "acm-g10 skipped: no ocloc here", limits=us)
check("spirv", 77, "spirv skipped: no llvm-spirv with a clang of its version here", limits=us)

# ---- choices of the cost model ----

def choices(code, *says, table, origin="model", split=4, seconds=9.2e-6, write=False):
    """Runs `check.py choices` with a command that pretends to show one problem; returns the table afterwards."""
    problem = {"problem": "gemm 1x2x3 b1 an bn", "origin": origin, "choice": {"algorithm": "tiled", "split_k": split},
               "expected_seconds": seconds, "seconds": None, "usual_seconds": None}
    shows, path = work / "shows", work / "choices.txt"
    shows.write_text("#!/bin/sh\n[ \"$1 $2 $3 $4\" = 'tune --show --json steps' ] && cat <<'E'\n%s\nE\n" % json.dumps({"problems": [problem]}))
    shows.chmod(0o755)
    path.write_text(table)
    done = subprocess.run([sys.executable, HERE / "check.py", "choices", "--latentcl", shows, "--driver", "none", "--work", work / "work",
                           "--table", path, *(["--tighten"] if write else [])], capture_output=True, text=True)
    assert done.returncode == code and all(text in done.stdout + done.stderr for text in says), (done.stdout, done.stderr)
    assert write or path.read_text() == table
    return path.read_text()


wanted = choices(0, "h100: +gemm 1x2x3 b1 an bn", table="", write=True)
assert wanted.count("tiled split_k=4  ") == 4 and wanted.count("9.2\n") == 4, wanted
choices(1, "FAILED: the cost model takes what", table="")
choices(0, "a770        1 problems, 1 by the model: 9 us in all", table=wanted)
assert choices(0, table=wanted, seconds=9.25e-6, write=True) == wanted  # less than a digit's rounding
choices(1, "rx7900: -gemm 1x2x3", "rx7900: +gemm 1x2x3", "FAILED", table=wanted, seconds=9.6e-6)
choices(1, "FAILED", table=wanted, split=2)
choices(1, "its origin is rule, and the model says", table=wanted, origin="rule")
choices(1, "h100: -gemm 9x9x9", "FAILED", table=wanted.replace("h100\n", "h100\n  gemm 9x9x9  tiled split_k=1  1.0\n"))

# ---- what the other vendors' assembly says ----

amd = assembly.parse_amd("""k:                                      ; @k
.LBB0_1:
	v_dual_fmac_f32 v1, v2, v3 :: v_dual_fmac_f32 v4, v5, v6
	v_dual_fmac_f32 v1, v2, v3 :: v_dual_mov_b32 v4, v5
	v_pk_fma_f32 v[0:1], v[2:3], v[4:5], v[0:1]
	ds_load_b128 v[0:3], v9
	s_waitcnt lgkmcnt(0)
	s_cbranch_scc1 .LBB0_1
	s_endpgm
; NumVgprs: 42
; ScratchSize: 16
	.amdhsa_kernel k
""")["k"]
assert amd.facts == {"registers": 42, "private": 16}, amd.facts
(loop,) = assembly.loops_of(amd.body)
found = assembly.mix(loop.of(amd.body))
assert (found["all"], found["fma"], found["macs"], found["lds128"]) == (5, 3, 5, 1), found
intel = assembly.parse_intel("""//.kernel "k"
//.spill size 64
L1:
        mad (16|M0)              r10.0<1>:f    r10.0<1;0>:f    r2.0<1;0>:f       r4.0<0>:f
        load.slm.d32x4t.a32 (1|M0)  r30:4 [r1:1]
(f0.0)  goto (16|M0) L2 L1
L2:
""")
assert intel.facts == {"registers": 0, "spill": 64}, intel.facts
found = assembly.mix(intel.body)
assert (found["all"], found["fma"], found["lds128"], found["branch"]) == (3, 1, 1, 1), found
shutil.rmtree(work)
