"""Data sets, preprocessing and batches, as NumPy arrays."""
from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_float, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import numpy as np

from . import _api
from ._convert import fill, to_array, to_bytes, to_int
from ._core import check, library
from .device import Owner


class Dataset(Owner):
    """Examples of one shape (C,H,W), with a class label each or none."""

    def __init__(self, pointer: int):
        self._own(pointer, library.lcl_dataset_close)
        self._c = _api.lcl_dataset.from_address(pointer)

    @classmethod
    def from_arrays(cls, images: np.ndarray, labels: np.ndarray | None = None, classes: int | None = None, name: str = "arrays") -> Dataset:
        """A copy of images (N,C,H,W) or (N,H,W), uint8 (value = byte/255; as it is where none is above 1) or float32 in [0,1], or of features (N,F)."""
        x = np.asarray(images)
        if x.ndim not in (2, 3, 4) or x.size == 0:
            raise ValueError(f"images must be (N,C,H,W), (N,H,W) or (N,F), not {x.shape}")
        n, c, h, w = x.shape if x.ndim == 4 else (len(x), 1, *([1] * (3 - x.ndim)), *x.shape[1:])
        if x.dtype != np.uint8 and x.dtype.kind != "f":
            raise TypeError(f"images must be uint8 or float32, not {x.dtype}")
        x = np.ascontiguousarray(x, np.uint8 if x.dtype == np.uint8 else np.float32)
        y, count = _labels(labels, n, classes)
        out = c_void_p()
        make = library.lcl_dataset_from_u8 if x.dtype == np.uint8 else library.lcl_dataset_from_f32
        check(make(to_bytes(name), x.ctypes.data, None if y is None else y.ctypes.data, n, c, h, w, count, byref(out)))
        assert out.value
        return cls(out.value)

    def __len__(self) -> int:
        return self._c.count

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self._c.name.decode(errors="replace")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C,H,W) of an example."""
        return self._c.channels, self._c.height, self._c.width

    @property
    def classes(self) -> int:
        """How many; 0: no labels."""
        return self._c.classes

    @property
    def class_names(self) -> list[str]:
        """One for each class."""
        if not self._c.class_names:
            return [str(i) for i in range(self.classes)]
        names = ctypes.cast(self._c.class_names, ctypes.POINTER(ctypes.c_char_p))
        return [(names[i] or b"").decode(errors="replace") for i in range(self.classes)]

    @property
    def labels(self) -> np.ndarray | None:
        """int32 (N), -1: none; None without labels."""
        if not self._c.labels:
            return None
        return np.ctypeslib.as_array(ctypes.cast(self._c.labels, ctypes.POINTER(ctypes.c_int32)), (len(self),)).copy()

    @property
    def files(self) -> list[str] | None:
        """The file of each example in the folder of the data; None where examples have none of their own."""
        found = [library.lcl_dataset_file(self.pointer, i) for i in range(len(self))]
        return None if None in found else [os.fsdecode(f) for f in found]

    def __getitem__(self, i: int) -> np.ndarray:
        """Example i as float32 (C,H,W)."""
        at = to_int("the index", i)
        if not -len(self) <= at < len(self):
            raise IndexError(f"there is no example {i} of {len(self)}")
        out = np.empty(self.shape, np.float32)
        check(library.lcl_dataset_example(self.pointer, at % len(self), out.ctypes.data))
        return out

    @property
    def images(self) -> np.ndarray:
        """All examples as float32 (N,C,H,W)."""
        return np.stack([self[i] for i in range(len(self))])

    @property
    def class_counts(self) -> list[int]:
        """Examples of each class."""
        counts = (c_int64 * max(self.classes, 1))()
        check(library.lcl_dataset_class_counts(self.pointer, counts))
        return list(counts)

    def subset(self, index: np.ndarray) -> Dataset:
        """A view of some examples, by position."""
        at = np.asarray(index)
        if at.ndim != 1 or (at.size and at.dtype.kind not in "iu"):  # a mask would be taken for examples 0 and 1
            raise TypeError(f"positions must be a row of whole numbers (np.flatnonzero() gives those of a mask), not {at.dtype} {at.shape}")
        at = np.ascontiguousarray(at, np.int64)
        out = c_void_p()
        check(library.lcl_dataset_subset(self.pointer, at.ctypes.data, at.size, byref(out)))
        assert out.value
        return Dataset(out.value)

    def __repr__(self) -> str:
        return f"<latentcl.Dataset {self.name}: {len(self)} x {self.shape}, {self.classes} classes>"


def _labels(labels: Any, n: int, classes: int | None) -> tuple[np.ndarray | None, int]:
    if labels is None:
        return None, 0
    given = np.asarray(labels)
    if given.shape != (n,) or given.dtype.kind not in "iu":
        raise ValueError(f"labels must be {n} whole numbers, not {given.dtype} {given.shape}")
    y = to_array("labels", given, np.dtype(np.int32), (n,))
    return y, int(y.max()) + 1 if classes is None else classes


class Splits(NamedTuple):
    """The parts of a data set."""
    train: Dataset
    valid: Dataset | None
    test: Dataset | None
    format: str


def open_data(path: str | Path | None = None, **options: Any) -> Splits:
    """Opens a data set: a folder of a format that LatentCL knows, "synthetic:KIND", or None for the built-in digits.

    options: fields of lcl_data_desc, such as valid=1000, seed=1, binarise="threshold", synthetic_train=500"""
    desc, out = _api.lcl_data_desc(), _api.lcl_splits()
    fill(desc, {"path": None if path is None else str(path), **options})
    check(library.lcl_data_open(byref(desc), byref(out)))
    parts = [Dataset(p) if p else None for p in (out.train, out.valid, out.test)]
    assert parts[0]
    return Splits(parts[0], parts[1], parts[2], out.format.decode())


def _to_saved(name: str, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Images or features and their labels as they are written, or why they will not do."""
    x = np.asarray(x)
    if x.ndim not in (2, 4) or x.size == 0:
        raise ValueError(f"{name}images must be (N,C,H,W) or (N,F), not {x.shape}")
    if x.dtype != np.uint8:
        x = to_array(name + "images", x, np.dtype(np.float32), x.shape)
        if not np.isfinite(x).all():
            raise ValueError(f"{name}images has numbers that are not finite in float32")
    return x, None if y is None else to_array(name + "labels", np.asarray(y), np.dtype(np.int32), (len(x),))


