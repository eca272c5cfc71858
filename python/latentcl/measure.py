"""The benchmark."""
from __future__ import annotations

from ctypes import byref, c_size_t
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, NamedTuple

from . import _api
from ._convert import field_types, set_field, to_bytes, to_int
from ._core import check, library
from .device import Context
from .onnx import texts


class Workload(NamedTuple):
    """What bench() measures: the suite that it belongs to and what it is, in words."""
    suite: str
    description: str


def workloads() -> dict[str, Workload]:
    """The workloads of the benchmark, by name."""
    rows = [library.lcl_bench_at(i) for i in range(library.lcl_bench_count())]
    return {r.name.decode(): Workload(r.suite.decode(), r.description.decode()) for r in rows}


@dataclass
class Measured:
    """One workload measured: the fields of lcl_bench_row. Times in seconds; None: not measured.

    verified: equal to the double-precision reference within its bound; None: not compared
    roofline: the best possible time on this device as a share of the median"""
    name: str
    suite: str
    algorithm: str
    compile: float | None
    first_run: float | None
    median: float | None
    spread: float | None
    best: float | None
    enqueue: float | None
    device: float | None
    runs: int
    flops: float | None
    bytes: float | None
    roofline: float | None
    memory: int
    host_memory: int
    launches: int
    verified: bool | None
    verified_parts: bool
    error: float | None
    unit: str
    value: float | None


def _measured(row: _api.lcl_bench_row) -> Measured:
    values: dict[str, Any] = {}
    for name in Measured.__dataclass_fields__:
        value = getattr(row, name)
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        values[name] = None if isinstance(value, float) and value < 0 else value
    values["verified"] = {1: True, -1: False}.get(row.verified)
    return Measured(**values)


def _index(what: str | Path, dims: Mapping[str, int] | None) -> int:
    out = c_size_t()
    if not str(what).endswith(".onnx"):
        check(library.lcl_bench_find(to_bytes(str(what)), byref(out)))
        return out.value
    sizes = texts({name: to_int(name, size) for name, size in (dims or {}).items()})
    check(library.lcl_bench_add_onnx(to_bytes(str(what)), sizes, len(dims or {}), byref(out)))
    return out.value


def bench(context: Context, *what: str | Path, seconds: float = 0.0, verify: bool = False, device_time: bool = False, roofline: bool = True,
          dims: Mapping[str, int] | None = None) -> list[Measured]:
    """Measures workloads, by name, and ONNX files, by path.

    seconds: for the steady state of each (0: 1, but at least 5 runs); negative: the first run only
    verify: compare with the double-precision reference
    device_time: also run with the profiler, for Measured.device
    roofline: measure the device's peaks too, in a second or two
    dims: sizes of dimensions that an ONNX file leaves open, by name (1)"""
    desc = _api.lcl_bench_desc(verify=verify, device_time=device_time, no_roofline=not roofline)
    set_field(desc, "seconds", field_types(desc)["seconds"], seconds)
    rows = []
    for at in [_index(w, dims) for w in what]:
        row = _api.lcl_bench_row()
        with context._lock:
            check(library.lcl_bench_run(context.pointer, at, byref(desc), byref(row)))
        rows.append(_measured(row))
    return rows
