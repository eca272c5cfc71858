"""LatentCL: latent-representation models on any OpenCL device. docs/python.md is the tutorial."""
from . import ops
from ._convert import Init
from ._core import LatentCLError, set_log, version
from .data import Batch, Batches, Dataset, Prep, Splits, open_data, save_data
from .device import Buffer, Context, Device, devices
from .graph import Graph, Program, Store, Tensor, cos, floor, gradients, sin, vjp
from .measure import Measured, Workload, bench, workloads
from .models import Build, Data, Model, ModelInfo, Option, Table, load_plugin, models, register
from .onnx import OnnxModel, load_onnx, onnx_operators, save_onnx
from .ops import *  # noqa: F401,F403
from .runs import (Assignments, Map, Predictions, RateResult, Reconstructions, Run, TrainResult, compare, explain, find_rate, open_run, reproduce,
                   tables, train)

__version__ = version()
__all__ = ["Assignments", "Batch", "Batches", "Buffer", "Build", "Context", "Data", "Dataset", "Device", "Graph", "Init", "LatentCLError",
           "Map", "Measured", "Model", "ModelInfo", "OnnxModel", "Option", "Predictions", "Prep", "Program", "RateResult", "Reconstructions",
           "Run", "Splits", "Store", "Table", "Tensor", "TrainResult", "Workload", "adadelta", "adam", "bench", "compare", "cos", "devices",
           "explain", "find_rate", "floor", "gradients", "load_onnx", "load_plugin", "models", "momentum", "nesterov", "onnx_operators",
           "open_data", "open_run", "ops", "register", "reproduce", "rmsprop", "save_data", "save_onnx", "set_log", "sgd", "sin", "tables",
           "train", "version", "vjp", "workloads",
           *ops.__all__]


def _optimiser(kind: str):
    def step(loss, rate, **options):
        rule = {"lr": rate} if isinstance(rate, Tensor) else {"rate": rate}
        ops.minimise(loss, kind=kind, **rule, **options)
    step.__name__ = kind
    step.__doc__ = f"""A step of {kind} at the end of every run; options as minimise().

    rate: learning rate, a number or a scalar tensor (an input, to change it from run to run)"""
    return step


sgd, momentum, nesterov = _optimiser("sgd"), _optimiser("momentum"), _optimiser("nesterov")
rmsprop, adam, adadelta = _optimiser("rmsprop"), _optimiser("adam"), _optimiser("adadelta")
