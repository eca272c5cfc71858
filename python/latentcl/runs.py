"""Training, and what can be done with the run folders it leaves."""
from __future__ import annotations

import csv
import signal
import tempfile
import threading
from ctypes import addressof, byref, c_char_p, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple, Sequence

import numpy as np

from . import _api
from ._core import STATUS_VALUE, check, failure, library, pending
from .graph import Context, _Owner, field_types, fill, to_bytes, to_int
from .models import Model, load_listed_plugins, register


def _metrics(m: Any) -> dict[str, float]:
    return {item.name.decode(): item.value for item in m.item[:m.n]}


@dataclass
class TrainResult:
    """What a training came to: the run folder, epochs and steps done, the metrics of the best epoch (counted from 1)."""
    out: str
    epochs: int
    best_epoch: int
    steps: int
    validation: dict[str, float]
    test: dict[str, float]
    seconds: float
    examples_per_second: float
    stopped_early: bool = False


class _Stop:
    """While a run works: Ctrl-C asks it to stop after the step, as errors of callbacks do."""

    def __enter__(self) -> _Stop:
        self.asked = False
        self.own = threading.current_thread() is threading.main_thread()
        if self.own:
            self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, *_: Any) -> None:
        self.asked = True

    def __exit__(self, *_: Any) -> None:
        if self.own:
            signal.signal(signal.SIGINT, signal.SIG_DFL if self.before is None else self.before)

    def wanted(self) -> int:
        return self.asked or bool(pending)


def _guarded(function: Callable[..., Any] | None) -> Callable[..., None]:
    """The function as a callback: without the user pointer, texts as str, errors kept for later."""
    def call(_: Any, *values: Any) -> None:
        try:
            if function and not pending:
                function(*[v.decode(errors="replace") if isinstance(v, bytes) else v for v in values])
        except BaseException as error:  # pylint: disable=broad-except
            pending.append(error)
    return call


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, (bool, np.bool_)) else str(value)


def train(context: Context, model: str | type[Model] | None = None, *, data: str | Path | None = None, out: str | Path | None = None,
          seed: int = 0, start: str | Path | None = None, resume: bool = False, test: bool = True, max_steps: int = 0,
          check_numerics: bool = False, profile: bool = False, trace: str | None = None,
          progress: Callable[[str], Any] | None = None, stepped: Callable[[int, int], Any] | None = None,
          **options: Any) -> TrainResult:
    """Trains a model and leaves a run folder. Ctrl-C finishes the step, saves and raises KeyboardInterrupt; resume=True with
    the same `out` goes on, bit for bit.

    model: its name, or a class of your own; None with resume
    data: a folder, "synthetic:KIND", or None for the built-in digits
    out: run folder; None: runs/MODEL-DATE-N
    start: a run whose weights to begin with
    test: evaluate the test part at the end
    progress: called with a line after each epoch, e.g. print
    stepped: called after each step with how many of how many are done
    options: of the model and of every model, such as epochs=3, batch=50, lr=1e-3"""
    load_listed_plugins()
    if isinstance(model, type):
        register(model)
        model = model.name
    pairs = [to_bytes(f"{name}={_text(value)}") for name, value in options.items()]
    texts = {"model": model, "data": data, "out": out, "start": start, "trace": trace}
    types, result = field_types(_api.lcl_train_desc), _api.lcl_train_result()
    with context._lock, _Stop() as stop:
        desc = _api.lcl_train_desc(**{k: to_bytes(None if v is None else str(v)) for k, v in texts.items()})
        fill(desc, {"seed": to_int("seed", seed) & 2**64 - 1, "resume": resume, "test": test, "max_steps": max_steps,
                    "check_numerics": check_numerics, "profile": profile, "quiet": progress is None, "n_set": len(pairs),
                    "interrupted": types["interrupted"](stop.wanted), "progress": types["progress"](_guarded(progress))})
        if stepped:
            desc.stepped = types["stepped"](_guarded(stepped))
        names = (c_char_p * max(len(pairs), 1))(*pairs)
        setattr(desc, "set", addressof(names))
        status = library.lcl_train(context.pointer, byref(desc), byref(result))
    if stop.asked and status == STATUS_VALUE["interrupted"] and not pending:
        raise KeyboardInterrupt(str(failure(status)))
    check(status)
    return TrainResult(result.out.decode(errors="replace"), result.epochs, result.best_epoch, result.steps, _metrics(result.validation),
                       _metrics(result.test), result.seconds, result.examples_per_second, result.stopped_early)


class Assignments(NamedTuple):
    """One row for each example in the order of the data; labels (-1: none) and predictions where there are any."""
    values: np.ndarray
    labels: np.ndarray | None
    prediction: np.ndarray | None
    metrics: dict[str, float]


