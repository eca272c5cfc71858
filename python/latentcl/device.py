"""Devices, contexts on them, and their memory."""
from __future__ import annotations

import importlib
import threading
import weakref
from ctypes import addressof, byref, c_size_t, c_void_p
from dataclasses import dataclass
from typing import Any, Mapping

import numpy as np

from . import _api
from ._convert import DTYPES, DTypeLike, ShapeLike, field_types, fill, to_bytes, to_dtype, to_enum, to_int
from ._core import check, library


@dataclass(frozen=True)
class Device:
    """An OpenCL device. `selector` opens it: Context(device.selector)."""
    selector: str
    name: str
    vendor: str
    platform: str
    driver: str
    kind: str
    compute_units: int
    memory: int
    chosen: bool


def devices() -> list[Device]:
    """The OpenCL devices that there are."""
    n = c_size_t()
    check(library.lcl_devices(None, 0, byref(n)))
    rows = (_api.lcl_device * max(n.value, 1))()
    check(library.lcl_devices(rows, n.value, byref(n)))

    def value(row: Any, name: str) -> Any:
        v = getattr(row, name)
        return v.decode(errors="replace") if isinstance(v, bytes) else v
    return [Device(**{name: value(row, name) for name in field_types(row)}) for row in rows[:n.value]]


class Owner:
    """An object of the library that ends with the Python object, and not before what stands on it."""
    pointer: int

    def _own(self, pointer: int | None, destroy: Any, lock: Any = None) -> None:
        """lock: of the device that the object works on."""
        assert pointer
        self.pointer = pointer
        self._lock = lock or threading.RLock()
        weakref.finalize(self, _end, destroy, pointer, self._lock)


def _end(destroy: Any, pointer: int, lock: Any) -> None:
    with lock:
        destroy(pointer)


class Context(Owner):
    """An open device. What runs on it runs one after the other, whichever threads ask for it.

    device: a selector ("1:0", "gpu", "cpu", part of a name); None: LATENTCL_DEVICE, then the best there is
    disable: features to do without, with commas between
    profile: record the device time of every launch
    memory_limit: bytes of device memory that may be in use; 0: the device's"""

    def __init__(self, device: str | Device | None = None, *, disable: str | None = None, queues: int = 0, profile: bool = False,
                 memory_limit: int = 0, _wrap: Mapping[str, Any] | None = None):
        selector = device.selector if isinstance(device, Device) else device
        desc = _api.lcl_context_desc(device=to_bytes(selector), disable=to_bytes(disable), profile=profile, **(_wrap or {}))
        fill(desc, {"queues": queues, "memory_limit": memory_limit})
        out = c_void_p()
        check(library.lcl_context_create(byref(desc), byref(out)))
        self._own(out.value, library.lcl_context_destroy)

    @classmethod
    def from_pyopencl(cls, queue: Any) -> Context:
        """A context on a pyopencl.CommandQueue: LatentCL works on that queue, in order with what else is there."""
        expect("CommandQueue", queue)
        queues = (c_void_p * 1)(queue.int_ptr)
        return cls(_wrap={"cl_context": queue.context.int_ptr, "cl_device": queue.device.int_ptr, "cl_queues": addressof(queues),
                          "n_cl_queues": 1})

    def to_pyopencl(self) -> Any:
        """The pyopencl.CommandQueue that transfers and runs are on; what pyopencl enqueues there comes after them."""
        return importlib.import_module("pyopencl").CommandQueue.from_int_ptr(library.lcl_context_cl_queue(self.pointer, 0), retain=True)

    @property
    def device_name(self) -> str:
        """Name of the device as its driver gives it."""
        return library.lcl_context_device_name(self.pointer).decode(errors="replace")

    @property
    def memory(self) -> dict[str, int]:
        """Bytes of device memory in use ("current"), the most there ever were ("peak"), and live buffers."""
        use = library.lcl_context_memory(self.pointer)
        return {name: getattr(use, name) for name in field_types(use)}

    def algorithm_force(self, text: str | None) -> None:
        """Asks for algorithms by name: OP=ALGORITHM pairs with commas between, "conv2d=winograd/auto,matmul=clblast"; None: as usual."""
        with self._lock:
            check(library.lcl_algorithm_force(self.pointer, to_bytes(text)))

    def algorithm_find(self, find: str) -> None:
        """How much compile() measures of new problems: "off", "quick" or "full" (LATENTCL_FIND, else "quick")."""
        with self._lock:
            check(library.lcl_algorithm_find(self.pointer, to_enum("lcl_find", find)))

    def finish(self) -> None:
        """Waits until everything that was enqueued is done."""
        with self._lock:
            check(library.lcl_context_finish(self.pointer))

    def __repr__(self) -> str:
        return f"<latentcl.Context on {self.device_name}>"


def expect(kind: str, value: Any) -> None:
    """Another object's pointer would be taken for one of this kind."""
    if not any(c.__name__ == kind for c in type(value).__mro__):
        raise TypeError(f"expected a pyopencl.{kind}, not {type(value).__name__}")


class Buffer(Owner):
    """Device memory, of its own or (from_pyopencl) a pyopencl.Buffer's."""

    def __init__(self, context: Context, nbytes: int):
        out = c_void_p()
        with context._lock:
            check(library.lcl_buffer_create(context.pointer, to_int("nbytes", nbytes), byref(out)))
        self.context = context
        self._own(out.value, library.lcl_buffer_destroy, context._lock)

    @classmethod
    def from_pyopencl(cls, context: Context, buffer: Any) -> Buffer:
        """The memory of a pyopencl.Buffer of the same cl_context, without a copy."""
        expect("MemoryObjectHolder", buffer)  # buffers of pools too
        self, out = cls.__new__(cls), c_void_p()
        with context._lock:
            check(library.lcl_buffer_wrap(context.pointer, buffer.int_ptr, byref(out)))
        self.context = context
        self._own(out.value, library.lcl_buffer_destroy, context._lock)
        return self

    def to_pyopencl(self) -> Any:
        """The pyopencl.Buffer of this memory, without a copy."""
        return importlib.import_module("pyopencl").Buffer.from_int_ptr(library.lcl_buffer_cl_mem(self.pointer), retain=True)

    @property
    def nbytes(self) -> int:
        """Its size."""
        return library.lcl_buffer_size(self.pointer)

    def write(self, array: np.ndarray, offset: int = 0) -> None:
        """Copies an array to the device, in the host's order of bytes."""
        a = np.ascontiguousarray(array)
        if a.dtype.hasobject:
            raise TypeError("an array of Python objects has no numbers to copy")
        a = a.astype(a.dtype.newbyteorder("="), copy=False)
        with self._lock:
            check(library.lcl_buffer_write(self.pointer, to_int("offset", offset), a.ctypes.data, a.nbytes))

    def read(self, shape: ShapeLike, dtype: DTypeLike = np.float32, offset: int = 0) -> np.ndarray:
        """Copies elements to the host."""
        out = np.empty(shape, DTYPES[to_dtype(dtype)])
        with self._lock:
            check(library.lcl_buffer_read(self.pointer, to_int("offset", offset), out.ctypes.data, out.nbytes))
        return out
