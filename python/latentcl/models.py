"""Models of one's own as Python classes, and those that there are."""
from __future__ import annotations

import os
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int32, c_size_t, c_void_p, cast, memmove, sizeof
from dataclasses import dataclass
from typing import Any, ClassVar, Mapping, NamedTuple, Sequence

import numpy as np

from . import _api
from ._convert import field_types, fill, to_bytes
from ._core import LatentCLError, STATUS_VALUE, check, library, pending
from .graph import Graph, Tensor, tensor

_MODES = {value: name for name, value in _api.ENUMS["lcl_model_mode"].items()}
_TYPES = _api.ENUMS["lcl_option_type"]
_CAN = next(words for name, words in _api.ENUMS.items() if name == "LCL_CAN_CLASSIFY")


@dataclass
class Option:
    """An option of a model: its default, whose type is the option's; one line of help; of a number the interval that it may
    lie in ("[1,4096]", "(0,inf)"), of a text the choices; beside which options before it it changes anything ("act=relu, noise!=0")."""
    default: bool | int | float | str
    help: str
    allowed: str | Sequence[str] | None = None
    when: str | None = None

    def _c(self, name: str) -> _api.lcl_option:
        kind = {bool: "bool", int: "int", float: "float", str: "string"}.get(type(self.default))
        if not kind:
            raise TypeError(f"the default of option {name} must be a bool, int, float or str, not {self.default!r}")
        allowed, text = self.allowed, str(self.default)
        if kind == "bool":
            text = text.lower()
        if allowed is not None and not isinstance(allowed, str):
            kind, allowed = "choice", "|".join(allowed)
        return _api.lcl_option(to_bytes(name), _TYPES[kind], to_bytes(text), to_bytes(self.help), to_bytes(allowed), to_bytes(self.when))

    def _read(self, options: int, name: str) -> Any:
        read = {bool: library.lcl_option_bool, int: library.lcl_option_int, float: library.lcl_option_float}.get(type(self.default))
        return read(options, name.encode()) if read else library.lcl_option_text(options, name.encode()).decode()


