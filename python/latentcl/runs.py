"""Training, and what can be done with the run folders it leaves."""
from __future__ import annotations

import csv
import signal
import tempfile
import threading
from ctypes import POINTER, addressof, byref, c_char_p, c_float, c_int32, c_size_t, c_void_p, cast
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Sequence

import numpy as np

from . import _api
from ._convert import field_types, fill, to_bytes, to_enum, to_int
from ._core import STATUS_VALUE, check, failure, library, pending, take_text
from .device import Context, Owner
from .models import Model, load_listed_plugins, register
from .onnx import texts


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
          check_numerics: bool = False, profile: bool = False, trace: str | None = None, tensorboard: str | Path | None = None,
          progress: Callable[[str], Any] | None = None, stepped: Callable[[int, int], Any] | None = None,
          **options: Any) -> TrainResult:
    """Trains a model and leaves a run folder. Ctrl-C finishes the step, saves and raises KeyboardInterrupt; resume=True with
    the same `out` goes on, bit for bit.

    model: its name, or a class of your own; None with resume
    data: a folder, "synthetic:KIND", or None for the built-in digits
    out: run folder; None: runs/MODEL-DATE-N
    start: a run whose weights to begin with
    test: evaluate the test part at the end
    tensorboard: folder for its event files
    progress: called with a line after each epoch, e.g. print
    stepped: called after each step with how many of how many are done
    options: of the model and of every model, such as epochs=3, batch=50, lr=1e-3"""
    result = _api.lcl_train_result()
    named = {"model": model, "data": data, "out": out, "start": start, "trace": trace, "tensorboard": tensorboard}
    _trained(library.lcl_train, context, named, {"seed": seed, "resume": resume, "test": test, "max_steps": max_steps,
             "check_numerics": check_numerics, "profile": profile}, progress, stepped, options, result)
    return TrainResult(result.out.decode(errors="replace"), result.epochs, result.best_epoch, result.steps, _metrics(result.validation),
                       _metrics(result.test), result.seconds, result.examples_per_second, result.stopped_early)


class RateResult(NamedTuple):
    """Folder of find-lr.html and find-lr.json, the rate that is suggested (0: the loss fell at none), steps done."""
    out: str
    rate: float
    steps: int


def find_rate(context: Context, model: str | type[Model], *, data: str | Path | None = None, out: str | Path | None = None, seed: int = 0,
              start: str | Path | None = None, **options: Any) -> RateResult:
    """Suggests a learning rate by a range test: at most 120 steps of a training, each at a higher rate (Smith 2017). No run is made.

    Arguments are those of train(); out: folder of the results, None: runs/find-lr-MODEL-DATE-N"""
    result = _api.lcl_rate_result()
    _trained(library.lcl_find_rate, context, {"model": model, "data": data, "out": out, "start": start}, {"seed": seed}, None, None, options,
             result)
    return RateResult(result.out.decode(errors="replace"), result.rate, result.steps)