def save_data(folder: str | Path, images: np.ndarray, labels: np.ndarray | None = None, test_images: np.ndarray | None = None,
              test_labels: np.ndarray | None = None) -> None:
    """Writes arrays as a data set that train(data=folder) takes: images (N,C,H,W) or features (N,F), uint8 or float32, and a whole number
    for each as its label. Arrays that an earlier call left in the folder are replaced."""
    if test_images is None and test_labels is not None:
        raise ValueError("test_labels without test_images")
    parts = {"" if test_images is None else "train_": _to_saved("", images, labels)}
    if test_images is not None:
        parts["test_"] = _to_saved("test_", test_images, test_labels)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for prefix in ("", "train_", "test_"):  # those of a set with other parts would be read with these
        for name in ("features", "labels"):
            (path / f"{prefix}{name}.npy").unlink(missing_ok=True)
    for prefix, (x, y) in parts.items():
        np.save(path / f"{prefix}features.npy", x)
        if y is not None:
            np.save(path / f"{prefix}labels.npy", y)


class Prep(Owner):
    """Preprocessing with the statistics of a training part: fields of lcl_prep_desc, such as centre="mean_image", crop=24."""

    def __init__(self, train: Dataset, **options: Any):
        desc, out = _api.lcl_prep_desc(), c_void_p()
        fill(desc, options)
        check(library.lcl_prep_fit(byref(desc), train.pointer, byref(out)))
        self._given = train.shape
        self._own(out.value, library.lcl_prep_destroy)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C,H,W) of a prepared example."""
        sizes = [c_int(), c_int(), c_int()]
        library.lcl_prep_shape(self.pointer, *[byref(s) for s in sizes])
        return sizes[0].value, sizes[1].value, sizes[2].value

    @property
    def range(self) -> tuple[float, float] | None:
        """What prepared values lie between, for examples in [0,1]; None: not known, as after standardising."""
        lo, hi = c_float(), c_float()
        return (lo.value, hi.value) if library.lcl_prep_range(self.pointer, byref(lo), byref(hi)) else None

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Prepares one example in [0,1] as evaluation does."""
        x, out = to_array("the example", image, np.dtype(np.float32), self._given), np.empty(self.shape, np.float32)
        check(library.lcl_prep_apply(self.pointer, x.ctypes.data, out.ctypes.data))
        return out

    def to_image(self, prepared: np.ndarray) -> np.ndarray:
        """The image of a prepared or reconstructed example, clipped to [0,1], as far as preprocessing can be undone."""
        x, out = to_array("the example", prepared, np.dtype(np.float32), self.shape), np.empty(self.shape, np.float32)
        check(library.lcl_prep_to_image(self.pointer, x.ctypes.data, out.ctypes.data))
        return out


class Batch(NamedTuple):
    """x (batch,C,H,W); label and position in the data set (batch); how many rows count (all but in the last one of mode
    "sequential")."""
    x: np.ndarray
    label: np.ndarray
    position: np.ndarray
    valid: int


class Batches(Owner):
    """Batches of a data set, made one ahead in a thread. Iterating gives those of one epoch; the next loop goes on.

    mode: "epoch" (random order), "sequential", "cycle" or "fresh"; augment: random crop and mirror of the prep"""

    def __init__(self, data: Dataset, batch: int, *, prep: Prep | None = None, mode: str = "epoch", augment: bool = False, seed: int = 0):
        desc, out = _api.lcl_batcher_desc(), c_void_p()
        fill(desc, {"data": data.pointer, "prep": prep.pointer if prep else None, "batch": batch, "mode": mode,
                    "augment": augment, "seed": seed})
        check(library.lcl_batcher_create(byref(desc), byref(out)))
        self._kept = (data, prep)
        self._size, self._shape = batch, (prep.shape if prep else data.shape)
        self._own(out.value, library.lcl_batcher_destroy)

    def __len__(self) -> int:
        return library.lcl_batcher_steps(self.pointer)

    @property
    def state(self) -> tuple[int, int]:
        """(epoch, step of the epoch) of the batch that comes next, both from 0; setting it moves there."""
        at = library.lcl_batcher_state(self.pointer)
        return at.epoch, at.step

    @state.setter
    def state(self, at: tuple[int, int]) -> None:
        epoch, step = at
        check(library.lcl_batcher_seek(self.pointer, _api.lcl_batch_state(to_int("epoch", epoch), to_int("step", step))))

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.state[1], len(self)):
            b = _api.lcl_batch()
            check(library.lcl_batcher_next(self.pointer, byref(b)))
            yield Batch(_copy(b.x, c_float, (self._size, *self._shape)), _copy(b.label, c_int, (self._size,)),
                        _copy(b.index, c_int, (self._size,)), b.valid)


def _copy(pointer: int, kind: Any, shape: tuple[int, ...]) -> np.ndarray:
    return np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(kind)), shape).copy()
