"""From Python's values to those of the library."""
from __future__ import annotations

from ctypes import c_int, c_int64, c_size_t, c_uint, c_uint64
from dataclasses import dataclass
from typing import Any, Mapping, Sequence, Union

import numpy as np

from . import _api

DTypeLike = Union[str, type, np.dtype]
ShapeLike = Union[int, Sequence[int]]
InitLike = Union["Init", str]

_NUMPY: dict[str, np.dtype[Any]] = {"f32": np.dtype(np.float32), "i32": np.dtype(np.int32), "u8": np.dtype(np.uint8),
                                    "f16": np.dtype(np.float16)}
DTYPES = {value: _NUMPY[name] for name, value in _api.ENUMS["lcl_dtype"].items()}
DTYPE_VALUES = {dtype: value for value, dtype in DTYPES.items()}


def to_dtype(dtype: DTypeLike) -> int:
    """A type as NumPy or LatentCL name it."""
    kind = _NUMPY.get(dtype) if isinstance(dtype, str) else None
    try:
        return DTYPE_VALUES[kind or np.dtype(dtype)]
    except (KeyError, TypeError):
        name = getattr(dtype, "__name__", dtype)
        raise TypeError(f"there is no tensor of type {name}; there are float32, int32, uint8 and float16") from None


def to_shape(shape: ShapeLike) -> _api.lcl_shape:
    """A number or a sequence of numbers."""
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if len(sizes) > _api.CONSTANTS["LCL_MAX_RANK"]:
        raise ValueError(f"a tensor has at most {_api.CONSTANTS['LCL_MAX_RANK']} dimensions, not {len(sizes)}")
    result = _api.lcl_shape()
    result.rank = len(sizes)
    result.dim[:len(sizes)] = [to_int("shape", size) for size in sizes]
    return result


def to_int(name: str, value: Any) -> int:
    """A whole number that 64 bits hold; ctypes would cut others in silence."""
    number = value.__index__() if hasattr(value, "__index__") else None
    if number is None or not -2**63 <= number < 2**63:
        raise TypeError(f"{name} must be a whole number of 64 bits, not {value!r}")
    return number


def to_ints(name: str, kind: Any, length: int, values: Sequence[int] | None) -> Any:
    """An array of exactly `length` numbers; None stays."""
    if values is None:
        return None
    if len(values) != length:
        raise ValueError(f"{name} must have {length} numbers, not {len(values)}")
    return (kind * length)(*[to_int(name, v) for v in values])


def to_axes(x: Any, axes: int | Sequence[int] | None) -> int:
    """The bits of a set of axes; negative ones count from the end, None is all."""
    if axes is None:
        return 0x3F
    bits = 0
    rank = x.ndim
    for axis in (axes,) if isinstance(axes, (int, np.integer)) else axes:
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} is none of a tensor with {rank} dimensions")
        bits |= 1 << (axis % rank)
    return bits


def to_bytes(text: str | None) -> bytes | None:
    """A text for the library."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise TypeError(f"expected a text, not {text!r}")
    if "\0" in text:
        raise ValueError(f"{text!r} has a NUL character")
    return text.encode()


def to_enum(kind: str, word: str) -> int:
    """The number of a word, e.g. "he_normal"."""
    words = _api.ENUMS[kind]
    if word not in words:
        raise ValueError(f"'{word}' is none of {', '.join(words)}")
    return words[word]


@dataclass
class Init:
    """Initial values of a variable: kind "zero", "constant" (value), "normal" (mean value, standard deviation scale),
    "uniform" ([-scale, scale)), "he_normal", "glorot_uniform", "fan_in_normal" or "fan_in_uniform" (times scale)."""
    kind: str = "zero"
    value: float = 0.0
    scale: float = 0.0
    fan_in: int = 0
    fan_out: int = 0


def to_init(init: InitLike | None) -> _api.lcl_init:
    """An Init, or the kind of one."""
    i = init if isinstance(init, Init) else Init(init or "zero")
    return _api.lcl_init(to_enum("lcl_init_kind", i.kind), i.value, i.scale, i.fan_in, i.fan_out)


def field_types(structure: Any) -> dict[str, Any]:
    """The ctypes types of a structure's fields, by name."""
    return {field[0]: field[1] for field in structure._fields_}


