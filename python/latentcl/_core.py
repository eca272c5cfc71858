"""The shared library, its declarations and its errors."""
from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any

from . import _api
from ._where import LIBRARY


class LatentCLError(Exception):
    """What the library says went wrong: one sentence. `status` is its kind: "argument", "shape", "io", ..."""

    def __init__(self, message: str, status: str = "argument"):
        super().__init__(message)
        self.status = status


STATUS = {value: name.removeprefix("err_") for name, value in _api.ENUMS["lcl_status"].items()}
STATUS_VALUE = {name: value for value, name in STATUS.items()}


def _load() -> ctypes.CDLL:
    """The library beside this package, that of the build, or the one that is installed."""
    beside = Path(__file__).with_name("_latentcl.so")
    path = str(beside) if beside.exists() else LIBRARY
    try:
        lib = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"the library of LatentCL cannot be loaded: {error}") from None
    for name, (result, arguments) in _api.FUNCTIONS.items():
        try:
            function = getattr(lib, name)
        except AttributeError:
            raise ImportError(f"{path} lacks {name}: it is older than this package") from None
        function.restype = result
        if arguments:
            function.argtypes = arguments
    return lib


library: Any = _load()
_message = library.lcl_error_message

class _Pending(threading.local):
    """Exceptions of Python code that the library called, until the call that led to it has returned."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def __bool__(self) -> bool:
        return bool(self.errors)

    def append(self, error: BaseException) -> None:
        """Keeps an exception; the first one counts."""
        self.errors.append(error)

    def take(self) -> BaseException:
        """The first exception; there are none afterwards."""
        error = self.errors[0]
        self.errors.clear()
        return error


pending = _Pending()


def failure(status: int) -> BaseException:
    """The exception for a failed call: that of a Python callback, else the library's sentence."""
    if pending:
        return pending.take()
    message = _message().decode(errors="replace")
    if status == STATUS_VALUE["host_memory"]:
        return MemoryError(message)
    return LatentCLError(message, STATUS.get(status, "unknown"))


def check(status: int) -> None:
    """Raises what a failed call left."""
    if status or pending:
        raise failure(status)


_libc = ctypes.CDLL(None)
_libc.free.argtypes = [ctypes.c_void_p]


def take_text(pointer: ctypes.c_void_p) -> str:
    """A text that the library allocated, which is freed."""
    text = ctypes.string_at(pointer.value or 0).decode(errors="replace")
    _libc.free(pointer)
    return text


def version() -> str:
    """Version of the library."""
    return library.lcl_version().decode()
