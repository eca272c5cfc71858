"""Variables, graphs, tensors and programs."""
from __future__ import annotations

import importlib
import threading
from ctypes import addressof, byref, c_int, c_int64, c_void_p
from types import TracebackType
from typing import Any, Callable, Iterator, Mapping, MutableMapping, Sequence, Union

import numpy as np

from . import _api
from ._convert import (DTYPE_VALUES, DTYPES, DTypeLike, InitLike, ShapeLike, field_types, set_field, spread, to_array, to_axes, to_bytes,
                       to_dtype, to_enum, to_init, to_int, to_ints, to_shape)
from ._core import check, failure, library, pending, take_text
from .device import Buffer, Context, Owner, expect

TensorLike = Union["Tensor", float, np.ndarray]


# ---- variables ----

class Store(Owner, MutableMapping):
    """Variables by name, as NumPy arrays: store["fc.weight"] reads one, store["fc.weight"] = array sets it.

    Graphs on one store share them. seed: of initial values and random operations"""

    def __init__(self, context: Context, seed: int = 0):
        out = c_void_p()
        with context._lock:
            check(library.lcl_store_create(context.pointer, to_int("seed", seed) & 2**64 - 1, byref(out)))
        self.context = context
        self._own(out.value, library.lcl_store_destroy, context._lock)

    def _infos(self) -> dict[str, Any]:
        infos = (library.lcl_store_info(self.pointer, i) for i in range(library.lcl_store_count(self.pointer)))
        return {info.name.decode(): info for info in infos}

    def _info(self, name: str) -> Any:
        info = self._infos().get(name)
        if info is None:
            raise KeyError(name)
        return info

    def __getitem__(self, name: str) -> np.ndarray:
        info = self._info(name)
        out = np.empty(info.shape.dim[:info.shape.rank], DTYPES[info.dtype])
        with self._lock:
            check(library.lcl_store_read(self.pointer, name.encode(), out.ctypes.data, out.nbytes))
        return out

    def __setitem__(self, name: str, value: Any) -> None:
        info = self._info(name)
        a = to_array(name, value, DTYPES[info.dtype], tuple(info.shape.dim[:info.shape.rank]))
        with self._lock:
            check(library.lcl_store_write(self.pointer, name.encode(), a.ctypes.data, a.nbytes))

    def __delitem__(self, name: str) -> None:
        raise TypeError("variables stay as long as their store")

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos())

    def __len__(self) -> int:
        return library.lcl_store_count(self.pointer)

    @property
    def trainable(self) -> list[str]:
        """Names of the parameters."""
        return [name for name, info in self._infos().items() if info.trainable]

    def save(self, path: str) -> None:
        """Writes all variables as a safetensors file, in one atomic step."""
        f = c_void_p()
        check(library.lcl_tensor_file_create(byref(f)))
        try:
            with self._lock:
                check(library.lcl_store_save(self.pointer, f))
            check(library.lcl_tensor_file_write(f, to_bytes(str(path))))
        finally:
            library.lcl_tensor_file_destroy(f)

    def load(self, path: str, partial: bool = False) -> None:
        """Sets all variables from a safetensors file; nothing changes when one does not fit.

        partial: those that are not trained may be missing, and the file may have more"""
        f = c_void_p()
        check(library.lcl_tensor_file_read(to_bytes(str(path)), byref(f)))
        try:
            with self._lock:
                check(library.lcl_store_load(self.pointer, f, partial))
        finally:
            library.lcl_tensor_file_destroy(f)


# ---- graphs ----

