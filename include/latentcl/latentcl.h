/** @file
 * All of LatentCL: devices and contexts, graphs and operations, layers, data sets, models,
 * training, plug-ins, benchmarks. */
#ifndef LATENTCL_LATENTCL_H
#define LATENTCL_LATENTCL_H

#include "latentcl/algorithm.h"
#include "latentcl/bench.h"
#include "latentcl/context.h"
#include "latentcl/data.h"
#include "latentcl/graph.h"
#include "latentcl/model.h"
#include "latentcl/nn.h"
#include "latentcl/onnx.h"
#include "latentcl/ops.h"
#include "latentcl/plugin.h"
#include "latentcl/ranks.h"
#include "latentcl/status.h"
#include "latentcl/train.h"
#include "latentcl/version.h"

#endif