_INTEGERS = (c_int, c_int64, c_size_t, c_uint, c_uint64)


def set_field(structure: Any, name: str, kind: Any, value: Any) -> None:
    """Sets a field, or says why the value will not do; ctypes would cut a number that is too large in silence."""
    if kind in _INTEGERS and kind(value if kind is c_uint64 and isinstance(value, int) else to_int(name, value)).value != value:
        raise ValueError(f"{name} = {value} is out of its range")
    try:
        setattr(structure, name, value)
    except TypeError:
        raise TypeError(f"{name} cannot be {value!r}") from None


_kept_texts: dict[str, bytes] = {}  # which structures of the library point to


def fill(structure: Any, values: Mapping[str, Any], where: str = "") -> None:
    """Sets fields of a structure by name: numbers, texts, words of enumerations, and the same of structures inside."""
    enums = _api.FIELD_ENUMS[type(structure).__name__]
    kinds = field_types(structure)
    for name, value in values.items():
        if name not in kinds:
            raise ValueError(f"there is no '{where}{name}'; there are {', '.join(kinds)}")
        if name in enums:
            value = to_enum(enums[name], value)
        if isinstance(value, str):
            value = _kept_texts.setdefault(value, to_bytes(value) or b"")
        if isinstance(value, Mapping):
            fill(getattr(structure, name), value, name + ".")
        else:
            set_field(structure, name, kinds[name], value)


def spread(name: str, value: int | Sequence[int], length: int) -> list[int]:
    """One number for all, (vertical, horizontal) for the four sides, or all of them."""
    if isinstance(value, (int, np.integer)):
        return [int(value)] * length
    values = list(value)
    if length == 4 and len(values) == 2:
        return [values[0], values[0], values[1], values[1]]
    if len(values) > length or (name != "hidden" and len(values) != length):
        raise ValueError(f"{name} must be one number or {length}, not {len(values)}")
    return values + [0] * (length - len(values))


def to_array(name: str, value: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """An array of this type and shape in host memory, row-major; a sentence where it would not be the same numbers."""
    a = np.asarray(value if isinstance(value, np.ndarray) else _from_dlpack(name, value))
    if a.shape != shape:
        raise ValueError(f"{name} must have the shape {shape}, not {a.shape}")
    if a.dtype != dtype:
        if not (np.can_cast(a.dtype, dtype, "same_kind") or (a.dtype.kind in "iub" and dtype.kind in "iu")):
            raise TypeError(f"{name} must be an array of {dtype}, not of {a.dtype}")
        with np.errstate(over="ignore", invalid="ignore"):
            cast = a.astype(dtype)
            if dtype.kind in "iu":
                same = np.array_equal(cast, a)
            elif a.dtype.kind in "iu":
                same = np.array_equal(cast.astype(a.dtype), a)
            else:  # rounded, but no finite number becomes infinite
                same = np.array_equal(np.isfinite(cast), np.isfinite(a))
        if not same:
            raise ValueError(f"{name} has numbers that {dtype} does not hold")
        a = cast
    return a if a.flags.c_contiguous else np.ascontiguousarray(a)


def _from_dlpack(name: str, value: Any) -> Any:
    """Tensors of other frameworks in host memory, without a copy; those on a device are refused."""
    if not hasattr(value, "__dlpack_device__"):
        return value
    kind, _ = value.__dlpack_device__()
    if int(kind) not in (1, 3):  # kDLCPU, kDLCUDAHost
        raise TypeError(f"{name} is on another device: bring it to the host first")
    return np.from_dlpack(value)
