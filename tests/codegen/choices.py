"""What the cost model takes for the six steps' GEMMs and convolutions on four classes of GPUs that nobody has tuned: choices.txt, a
table that is kept, so that a change of the model is seen. `latentcl tune --show` prints the same for a device that is there, beside
what was measured."""
import difflib
import json
import re
import subprocess
from pathlib import Path

import record as records

TABLE = Path(__file__).resolve().parent / "choices.txt"
# Of nullcl.c's devices: large and small ones of wide processors, and one of narrow ones.
CLASSES = ("h100", "rtx3060", "rx7900", "a770")
HEAD = """# Choices of the cost model where nothing was measured: problem, algorithm with its parameters, and microseconds by the model.
# check.py choices compares with it; --tighten writes it anew.
"""
NEAR = 0.02  # times that differ by less are the same


def choices_of(latentcl, driver, device):
    """{problem: (choice, microseconds or None)}, in the command's order."""
    done = subprocess.run([str(latentcl), "tune", "--show", "--json", "steps"], env=records.environment(driver, device),
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("latentcl tune --show on the null driver failed:\n%s" % (done.stdout + done.stderr)[-2000:])
    found = {}
    for p in json.loads(done.stdout)["problems"]:
        choice, seconds = p["choice"], p["expected_seconds"]
        if (p["origin"] == "model") != (seconds is not None):
            raise SystemExit("%s: its origin is %s, and the model says %s" % (p["problem"], p["origin"], seconds))
        words = [choice.pop("algorithm")] + ["%s=%d" % parameter for parameter in choice.items()]
        found[p["problem"]] = " ".join(words), seconds and seconds * 1e6
    return found


def line(problem, choice, us):
    return "%-86s  %-48s  %7s" % (problem, choice, "-" if us is None else "%.1f" % us)


def read_table(path):
    """{class: {problem: (choice, microseconds or None)}}"""
    table = {}
    for text in path.read_text().splitlines() if path.exists() else []:
        if text.startswith("# "):
            continue
        if not text.startswith(" "):
            rows = table[text] = {}
            continue
        problem, choice, us = re.split("  +", text.strip())
        rows[problem] = choice, None if us == "-" else float(us)
    return table


def same(a, b):
    near = a[1] == b[1] or (None not in (a[1], b[1]) and abs(a[1] - b[1]) <= NEAR * b[1] + 0.1)
    return a[0] == b[0] and near


def check(latentcl, driver, path, write):
    """Lines that differ from the table; with write, it is today's afterwards."""
    table, today = read_table(path), {device: choices_of(latentcl, driver, device) for device in CLASSES}
    differs = []
    for device, rows in today.items():
        old = table.get(device, {})
        kept = {p: old[p] if p in old and same(row, old[p]) else row for p, row in rows.items()}
        lines = [[line(p, *row) for p, row in sorted(x.items())] for x in (old, kept)]
        differs += ["%s: %s" % (device, text) for text in difflib.unified_diff(*lines, lineterm="", n=0)
                    if text[0] in "+-" and text[:3] not in ("+++", "---")]
        modelled = [row[1] for row in rows.values() if row[1] is not None]
        print("%-8s %4d problems, %d by the model: %.0f us in all" % (device, len(rows), len(modelled), sum(modelled)))
        today[device] = kept
    if write and differs:
        path.write_text(HEAD + "".join("%s\n%s" % (device, "".join("  %s\n" % line(p, *row) for p, row in sorted(rows.items())))
                                       for device, rows in today.items()))
    return differs