class Data(NamedTuple):
    """What a model may know of the data: the format, C,H,W of an example, classes (0: no labels), labelled examples in use."""
    name: str
    channels: int
    height: int
    width: int
    classes: int
    train: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C,H,W)."""
        return self.channels, self.height, self.width


def _data(c: Any) -> Data:
    return Data(c.name.decode(), c.channels, c.height, c.width, c.classes, c.train)


class Build:
    """The graph of a model that is being built for a mode: "train", "eval", "reconstruct", "sample" or "calibrate".

    Inputs that are read here are fed; what the mode gives is declared by the methods. The graph and its tensors end with
    the call of build()."""

    def __init__(self, pointer: int, options: dict[str, Any]):
        model = _api.lcl_model.from_address(library.lcl_build_model(pointer))
        self._at, self.options, self.data = pointer, options, _data(model.data)
        self.mode: str = _MODES[library.lcl_build_mode(pointer)]
        self.graph = Graph._borrow(library.lcl_build_graph(pointer))
        self.batch: int = library.lcl_build_batch(pointer)
        self.unlabelled_batch: int = library.lcl_build_unlabelled_batch(pointer)

    @property
    def _pointer(self) -> int:
        if not self._at:
            raise ValueError("what build() gets ends with the call of build()")
        return self._at

    def _end(self) -> None:
        self._at = 0
        self.graph._end_loan()

    @property
    def image(self) -> Tensor:
        """The images of a batch, prepared: float32 (batch,C,H,W)."""
        return tensor(self.graph, library.lcl_build_image(self._pointer))

    @property
    def label(self) -> Tensor:
        """Their labels: int32 (batch)."""
        return tensor(self.graph, library.lcl_build_label(self._pointer))

    @property
    def unlabelled(self) -> Tensor:
        """The unlabelled images of a step: float32 (unlabelled_batch,C,H,W)."""
        return tensor(self.graph, library.lcl_build_unlabelled(self._pointer))

    @property
    def clean(self) -> Tensor:
        """In "train", the images without the random changes of `image`: as evaluation prepares them."""
        return tensor(self.graph, library.lcl_build_clean(self._pointer))

    def weigh(self, rows: Tensor) -> Tensor:
        """Rows of a loss that compares with labels, float32 (batch), times the weights of their classes (option class_weights)."""
        return tensor(self.graph, library.lcl_build_weigh(self._pointer, rows.pointer))

    def loss(self, scalar: Tensor) -> None:
        """What training minimises, in "train"."""
        library.lcl_build_loss(self._pointer, scalar.pointer)

    def term(self, name: str, scalar: Tensor) -> None:
        """A number to log beside the loss, in "train"."""
        library.lcl_build_term(self._pointer, to_bytes(name), scalar.pointer)

    def correct(self, rows: Tensor) -> None:
        """Which predictions of a training batch were right, float32 (batch)."""
        library.lcl_build_correct(self._pointer, rows.pointer)

    def example(self, name: str, rows: Tensor) -> None:
        """A number of each example, in "eval"; its mean is the metric of this name, of "correct" it is error_percent."""
        library.lcl_build_example(self._pointer, to_bytes(name), rows.pointer)

    def prediction(self, rows: Tensor) -> None:
        """The predicted class or cluster, in "eval": int32 (batch)."""
        library.lcl_build_prediction(self._pointer, rows.pointer)

    def features(self, rows: Tensor) -> None:
        """What the network makes of each example, in "eval": float32 (batch,F)."""
        library.lcl_build_features(self._pointer, rows.pointer)

    def output(self, caption: str, images: Tensor) -> None:
        """A row of images to show, in "reconstruct" and "sample": float32 (batch,C,H,W)."""
        library.lcl_build_output(self._pointer, to_bytes(caption), images.pointer)

    def latent(self, caption: str, rows: Tensor) -> None:
        """A perturbed form of the features, in "reconstruct", for maps."""
        library.lcl_build_latent(self._pointer, to_bytes(caption), rows.pointer)


class Model:
    """A model of your own: subclass it, give it to train(). Every method may raise; the call that led there raises it again."""
    name: ClassVar[str]
    summary: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    options: ClassVar[Mapping[str, Option]] = {}
    can: ClassVar[Sequence[str]] = ()  # of "classify", "cluster", "sample", "reconstruct", "hash", "semi_supervised"

    def defaults(self, options: dict[str, Any], data: Data) -> Mapping[str, Any]:
        """How it is trained on these data: fields of lcl_settings, and lr and optimiser (a word) for short."""
        del options, data
        return {"epochs": 10, "batch": 100, "lr": 1e-3, "optimiser": "adam"}

    def build(self, b: Build) -> None:
        """Builds the graph of b.mode; nothing for a mode that the model does not have."""
        raise NotImplementedError

    def score(self, table: Table) -> Mapping[str, float]:
        """Further metrics of an evaluation, of what build() declared as prediction and features."""
        del table
        return {}


class Table(NamedTuple):
    """What an evaluation saw, in the order of the data."""
    split: str
    labels: np.ndarray | None
    prediction: np.ndarray | None
    features: np.ndarray | None


def _array(pointer: int | None, kind: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    return np.ctypeslib.as_array(cast(pointer, POINTER(kind)), shape).copy() if pointer else None


class _Class:
    """The C side of a model class; it stays for the rest of the process."""

    def __init__(self, model: Model):
        self.model = model
        names = model.options
        self.definitions = (_api.lcl_option * max(len(names), 1))(*[o._c(name) for name, o in names.items()])
        types = field_types(_api.lcl_model_class)
        unknown = set(model.can) - {*_CAN}
        if unknown:
            raise ValueError(f"a model can {', '.join(_CAN)}, not {', '.join(sorted(unknown))}")
        self.c = _api.lcl_model_class(
            name=to_bytes(model.name), summary=to_bytes(model.summary or model.name), reference=to_bytes(model.reference),
            options=cast(self.definitions, c_void_p), n_options=len(names), defaults=types["defaults"](self.defaults),
            build=types["build"](self.build), score=types["score"](self.score), can=sum(_CAN[word] for word in {*model.can}))

    def values(self, options: int) -> dict[str, Any]:
        """The model's options with their values."""
        return {name: o._read(options, name) for name, o in self.model.options.items()}

    def defaults(self, options: int, data: int, settings: int) -> int:
        """As in C."""
        try:
            found = self.model.defaults(self.values(options), _data(_api.lcl_model_data.from_address(data)))
            s = _api.lcl_settings.from_address(settings)
            short = {"lr": ("schedule", "lr"), "optimiser": ("optimiser", "kind")}
            for name, value in found.items():
                outer, inner = short.get(name, (name, ""))
                fill(s, {outer: {inner: value}} if inner and not isinstance(value, Mapping) else {name: value})
            return 0
        except BaseException as error:  # pylint: disable=broad-except
            return _failed(error)

    def build(self, pointer: int) -> None:
        """As in C."""
        try:
            model = _api.lcl_model.from_address(library.lcl_build_model(pointer))
            b = Build(pointer, self.values(model.options))
            try:
                self.model.build(b)
            finally:
                b._end()
        except BaseException as error:  # pylint: disable=broad-except
            _failed(error)
            library.lcl_build_fail(c_void_p(pointer), c_int(_status(error)), b"%s", c_char_p(str(error).encode()))

    def score(self, _: int, table: int, metrics: int) -> int:
        """As in C."""
        try:
            t = _api.lcl_model_table.from_address(table)
            found = self.model.score(Table(t.split.decode(), _array(t.labels, c_int32, (t.n,)), _array(t.prediction, c_int32, (t.n,)),
                                           _array(t.features, c_float, (t.n, t.width))))
            for name, value in found.items():
                library.lcl_metrics_set(metrics, to_bytes(name), value)
            return 0
        except BaseException as error:  # pylint: disable=broad-except
            return _failed(error)