class Graph(Owner):
    """A graph being built. Operations on its tensors add to it; compile() makes a program.

    An error ends the graph: the operation that made it raises, and so does every later one. Graphs of one store are built in one
    thread at a time.

    context: where its programs run, with a store of its own; store: variables to share instead
    name: separates the random streams of graphs on one store
    precision: "f16" rounds the operands of products to half precision"""
    store: Store | None

    def __init__(self, context: Context | None = None, *, store: Store | None = None, seed: int = 0, name: str = "graph",
                 precision: DTypeLike = "f32"):
        if (context is None) == (store is None):
            raise TypeError("a graph is made on a context or on a store")
        self.store = Store(context, seed) if context is not None else store
        assert self.store is not None
        out = c_void_p()
        with self.store._lock:
            check(library.lcl_graph_create(self.store.pointer, to_bytes(name), byref(out)))
        self._own(out.value, library.lcl_graph_destroy, self.store._lock)
        check(library.lcl_graph_precision(self.pointer, to_dtype(precision)))
        self.inputs: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}

    @classmethod
    def _borrow(cls, pointer: int) -> Graph:
        """A graph that belongs to someone else, until _end_loan()."""
        self = cls.__new__(cls)
        self.pointer, self.store, self.inputs, self._lock = pointer, None, {}, threading.RLock()
        return self

    def _end_loan(self) -> None:
        self.pointer = 0

    def check(self) -> None:
        """Raises the first error of building."""
        status = _graph_status(self.pointer)
        if status or pending:
            raise failure(status)

    def input(self, name: str, shape: ShapeLike, dtype: DTypeLike = np.float32) -> Tensor:
        """A tensor that is given at each run, by this name."""
        t = tensor(self, library.lcl_input(self.pointer, to_bytes(name), to_dtype(dtype), to_shape(shape)))
        self.inputs[name] = (t.dtype, t.shape)
        return t

    def param(self, name: str, shape: ShapeLike, init: InitLike = "zero") -> Tensor:
        """A trainable float32 variable of the store: the one of this name, or a new one."""
        return tensor(self, library.lcl_param(self.pointer, to_bytes(name), to_shape(shape), to_init(init)))

    def state(self, name: str, shape: ShapeLike, dtype: DTypeLike = np.float32, init: InitLike = "zero") -> Tensor:
        """A variable that is not trained."""
        return tensor(self, library.lcl_state(self.pointer, to_bytes(name), to_dtype(dtype), to_shape(shape), to_init(init)))

    def const(self, value: Any) -> Tensor:
        """A constant: a number or an array. Whole numbers in 64 bits become int32, other numbers float32."""
        if isinstance(value, (int, float)):
            return tensor(self, library.lcl_const(self.pointer, value))
        a = np.asarray(value)
        kind = a.dtype if a.dtype in DTYPE_VALUES else np.dtype(np.int32 if a.dtype.kind in "iub" else np.float32)
        a = to_array("a constant", a, kind, a.shape)
        return tensor(self, library.lcl_const_data(self.pointer, DTYPE_VALUES[kind], to_shape(a.shape), a.ctypes.data))

    def compile(self, *fetch: Tensor, named: Mapping[str, Tensor] | None = None, no_updates: bool = False, no_fusion: bool = False,
                check_numerics: bool = False) -> Program:
        """Compiles the graph. Calling the program gives what `fetch` or `named` say.

        no_updates: leave assignments and optimiser steps out
        no_fusion: one launch for each operation, to find a wrong result
        check_numerics: name the first tensor with NaN or Inf"""
        if self.store is None:
            raise TypeError("the graph of build() is compiled by the training loop")
        if fetch and named:
            raise TypeError("outputs are either in a row or named")
        desc = _api.lcl_compile_desc(no_updates=no_updates, no_fusion=no_fusion, check_numerics=check_numerics)
        return Program(self, named or fetch, desc)


_graph_status = library.lcl_graph_status
_tensor_shape = library.lcl_tensor_shape
_tensor_dtype = library.lcl_tensor_dtype


