"""The shared library, its declarations and its errors."""
from __future__ import annotations

import atexit
import ctypes
import threading
from pathlib import Path
from typing import Any, Callable

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


_LEVELS = _api.ENUMS["lcl_log_level"]
_log: list[Any] = []  # the callback that the library knows


def set_log(function: Callable[[str, str], Any] | None = None, level: str | None = None) -> None:
    """Where the library's log lines go, in the whole process.

    function: called with level and line, from any thread; None: lines go to standard error
    level: "off", "error", "warn", "info" or "debug"; None: as it is (LATENTCL_LOG, else "warn")"""
    if level is not None:
        if level not in _LEVELS:
            raise ValueError(f"'{level}' is none of {', '.join(_LEVELS)}")
        library.lcl_log_set_level(_LEVELS[level])
    words = {value: word for word, value in _LEVELS.items()}

    def call(at: int, line: bytes, _: Any) -> None:
        if function:
            function(words[at], line.decode(errors="replace"))
    made = _api.lcl_log_fn(call) if function else _api.lcl_log_fn(0)
    library.lcl_log_set(made, None)
    _log[:] = [made]


atexit.register(set_log)  # threads of the library may outlive Python's functions


def version() -> str:
    """Version of the library."""
    return library.lcl_version().decode()