def _status(error: BaseException) -> int:
    return STATUS_VALUE[error.status] if isinstance(error, LatentCLError) else STATUS_VALUE["argument"]


def _failed(error: BaseException) -> int:
    pending.append(error)
    library.lcl_fail(c_int(_status(error)), b"%s", c_char_p(str(error).encode()))
    return _status(error)


_registered: dict[str, list[_Class]] = {}  # by name: the one that C knows, and those that took its place


def register(model: type[Model]) -> None:
    """Makes a model known, for runs that are opened or resumed; train(model=...) does so too. A class of the same name, as a
    notebook makes it when a cell runs again, takes the place of the one before."""
    known = _registered.get(model.name, [])
    if known and type(known[-1].model) is model:
        return
    made = _Class(model())
    if known:
        _check_options(made)
        memmove(byref(known[0].c), byref(made.c), sizeof(made.c))
    else:
        check(library.lcl_model_register(byref(made.c)))
    _registered[model.name] = [*known, made]


def _check_options(made: _Class) -> None:
    """What lcl_model_register() checks of them."""
    n, o = c_size_t(), c_void_p()
    common = cast(library.lcl_common_options(byref(n)), POINTER(_api.lcl_option))[:n.value]
    taken = {c.name.decode() for c in common} & set(made.model.options)
    if taken:
        raise LatentCLError(f"there are two options \"{min(taken)}\": every model has one of this name")
    check(library.lcl_model_options(byref(made.c), byref(o)))
    try:
        for definition in made.definitions[:len(made.model.options)]:
            check(library.lcl_options_set(o, definition.name, definition.value))
    finally:
        library.lcl_options_destroy(o)


def load_plugin(path: str) -> None:
    """Loads model classes from a shared object (docs/own_models.md)."""
    check(library.lcl_plugin_load(to_bytes(str(path))))


def load_listed_plugins() -> None:
    """Loads what LATENTCL_PLUGINS names, as the command does."""
    for path in filter(None, os.environ.get("LATENTCL_PLUGINS", "").split(":")):
        load_plugin(path)


class ModelInfo(NamedTuple):
    """A model: one line, where it was published, its options with type, default, help and allowed values."""
    summary: str
    reference: str
    can: list[str]
    options: dict[str, dict[str, Any]]


def models() -> dict[str, ModelInfo]:
    """The models that there are, by name."""
    load_listed_plugins()
    found = {}
    types = {value: name for name, value in _TYPES.items()}
    for i in range(library.lcl_model_count()):
        c = _api.lcl_model_class.from_address(library.lcl_model_at(i))
        rows = cast(c.options, POINTER(_api.lcl_option))[:c.n_options] if c.n_options else []
        options = {o.name.decode(): {"type": types[o.type], "default": o.value.decode(), "help": o.help.decode(),
                                     "allowed": o.allowed.decode() if o.allowed else None, "when": o.when.decode() if o.when else None} for o in rows}
        found[c.name.decode()] = ModelInfo(c.summary.decode(), c.reference.decode(), [w for w, bit in _CAN.items() if c.can & bit], options)
    return found