def _described(structure: Any, named: Mapping[str, Any], fields: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    """A description with texts, numbers and the options "name=value"; `kept` is what it points to. A model's class is registered."""
    load_listed_plugins()
    model = named.get("model")
    if isinstance(model, type):
        register(model)
        named = {**named, "model": getattr(model, "name")}
    desc = structure(**{k: to_bytes(None if v is None else str(v)) for k, v in named.items()})
    fill(desc, fields)
    desc.kept = texts({name: _text(value) for name, value in options.items()})
    desc.n_set = len(options)
    setattr(desc, "set", addressof(desc.kept))
    return desc


def _supervised(context: Context, desc: Any, progress: Any, call: Callable[[], int]) -> None:
    """Makes a call that takes long: with progress lines, and an end by Ctrl-C or by an exception in a callback."""
    types = field_types(desc)
    with context._lock, _Stop() as stop:
        desc.interrupted, desc.progress = types["interrupted"](stop.wanted), types["progress"](_guarded(progress))
        status = call()
    if stop.asked and status in (0, STATUS_VALUE["interrupted"]) and not pending:
        raise KeyboardInterrupt(str(failure(status)) if status else "after the last step: all was done")
    check(status)


def _trained(function: Any, context: Context, named: dict[str, Any], fields: dict[str, Any], progress: Any, stepped: Any,
             options: dict[str, Any], result: Any) -> None:
    """Calls lcl_train() or what takes the same description."""
    desc = _described(_api.lcl_train_desc, named, {**fields, "seed": to_int("seed", fields["seed"]) & 2**64 - 1, "quiet": progress is None}, options)
    if stepped:
        desc.stepped = field_types(desc)["stepped"](_guarded(stepped))
    _supervised(context, desc, progress, lambda: function(context.pointer, byref(desc), byref(result)))


def explain(context: Context, model: str | type[Model], mode: str = "train", format: str = "text", *, data: str | Path | None = None,
            seed: int = 0, **options: Any) -> str:
    """What a model's graph compiles to: nodes, fused groups, algorithms, launches, memory.

    mode: "train", "eval", "reconstruct", "sample" or "calibrate"
    format: "text", "dot" (Graphviz) or "json"
    data, options: as train()"""
    desc = _described(_api.lcl_train_desc, {"model": model, "data": data}, {"seed": to_int("seed", seed) & 2**64 - 1, "quiet": True}, options)
    text, at, form = c_void_p(), to_enum("lcl_model_mode", mode), to_enum("lcl_explain_format", format)
    with context._lock:
        check(library.lcl_explain(context.pointer, byref(desc), at, form, byref(text)))
    return take_text(text)


def tables() -> dict[str, str]:
    """The published tables that reproduce() computes: what each shows, by name."""
    return {library.lcl_reproduce_name(i).decode(): library.lcl_reproduce_title(i).decode() for i in range(library.lcl_reproduce_count())}


def reproduce(context: Context, table: str, *, columns: str | None = None, rows: str | None = None, trials: int = 0, quick: bool = False,
              data: str | Path | None = None, out: str | Path | None = None, progress: Callable[[str], Any] | None = None,
              **options: Any) -> str:
    """Trains what a published table needs and gives it as Markdown. Finished cells are kept: called again it goes on, after Ctrl-C too.

    columns, rows: keys with commas between; None: all
    trials: runs of each cell (0: 3)
    quick: the table's small version
    out: folder of the results; None: runs/TABLE
    progress: called with lines of what is done
    options: of every cell, such as epochs=3"""
    desc = _described(_api.lcl_reproduce_desc, {"table": table, "columns": columns, "rows": rows, "data": data, "out": out},
                      {"trials": trials, "quick": quick}, options)
    text = c_void_p()
    _supervised(context, desc, progress, lambda: library.lcl_reproduce(context.pointer, byref(desc), byref(text)))
    return take_text(text)


def compare(folders: Sequence[str | Path], html: str | Path) -> None:
    """Writes a page with the curves of 2 to 6 runs in the same axes, their final figures and the options that differ."""
    paths = (c_char_p * max(len(folders), 1))(*[to_bytes(str(folder)) for folder in folders])
    check(library.lcl_report_compare(paths, len(folders), to_bytes(str(html))))


class Assignments(NamedTuple):
    """One row for each example in the order of the data; labels (-1: none) and predictions where there are any."""
    values: np.ndarray
    labels: np.ndarray | None
    prediction: np.ndarray | None
    metrics: dict[str, float]


class Predictions(NamedTuple):
    """One row for each example in the order of the data: classes or clusters of a model that predicts, labels (-1: none) where
    there are any, and by name each number whose mean is a metric ("loss", "correct", "nll", ...)."""
    prediction: np.ndarray | None
    labels: np.ndarray | None
    values: dict[str, np.ndarray]


class Reconstructions(NamedTuple):
    """Images float32 (rows,N,C,H,W) in [0,1] with what each row shows, which examples they are, and their labels."""
    images: np.ndarray
    captions: list[str]
    position: np.ndarray
    labels: np.ndarray | None


class Map(NamedTuple):
    """Of each point: its place (N,2), which example it is, the label (-1: none), and "example" or how it was perturbed."""
    places: np.ndarray
    position: np.ndarray | None
    labels: np.ndarray | None
    kind: list[str]
    metrics: dict[str, float]


class Run(Owner):
    """A run folder that was opened, with the weights of its best epoch."""

    def __init__(self, context: Context, folder: str | Path, data: str | Path | None = None, *, on: str | Path | None = None):
        out = c_void_p()
        if data is not None and on is not None:
            raise ValueError("data or on, not both")
        load_listed_plugins()
        with context._lock:
            if on is not None:
                check(library.lcl_run_open_on(context.pointer, to_bytes(str(folder)), to_bytes(str(on)), byref(out)))
            else:
                check(library.lcl_run_open(context.pointer, to_bytes(str(folder)), to_bytes(None if data is None else str(data)), byref(out)))
        self.context, self.folder = context, str(folder)
        self._own(out.value, library.lcl_run_close, context._lock)

    def evaluate(self, split: str = "test") -> dict[str, float]:
        """n, loss, error_percent, ... of "train", "all", "validation" or "test"."""
        m = _api.lcl_metrics()
        with self._lock:
            check(library.lcl_run_evaluate(self.pointer, to_bytes(split), byref(m)))
        return _metrics(m)

    def layers(self) -> dict[str, tuple[int, ...]]:
        """The layers that encode() takes, in the order of computation, with the shape of one example."""
        n = c_size_t()
        with self._lock:
            check(library.lcl_run_layers(self.pointer, None, 0, byref(n)))
            rows = (_api.lcl_layer * max(n.value, 1))()
            check(library.lcl_run_layers(self.pointer, rows, n.value, byref(n)))
        return {row.name.decode(): tuple(row.shape.dim[:row.shape.rank]) for row in rows[:n.value]}

    def encode(self, split: str = "test", layer: str | None = None) -> Assignments:
        """The features of every example, float32 (N,width), or what a layer gives, (N, its shape)."""
        found, _ = self._arrays(library.lcl_run_features, to_bytes(split), to_bytes(layer))
        values = found["features"]
        return Assignments(values, found.get("label"), found.get("prediction"),
                           {"n": float(len(values)), "width": float(np.prod(values.shape[1:]))})

    def predict(self, split: str = "test") -> Predictions:
        """What the model says of every example."""
        found, _ = self._arrays(library.lcl_run_predictions, to_bytes(split))
        return Predictions(found.pop("prediction", None), found.pop("label", None), found)

    def _arrays(self, function: Any, *arguments: Any) -> tuple[dict[str, np.ndarray], Callable[[str], str | None]]:
        """What a function of the run hands out: the arrays by name, and its metadata texts."""
        out = c_void_p()
        with self._lock:
            check(function(self.pointer, *arguments, byref(out)))
        try:
            entries = [_api.lcl_tensor_entry.from_address(library.lcl_tensor_file_at(out, i))
                       for i in range(library.lcl_tensor_file_count(out))]
            found = {e.name.decode(): _copy(e) for e in entries}
            texts = {}
            for key in (f"{word}.{k}" for word in ("caption", "kind") for k in range(100)):
                text = library.lcl_tensor_file_meta(out, to_bytes(key))
                if text is not None:
                    texts[key] = text.decode()
            return found, texts.get
        finally:
            library.lcl_tensor_file_destroy(out)

    def cluster(self, split: str = "all", **options: Any) -> Assignments:
        """The cluster of every example, int32 (N). options: fields of lcl_assignment_desc, such as method="k-means", k=10."""
        return self._assign(library.lcl_run_cluster, split=split, **options)

    def hash(self, split: str = "all", **options: Any) -> Assignments:
        """The code of every example, uint8 (N,bits) of 0 and 1. options: as cluster()."""
        return self._assign(library.lcl_run_hash, split=split, **options)

    def _assign(self, function: Any, **options: Any) -> Assignments:
        desc, m = _api.lcl_assignment_desc(), _api.lcl_metrics()
        with tempfile.TemporaryDirectory() as folder:
            prefix = str(options.get("prefix") or folder + "/out")
            fill(desc, {**options, "prefix": prefix})
            with self._lock:
                check(function(self.pointer, byref(desc), byref(m)))
            table = _table(prefix + ".csv")
            return Assignments(np.load(prefix + ".npy"), _column(table, "label"), _column(table, "prediction"), _metrics(m))

    def reconstruct(self, png: str | Path | None = None, split: str = "test", columns: int = 10, seed: int = 1) -> Reconstructions:
        """Originals, reconstructions and what else the model reconstructs, of examples of the classes in turn; written as a
        grid too if png says where."""
        found, text = self._arrays(library.lcl_run_reconstructions, to_bytes(split), to_int("columns", columns),
                                   to_int("seed", seed) & 2**64 - 1, to_bytes(None if png is None else str(png)))
        return Reconstructions(found["images"], [text(f"caption.{i}") or "" for i in range(len(found["images"]))], found["index"],
                               found.get("label"))

    def sample(self, png: str | Path | None = None, kind: str | None = None, count: int = 100, seed: int = 1,
               **options: Any) -> np.ndarray:
        """Samples, float32 (count,C,H,W) in [0,1]; written as a grid too if png says where. options: fields of
        lcl_sample_request: temperature, given, rows."""
        request = _api.lcl_sample_request()
        fill(request, {"kind": kind, "count": count, "seed": seed, **options})
        return self._arrays(library.lcl_run_samples, byref(request), to_bytes(None if png is None else str(png)))[0]["samples"]

    def tsne(self, png: str | Path | None = None, **options: Any) -> Map:
        """A map of the features in two dimensions, written as an image too if png says where. options: fields of
        lcl_tsne_map_desc, such as split="test", points=2000, perplexity=30, rounds=1000, seed=1."""
        desc, m = _api.lcl_tsne_map_desc(), _api.lcl_metrics()
        fill(desc, {**options, "png": None if png is None else str(png)})
        found, text = self._arrays(library.lcl_run_map, byref(desc), byref(m))
        kinds = ["example" if k == 0 else text(f"kind.{k}") or "" for k in found["kind"]]
        return Map(found["places"], found["index"], found.get("label"), kinds, _metrics(m))

    def export(self, path: str | Path, part: str | None = None, *, batch: int = 0, metadata: Mapping[str, Any] | None = None) -> None:
        """Writes the network of the run's evaluation as an ONNX file, the preprocessing in front of it.

        part: "classifier" (image to scores and prediction), "encoder" (image to features) or "decoder" (features to image, as
        prepared); None: classifier, or encoder where no class is predicted
        batch: examples at a time; 0: the file leaves it open
        metadata: more texts to keep in the file"""
        told = texts(metadata)
        desc = _api.lcl_export_desc(path=to_bytes(str(path)), part=to_bytes(part), batch=to_int("batch", batch), metadata=addressof(told),
                                    n_metadata=len(metadata or {}))
        with self._lock:
            check(library.lcl_run_export(self.pointer, byref(desc)))

    def report(self) -> str:
        """Writes report.html again and gives its path."""
        with self._lock:
            check(library.lcl_run_report(self.pointer))
        return str(Path(self.folder) / "report.html")

    def __repr__(self) -> str:
        return f"<latentcl.Run {self.folder}>"


def _copy(entry: Any) -> np.ndarray:
    """An array of a tensor, which stays when the tensor goes."""
    shape = tuple(entry.shape.dim[:entry.shape.rank])
    kind: Any = c_int32 if entry.dtype == _api.ENUMS["lcl_dtype"]["i32"] else c_float
    if 0 in shape:
        return np.zeros(shape, np.int32 if kind is c_int32 else np.float32)
    return np.ctypeslib.as_array(cast(entry.data, POINTER(kind)), shape).copy()


def _table(path: str) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _column(table: Sequence[dict[str, str]], name: str) -> np.ndarray | None:
    if not table or name not in table[0]:
        return None
    return np.array([int(row[name]) if row[name] else -1 for row in table], np.int32)


def open_run(context: Context, folder: str | Path, data: str | Path | None = None, *, on: str | Path | None = None) -> Run:
    """Opens a finished or interrupted run. data: where its data are now; None: where they were. on: other data, all as split
    "all": images with or without a folder for each class, or any data set."""
    return Run(context, folder, data, on=on)
