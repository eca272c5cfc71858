"""Graphs from ONNX files and as ONNX files (docs/onnx.md)."""
from __future__ import annotations

from ctypes import addressof, byref, c_char_p, c_void_p
from pathlib import Path
from typing import Any, Mapping, NamedTuple

from . import _api
from ._convert import ShapeLike, to_bytes, to_int, to_shape
from ._core import check, library
from .graph import Graph, Tensor, tensor


class OnnxModel(NamedTuple):
    """What a file was loaded into: tensors of the graph by the file's names, what it has no sizes for ("batch, sequence", 1 now)."""
    graph: Graph
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    assumed: str


def texts(values: Mapping[str, Any] | None) -> Any:
    """An array of texts "name=value"."""
    pairs = [to_bytes(f"{name}={value}") for name, value in (values or {}).items()]
    return (c_char_p * max(len(pairs), 1))(*pairs)


def load_onnx(graph: Graph, path: str | Path, *, dims: Mapping[str, int] | None = None, shapes: Mapping[str, ShapeLike] | None = None,
              prefix: str = "") -> OnnxModel:
    """Loads an ONNX file into an empty graph. Its weights are variables of the store, trainable where they are float32.

    dims: sizes of dimensions that the file leaves open, by name; shapes: of inputs, by name
    prefix: put before the names of the variables"""
    keys = [to_bytes(name) for name in shapes or {}]
    given = (_api.lcl_onnx_shape * max(len(keys), 1))(*[_api.lcl_onnx_shape(k, to_shape(s)) for k, s in zip(keys, (shapes or {}).values())])
    sizes, out = texts({name: to_int(name, size) for name, size in (dims or {}).items()}), c_void_p()
    desc = _api.lcl_onnx_desc(prefix=to_bytes(prefix), dims=addressof(sizes), n_dims=len(dims or {}), shapes=addressof(given), n_shapes=len(keys))
    with graph._lock:
        check(library.lcl_onnx_load(graph.pointer, to_bytes(str(path)), byref(desc), byref(out)))
    try:
        def values(count: Any, at: Any) -> dict[str, Tensor]:
            rows = [at(out, i) for i in range(count(out))]
            return {v.name.decode(): tensor(graph, v.tensor) for v in rows}
        model = OnnxModel(graph, values(library.lcl_onnx_input_count, library.lcl_onnx_input),
                          values(library.lcl_onnx_output_count, library.lcl_onnx_output), library.lcl_onnx_assumed(out).decode())
    finally:
        library.lcl_onnx_close(out)
    graph.inputs.update({name: (t.dtype, t.shape) for name, t in model.inputs.items()})
    return model


def _names(tensors: Mapping[str, Tensor] | None) -> Any:
    rows = [_api.lcl_onnx_name(t.pointer, to_bytes(name)) for name, t in (tensors or {}).items()]
    return (_api.lcl_onnx_name * max(len(rows), 1))(*rows)


def save_onnx(path: str | Path, outputs: Mapping[str, Tensor], inputs: Mapping[str, Tensor] | None = None, *, batch: int = 0,
              metadata: Mapping[str, Any] | None = None) -> None:
    """Writes what outputs are computed by as an ONNX file, with the variables' values as they are.

    inputs: tensors that become inputs, whatever computes them; the graph's own inputs keep their names
    batch: the size, a large prime, that stands for a batch which the file leaves open; 0: all sizes are fixed
    metadata: texts to keep in the file"""
    if not outputs:
        raise ValueError("an ONNX file has at least one output")
    out, into, told = _names(outputs), _names(inputs), texts(metadata)
    desc = _api.lcl_onnx_save_desc(outputs=addressof(out), n_outputs=len(outputs), inputs=addressof(into), n_inputs=len(inputs or {}),
                                   batch=to_int("batch", batch), metadata=addressof(told), n_metadata=len(metadata or {}))
    with next(iter(outputs.values())).graph._lock:
        check(library.lcl_onnx_save(to_bytes(str(path)), byref(desc)))


def onnx_operators() -> list[str]:
    """The operators that load_onnx() knows."""
    found: list[str] = []
    while (name := library.lcl_onnx_operator(len(found))) is not None:
        found.append(name.decode())
    return found