class Tensor:
    """A value of a graph. + - * / @ < > == != build operations, with numbers and arrays too."""
    __slots__ = ("pointer", "graph", "_shape")
    __array_ufunc__ = None  # NumPy leaves array * tensor to the tensor

    def __init__(self, graph: Graph, pointer: int):
        self.pointer, self.graph = pointer, graph
        self._shape: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its sizes."""
        if self._shape is None:
            s = _tensor_shape(self.pointer)
            self._shape = tuple(s.dim[:s.rank])
        return self._shape

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Elements."""
        return int(np.prod(self.shape))

    @property
    def dtype(self) -> np.dtype:
        """Its type."""
        return DTYPES[_tensor_dtype(self.pointer)]

    def __repr__(self) -> str:
        return f"<latentcl.Tensor {self.dtype} {self.shape}>"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a scalar has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        raise TypeError("a tensor has no value before a program runs")

    def _with(self, f: Any, a: Any, b: Any) -> Tensor:
        g = self.graph
        return tensor(g, f(to_pointer(g, a), to_pointer(g, b)))

    def __add__(self, other: TensorLike) -> Tensor:
        if isinstance(other, (int, float)):
            return tensor(self.graph, library.lcl_shift(self.pointer, other))
        return self._with(library.lcl_add, self, other)

    __radd__ = __add__

    def __sub__(self, other: TensorLike) -> Tensor:
        return self + -other if isinstance(other, (int, float)) else self._with(library.lcl_sub, self, other)

    def __rsub__(self, other: TensorLike) -> Tensor:
        return -self + other if isinstance(other, (int, float)) else self._with(library.lcl_sub, other, self)

    def __mul__(self, other: TensorLike) -> Tensor:
        if isinstance(other, (int, float)):
            return tensor(self.graph, library.lcl_scale(self.pointer, other))
        return self._with(library.lcl_mul, self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: TensorLike) -> Tensor:
        return self._with(library.lcl_div, self, other)

    def __rtruediv__(self, other: TensorLike) -> Tensor:
        return self._with(library.lcl_div, other, self)

    def __matmul__(self, other: TensorLike) -> Tensor:
        g = self.graph
        return tensor(g, library.lcl_matmul(self.pointer, to_pointer(g, other), False, False))

    def __rmatmul__(self, other: TensorLike) -> Tensor:
        g = self.graph
        return tensor(g, library.lcl_matmul(to_pointer(g, other), self.pointer, False, False))

    def __neg__(self) -> Tensor:
        return tensor(self.graph, library.lcl_neg(self.pointer))

    def __abs__(self) -> Tensor:
        return tensor(self.graph, library.lcl_abs(self.pointer))

    def __gt__(self, other: TensorLike) -> Tensor:  # type: ignore[misc]  # arrays compare with everything
        return self._with(library.lcl_greater, self, other)

    def __lt__(self, other: TensorLike) -> Tensor:  # type: ignore[misc]
        return self._with(library.lcl_less, self, other)

    def __eq__(self, other: TensorLike) -> Tensor:  # type: ignore[override]
        if not isinstance(other, (Tensor, int, float, np.ndarray, np.generic)):
            return NotImplemented
        return self._with(library.lcl_equal, self, other)

    def __ne__(self, other: TensorLike) -> Tensor:  # type: ignore[override]
        same = self.__eq__(other)
        return same if same is NotImplemented else 1 - same

    __hash__ = object.__hash__

    def __pow__(self, exponent: float) -> Tensor:
        functions = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "recip"}
        if exponent not in functions:
            raise ValueError("powers are 2, 0.5, -0.5 and -1; exp(p * log(x)) gives others of positive numbers")
        return tensor(self.graph, getattr(library, "lcl_" + functions[exponent])(self.pointer))

    def __getitem__(self, key: Any) -> Tensor:
        """Numbers, ranges with step 1, and "..."; as in NumPy a number takes its axis away."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if keys.count(Ellipsis) > 1 or len(keys) - keys.count(Ellipsis) > self.ndim:
            raise IndexError(f"too many indices for a tensor with {self.ndim} dimensions")
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at:at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        ranges = [_range_of(k, n) for k, n in zip(keys, self.shape)]
        starts, stops = zip(*ranges) if ranges else ((), ())
        out = tensor(self.graph, library.lcl_slice(self.pointer, (c_int64 * self.ndim)(*starts), (c_int64 * self.ndim)(*stops)))
        kept = [b - a for k, (a, b) in zip(keys, ranges) if isinstance(k, slice)]
        return out if len(kept) == self.ndim else out.reshape(*kept)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; one size may be -1."""
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return tensor(self.graph, library.lcl_reshape(self.pointer, to_shape(sizes)))

    def transpose(self, *axes: int) -> Tensor:
        """Axes in another order; none: reversed."""
        order = axes or tuple(reversed(range(self.ndim)))
        return tensor(self.graph, library.lcl_transpose(self.pointer, to_ints("axes", c_int, self.ndim, order)))

    @property
    def T(self) -> Tensor:
        """With reversed axes."""
        return self.transpose()

    def astype(self, dtype: DTypeLike) -> Tensor:
        """The same values in another type."""
        return tensor(self.graph, library.lcl_cast(self.pointer, to_dtype(dtype)))

    def sum(self, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Sum over axes; None: all."""
        return tensor(self.graph, library.lcl_sum(self.pointer, to_axes(self, axes), keepdims))

    def mean(self, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Mean over axes; None: all."""
        return tensor(self.graph, library.lcl_mean(self.pointer, to_axes(self, axes), keepdims))

    def stop_gradient(self) -> Tensor:
        """The same value, through which no gradient flows."""
        return tensor(self.graph, library.lcl_stop_gradient(self.pointer))


class _BuildTensor(Tensor):
    """A tensor of a graph that ends with the call of build()."""
    __slots__ = ("_at",)

    @property
    def pointer(self) -> int:  # type: ignore[override]
        """Where it is, while it is there."""
        if not self.graph.pointer:
            raise ValueError("a tensor of build() ends with the call of build()")
        return self._at

    @pointer.setter
    def pointer(self, value: int) -> None:
        self._at = value


def _range_of(key: Any, size: int) -> tuple[int, int]:
    if isinstance(key, slice):
        start, stop, step = key.indices(size)
        if step != 1:
            raise IndexError("the step of a range must be 1")
        return start, max(start, stop)
    at = key.__index__() if hasattr(key, "__index__") else None
    if at is None:
        raise IndexError("indices are whole numbers, ranges and '...'")
    if not -size <= at < size:
        raise IndexError(f"index {at} is outside an axis of {size}")
    return at % size, at % size + 1


def tensor(g: Graph, pointer: int | None) -> Tensor:
    """What an operation made, or the error that it found."""
    if _graph_status(g.pointer) or pending or not pointer:
        g.check()
    assert pointer
    return Tensor(g, pointer) if g.store else _BuildTensor(g, pointer)


def graph_of(*values: Any) -> Graph:
    """The graph of the first tensor among operands."""
    for value in values:
        if isinstance(value, Tensor):
            return value.graph
    raise TypeError("one operand at least must be a tensor of a graph")


def to_pointer(g: Graph, value: TensorLike | None) -> int | None:
    """A tensor; numbers and arrays become constants."""
    if isinstance(value, Tensor):
        return value.pointer
    return None if value is None else g.const(value).pointer


def to_pointers(g: Graph, values: Sequence[TensorLike]) -> Any:
    """An array of tensors."""
    if isinstance(values, Tensor):  # whose rows are no tensors of the graph so far
        raise TypeError("a list of tensors was expected, not one tensor")
    return (c_void_p * len(values))(*[to_pointer(g, v) for v in values])


def to_structure(g: Graph, kind_: Any, /, **values: Any) -> Any:
    """A descriptor of an operation from keywords, which may belong to a structure inside."""
    result = kind_()
    _fill_descriptor(g, result, values)
    return result


def _fill_descriptor(g: Graph, structure: Any, values: Mapping[str, Any]) -> None:
    enums = _api.FIELD_ENUMS[type(structure).__name__]
    for name, ctype in structure._fields_:
        value = values.get(name)
        if name in enums:
            value = to_enum(enums[name], str(value))
        elif ctype is _api.lcl_init:
            value = to_init(value)
        elif hasattr(ctype, "_fields_"):
            _fill_descriptor(g, getattr(structure, name), values)
            continue
        elif hasattr(ctype, "_length_"):
            getattr(structure, name)[:] = spread(name, 0 if value is None else value, ctype._length_)
            continue
        elif ctype is c_void_p and name == "params" and value is not None:
            structure.kept = to_pointers(g, value)
            structure.n_params = len(value)
            value = addressof(structure.kept)
        elif ctype is c_void_p:
            value = to_pointer(g, value)
        elif value is None:
            continue
        set_field(structure, name, ctype, value)


class Callbacks:
    """Python functions that an operation calls with tensors; what they raise ends the operation."""

    def __init__(self, g: Graph):
        self.graph = g
        self.kept: list[Any] = []

    def __enter__(self) -> Callbacks:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kept.clear()

    def wrap(self, kind: Any, function: Callable[..., Tensor]) -> Any:
        """For the library: (user, tensor, ...) -> tensor."""
        def call(_: Any, *pointers: int) -> int | None:
            try:
                return to_pointer(self.graph, function(*[tensor(self.graph, p) for p in pointers]))
            except BaseException as error:  # pylint: disable=broad-except
                pending.append(error)
                return None
        self.kept.append(kind(call))
        return self.kept[-1]


def gradients(loss: Tensor, wrt: Sequence[Tensor]) -> list[Tensor]:
    """The gradient of a number with respect to tensors, as tensors that can be differentiated again."""
    g, out = loss.graph, (c_void_p * len(wrt))()
    library.lcl_gradients(loss.pointer, to_pointers(g, wrt), len(wrt), out)
    return [tensor(g, p) for p in out]


def vjp(y: Tensor, gy: TensorLike, wrt: Sequence[Tensor]) -> list[Tensor]:
    """The vector-Jacobian product: gradients() of a tensor of any shape, with the incoming gradient gy."""
    g, out = y.graph, (c_void_p * len(wrt))()
    library.lcl_vjp(y.pointer, to_pointer(g, gy), to_pointers(g, wrt), len(wrt), out)
    return [tensor(g, p) for p in out]


def _unary(word: str) -> Callable[[Tensor], Tensor]:
    code = _api.ENUMS["lcl_map_code"][word]

    def function(x: Tensor) -> Tensor:
        return tensor(x.graph, library.lcl_unary(code, x.pointer, 0))
    function.__name__ = word
    function.__doc__ = f"Element by element: {word}."
    return function


floor, sin, cos = _unary("floor"), _unary("sin"), _unary("cos")


# ---- programs ----

class Program(Owner):
    """A compiled graph. program(x=array, ...) runs it once and gives its outputs as NumPy arrays: one for each fetched
    tensor (alone, or in a tuple), or a dictionary where they are named. Inputs stay until they are given again."""

    def __init__(self, graph: Graph, fetch: Mapping[str, Tensor] | Sequence[Tensor], desc: Any):
        self._names = list(fetch) if isinstance(fetch, Mapping) else None
        tensors = list(fetch.values() if isinstance(fetch, Mapping) else fetch)
        pointers = to_pointers(graph, tensors)
        desc.fetch, desc.n_fetch, desc.only_fetch = addressof(pointers), len(tensors), True
        out = c_void_p()
        graph.check()
        with graph._lock:
            check(library.lcl_compile(graph.pointer, byref(desc), byref(out)))
        self.store = graph.store
        self._own(out.value, library.lcl_program_destroy, graph._lock)
        self._outputs = [(b"#%d" % i, t.shape, t.dtype) for i, t in enumerate(tensors)]
        self._inputs = {name: (name.encode(), *kind) for name, kind in graph.inputs.items()}

    def feed(self, **arrays: Any) -> None:
        """Sets inputs."""
        for name, value in arrays.items():
            known = self._inputs.get(name)
            if not known:
                raise ValueError(f"there is no input '{name}'; there are {', '.join(self._inputs) or 'none'}")
            a = value
            if type(a) is not np.ndarray or a.dtype != known[1] or a.shape != known[2] or not a.flags.c_contiguous:
                a = to_array(name, value, known[1], known[2])
            with self._lock:
                check(_feed(self.pointer, known[0], a.ctypes.data, a.nbytes))

    def feed_buffer(self, name: str, buffer: Buffer) -> None:
        """Makes device memory an input, without a copy."""
        with self._lock:
            check(library.lcl_feed_buffer(self.pointer, to_bytes(name), buffer.pointer))

    def fetch_buffer(self, output: int | str, buffer: Buffer, offset: int = 0) -> None:
        """Copies an output, by position or name, into device memory after the runs so far, without waiting.

        offset: bytes from the buffer's start"""
        at = output
        if isinstance(output, str) and self._names is not None and output in self._names:
            at = self._names.index(output)
        if not isinstance(at, int) or not 0 <= at < len(self._outputs):
            raise ValueError(f"there is no output {output!r}")
        with self._lock:
            check(library.lcl_fetch_buffer(self.pointer, b"#%d" % at, buffer.pointer, to_int("offset", offset)))

    def run(self) -> None:
        """Enqueues one run and does not wait."""
        with self._lock:
            check(_run(self.pointer))

    def run_async(self, wait_for: Sequence[Any] = ()) -> Any:
        """Enqueues one run that begins after pyopencl events, and gives the pyopencl.Event of its end. Does not wait."""
        for event in wait_for:
            expect("Event", event)
        events, out = (c_void_p * max(len(wait_for), 1))(*[e.int_ptr for e in wait_for]), c_void_p()
        make = importlib.import_module("pyopencl").Event.from_int_ptr
        with self._lock:
            check(library.lcl_run_async(self.pointer, len(wait_for), events, byref(out)))
        return make(out.value, retain=False)

    def fetch(self) -> Any:
        """Waits for the runs so far and gives the outputs."""
        arrays = []
        for name, shape, dtype in self._outputs:
            out = np.empty(shape, dtype)
            with self._lock:
                check(_fetch(self.pointer, name, out.ctypes.data, out.nbytes))
            arrays.append(out)
        if self._names is not None:
            return dict(zip(self._names, arrays))
        return arrays[0] if len(arrays) == 1 else tuple(arrays)

    def __call__(self, **arrays: Any) -> Any:
        with self._lock:
            self.feed(**arrays)
            check(_run(self.pointer))
            return self.fetch()

    @property
    def stats(self) -> dict[str, float]:
        """Launches, FLOPs, bytes and memory of a run."""
        s = library.lcl_program_get_stats(self.pointer)
        return {name: getattr(s, name) for name in field_types(s)}

    def explain(self, format: str = "text") -> str:
        """Nodes, fused groups, algorithms, launches, memory as "text", "dot" (Graphviz) or "json"."""
        text = c_void_p()
        check(library.lcl_program_explain(self.pointer, to_enum("lcl_explain_format", format), byref(text)))
        return take_text(text)


_feed, _run, _fetch = library.lcl_feed, library.lcl_run, library.lcl_fetch
