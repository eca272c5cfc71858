#!/usr/bin/env python3
"""The node tests of the onnx package through `latentcl run`: every one passes, is refused by a message, or is wrong.

Usage: node_tests.py LATENTCL [--only REGEX] [--write FILE | --expect FILE [--every N]] [--show]

FILE lists the tests that pass. With --expect the exit code is 1 when one of them does not, or when any test is wrong; 77
where the package onnx is not there. --every N: only each N-th of FILE's tests."""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
try:
    import numpy as np
    import onnx
    from onnx.backend.test.case.node import collect_testcases
except ImportError as missing:
    print(f"skipped: {missing.name} is not installed")
    sys.exit(77)


def said(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.returncode, (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or [""]


def arrays(values, infos):
    """The arrays of a data set by name; None where one is no array."""
    if not all(isinstance(v, (np.ndarray, np.generic)) for v in values):
        return None
    return {info.name: np.asarray(v) for v, info in zip(values, infos)}


def differs(got, want, rtol, atol):
    if got.dtype != want.dtype:
        return f"{got.dtype}, not {want.dtype}"
    if got.shape != want.shape:
        return f"shape {got.shape}, not {want.shape}"
    if not np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True):
        return f"largest difference {np.max(np.abs(got.astype(float) - want.astype(float))):g}"
    return ""


def run_with_constants(command, model, folder, given):
    """Runs it; an input that has to be known when the file is loaded (a shape, axes) becomes an initialiser."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    while True:
        code, last = said(command)
        needed = re.search(r'"([^"]+)", must be (?:a number|whole numbers) that the file tells', last[0])
        inputs = [i for i in model.graph.input if needed and i.name == needed[1]]
        if not inputs:
            return code, last
        name = inputs[0].name
        model.graph.input.remove(inputs[0])
        model.graph.initializer.append(onnx.numpy_helper.from_array(given[name], name))
        onnx.save(model, folder / "m.onnx")
        at = next(i for i, word in enumerate(command) if word.startswith(f"{name}="))
        del command[at - 1:at + 1]


def run(latentcl, case):
    """(outcome, why)"""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        onnx.save(case.model, folder / "m.onnx")
        for inputs, outputs in case.data_sets:
            given, want = arrays(inputs, case.model.graph.input), arrays(outputs, case.model.graph.output)
            command = [latentcl, "run", str(folder / "m.onnx")]
            if given is None or want is None:
                return "unsupported", "its values are no arrays"
            for i, (name, value) in enumerate(given.items()):
                np.save(folder / f"in{i}.npy", value)
                command += ["--in", f"{name}={folder}/in{i}.npy"]
            for i, name in enumerate(want):
                command += ["--out", f"{name}={folder}/out{i}.npy"]
            code, last = run_with_constants(command, case.model, folder, given)
            if code not in (0, 1):
                return "wrong", f"exit code {code}: {last[0]}"
            if code:
                return "unsupported", last[0].replace(str(folder), "")
            for i, (name, value) in enumerate(want.items()):
                why = differs(np.load(folder / f"out{i}.npy"), value, case.rtol, case.atol)
                if why:
                    return "wrong", f"{name}: {why}"
    return "passed", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("latentcl", help="the command")
    parser.add_argument("--only", default="", help="tests whose name has this regular expression in it (all)")
    parser.add_argument("--write", help="file for the names of those that pass")
    parser.add_argument("--expect", help="file of names that have to pass")
    parser.add_argument("--every", type=int, help="of the names in --expect only one in so many")
    parser.add_argument("--show", action="store_true", help="print those that are refused, and why")
    args = parser.parse_args()
    cases = {c.name: c for c in collect_testcases(None) if re.search(args.only, c.name)}
    if args.every:
        sample = pathlib.Path(args.expect).read_text().split()[::args.every]
        cases = {n: c for n, c in cases.items() if n in sample}
    results = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, result in zip(cases, pool.map(lambda c: run(args.latentcl, c), cases.values())):
            results[name] = result
            if args.show and result[0] != "passed" or result[0] == "wrong":
                print(f"{result[0]}  {name}  {result[1]}", flush=True)
    kinds = [r[0] for r in results.values()]
    print(f"onnx {onnx.__version__}: {kinds.count('passed')} passed, {kinds.count('unsupported')} unsupported, "
          f"{kinds.count('wrong')} wrong, of {len(kinds)}")
    passed = [n for n, r in sorted(results.items()) if r[0] == "passed"]
    if args.write:
        pathlib.Path(args.write).write_text("\n".join(passed) + "\n")
    failed = kinds.count("wrong") > 0
    if args.expect:
        for name in pathlib.Path(args.expect).read_text().split():
            if name in results and results[name][0] != "passed":
                print(f"expected to pass: {name}: {results[name]}")
                failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