class Map(NamedTuple):
    """Of each point: its place (N,2), which example it is, the label (-1: none), and "example" or how it was perturbed."""
    places: np.ndarray
    position: np.ndarray | None
    labels: np.ndarray | None
    kind: list[str]
    metrics: dict[str, float]


class Run(_Owner):
    """A run folder that was opened, with the weights of its best epoch."""

    def __init__(self, context: Context, folder: str | Path, data: str | Path | None = None):
        out = c_void_p()
        load_listed_plugins()
        with context._lock:
            check(library.lcl_run_open(context.pointer, to_bytes(str(folder)), to_bytes(None if data is None else str(data)), byref(out)))
        self.context, self.folder = context, str(folder)
        self._own(out.value, library.lcl_run_close, context._lock)

    def evaluate(self, split: str = "test") -> dict[str, float]:
        """n, loss, error_percent, ... of "train", "all", "validation" or "test"."""
        m = _api.lcl_metrics()
        with self._lock:
            check(library.lcl_run_evaluate(self.pointer, to_bytes(split), byref(m)))
        return _metrics(m)

    def encode(self, split: str = "test") -> Assignments:
        """The features of every example, float32 (N,width)."""
        return self._assign(library.lcl_run_encode, split=split)

    def cluster(self, split: str = "all", **options: Any) -> Assignments:
        """The cluster of every example, int32 (N). options: fields of lcl_assignment_desc, such as method="k-means", k=10."""
        return self._assign(library.lcl_run_cluster, split=split, **options)

    def hash(self, split: str = "all", **options: Any) -> Assignments:
        """The code of every example, uint8 (N,bits) of 0 and 1. options: as cluster()."""
        return self._assign(library.lcl_run_hash, split=split, **options)

    def _assign(self, function: Any, **options: Any) -> Assignments:
        desc, m = _api.lcl_assignment_desc(), _api.lcl_metrics()
        with tempfile.TemporaryDirectory() as folder:
            fill(desc, {**options, "prefix": folder + "/out"})
            with self._lock:
                check(function(self.pointer, byref(desc), byref(m)))
            table = _table(folder + "/out.csv")
            return Assignments(np.load(folder + "/out.npy"), _column(table, "label"), _column(table, "prediction"), _metrics(m))

    def reconstruct(self, png: str | Path, split: str = "test", columns: int = 10, seed: int = 1) -> None:
        """Writes a grid of originals, reconstructions and what else the model reconstructs."""
        with self._lock:
            check(library.lcl_run_reconstruct(self.pointer, to_bytes(split), columns, seed, to_bytes(str(png))))

    def sample(self, png: str | Path, kind: str | None = None, count: int = 100, seed: int = 1, **options: Any) -> None:
        """Writes a grid of samples. options: fields of lcl_sample_request: temperature, given, rows."""
        request = _api.lcl_sample_request()
        fill(request, {"kind": kind, "count": count, "seed": seed, **options})
        with self._lock:
            check(library.lcl_run_sample(self.pointer, byref(request), to_bytes(str(png))))

    def tsne(self, png: str | Path | None = None, **options: Any) -> Map:
        """A map of the features in two dimensions, written as an image too if png says where. options: fields of
        lcl_tsne_map_desc, such as split="test", points=2000, perplexity=30, rounds=1000, seed=1."""
        desc, m = _api.lcl_tsne_map_desc(), _api.lcl_metrics()
        with tempfile.TemporaryDirectory() as folder:
            fill(desc, {**options, "png": None if png is None else str(png), "csv": folder + "/map.csv"})
            with self._lock:
                check(library.lcl_run_tsne(self.pointer, byref(desc), byref(m)))
            table = _table(folder + "/map.csv")
        places = np.array([[float(row["x"]), float(row["y"])] for row in table], np.float32)
        return Map(places, _column(table, "index"), _column(table, "label"), [row["kind"] for row in table], _metrics(m))

    def report(self) -> str:
        """Writes report.html again and gives its path."""
        with self._lock:
            check(library.lcl_run_report(self.pointer))
        return str(Path(self.folder) / "report.html")

    def __repr__(self) -> str:
        return f"<latentcl.Run {self.folder}>"


def _table(path: str) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _column(table: Sequence[dict[str, str]], name: str) -> np.ndarray | None:
    if not table or name not in table[0]:
        return None
    return np.array([int(row[name]) if row[name] else -1 for row in table], np.int32)


def open_run(context: Context, folder: str | Path, data: str | Path | None = None) -> Run:
    """Opens a finished or interrupted run. data: where its data are now; None: where they were."""
    return Run(context, folder, data)
