/* Operators of ONNX files, a node each: results from the standard's definitions, pinned; and what
 * is refused. */
#include <math.h>

#include "context.h"
#include "onnx/wire.h"

typedef struct node_case {
  int opset;
  const char *op, *attributes;
  const char *in[WIRE_INPUTS]; /* NULL or "": none */
  const char *want;            /* a value, or a part of the message when it is refused */
} node_case;

static const node_case cases[] = {
  { 13, "Relu", "", { "f 4 -1 0 2 -3" }, "f 4 0 0 2 0" },
  { 13, "Add", "", { "f 2x1 1 2", "F 2 10 20" }, "f 2x2 11 21 12 22" },
  { 13, "Sub", "", { "F - 1", "f 2 3 4" }, "f 2 -2 -3" },
  { 13, "Div", "", { "I 3 7 -7 9", "I - 2" }, "i 3 3 -3 4" },
  { 13, "Mul", "", { "I 2 3 4", "I 2 5 6" }, "i 2 15 24" },
  { 13, "Div", "", { "I 1 7", "I 1 0" }, "of 7 and 0 no int64 comes" },
  { 13, "Add", "", { "i 1 7", "I 1 1" }, "is of int64, LatentCL computes with float32" },
  { 13, "Add", "", { "f 2 1 2", "f 3 1 2 3" }, "node 0 (Add, which gives \"y\")" },
  { 13, "Max", "", { "f 3 1 nan 3", "F 3 2 2 2" }, "f 3 2 nan 3" },
  { 13, "Min", "", { "f 3 1 5 inf", "F 3 2 2 2", "F - 3" }, "f 3 1 2 2" },
  { 13, "Mean", "", { "f 2 1 2", "f 2 3 6" }, "f 2 2 4" },
  { 13, "Ceil", "", { "f 3 -1.5 1.2 2" }, "f 3 -1 2 2" },
  { 13, "Round", "", { "f 6 0.5 1.5 2.5 -0.5 -1.5 1.7" }, "f 6 0 2 2 -0 -2 2" },
  { 13, "Erf", "", { "f 5 0 0.5 -1 3 -9" }, "f 5 0 0.520499878 -0.842700793 0.999977910 -1" },
  { 13, "Cosh", "", { "f 2 0 -2" }, "f 2 1 3.76219569" },
  { 13, "Pow", "", { "f 3 2 -3 0", "F - 3" }, "f 3 8 -27 0" },
  { 13, "Pow", "", { "f 2 4 9", "F - -0.5" }, "f 2 0.5 0.333333333" },
  { 13,
    "Pow",
    "",
    { "f 2 4 9", "f 2 1 2" },
    "its exponent, \"i1\", must be a number that the file tells" },
  { 13, "Mod", "", { "I 3 7 -7 7", "I 3 3 3 -3" }, "i 3 1 2 -2" },
  { 13, "Greater", "", { "f 3 1 2 3", "F - 2" }, "b 3 0 0 1" },
  { 16, "GreaterOrEqual", "", { "f 3 1 2 nan", "F - 2" }, "b 3 0 1 0" },
  { 13, "Equal", "", { "I 2 1 2", "I 2 1 3" }, "b 2 1 0" },
  { 13, "Not", "", { "b 2 1 0" }, "b 2 0 1" },
  { 13, "Xor", "", { "b 4 0 0 1 1", "b 4 0 1 0 1" }, "b 4 0 1 1 0" },
  { 16, "Where", "", { "b 2 1 0", "f 2 1 2", "f 2 3 4" }, "f 2 1 4" },
  { 13, "IsNaN", "", { "f 3 nan 1 inf" }, "b 3 1 0 0" },
  { 13, "IsInf", "detect_negative=0", { "f 3 nan -inf inf" }, "b 3 0 0 1" },
  { 6 + 5, "Clip", "", { "f 4 -5 0 nan 5", "F - -1", "F - 2" }, "f 4 -1 0 nan 2" },
  { 10, "Clip", "max=2.0", { "f 2 -5 5" }, "f 2 -5 2" },
  { 13, "Cast", "to=6", { "f 3 1.7 -1.7 3" }, "i 3 1 -1 3" },
  { 13, "Cast", "to=1", { "I 2 3 -4" }, "f 2 3 -4" },
  { 13, "Cast", "to=9", { "f 3 0 -2 0.5" }, "b 3 0 1 1" },
  { 13, "Cast", "to=11", { "f 1 1" }, "a cast to float64 is not supported" },
  { 13, "Elu", "alpha=2.0", { "f 3 -1 0 1" }, "f 3 -1.26424112 0 1" },
  { 13, "Selu", "", { "f 2 -1e-4 1" }, "f 2 -1.7579e-4 1.05070102" },
  { 13, "LeakyRelu", "", { "f 2 -1 1" }, "f 2 -0.01 1" },
  { 13, "HardSigmoid", "", { "f 3 -9 1 9" }, "f 3 0 0.7 1" },
  { 20, "Gelu", "", { "f 2 1 -2" }, "f 2 0.841344746 -0.0455002639" },
  { 20, "Gelu", "approximate=tanh", { "f 2 1 -2" }, "f 2 0.841191990 -0.0454023059" },
  { 13, "PRelu", "", { "f 2x2 -1 1 -2 2", "F 2 0.5 0.25" }, "f 2x2 -0.5 1 -1 2" },
  { 13, "Softmax", "", { "f 1x2 0 0.693147181" }, "f 1x2 0.333333333 0.666666667" },
  { 12, "Softmax", "", { "f 1x2x2 0 0 0 0" }, "f 1x2x2 0.25 0.25 0.25 0.25" },
  { 13, "Hardmax", "axis=0", { "f 2x2 1 4 3 2" }, "f 2x2 0 1 1 0" },
  { 13, "Dropout", "", { "f 2 1 2", "F - 0.5" }, "f 2 1 2" },
  { 13, "ReduceSum", "keepdims=0", { "f 2x2 1 2 3 4", "I 1 1" }, "f 2 3 7" },
  { 13, "ReduceMean", "axes=0,", { "f 2x2 1 2 3 4" }, "f 1x2 2 3" },
  { 18, "ReduceMean", "axes=0,", { "f 2x2 1 2 3 4" }, "attribute \"axes\" is not supported" },
  { 18, "ReduceMax", "", { "f 2x2 1 2 3 4", "I 1 -1" }, "f 2x1 2 4" },
  { 18, "ReduceL2", "keepdims=0", { "f 2 3 4" }, "f - 5" },
  { 18, "ReduceLogSumExp", "keepdims=0", { "f 2 1000 1000" }, "f - 1000.69315" },
  { 18, "ReduceProd", "keepdims=0", { "I 3 2 3 4" }, "i - 24" },
  { 13, "ReduceSum", "", { "f 2 1 2", "I 2 0 0" }, "axis 0 is named twice" },
  { 13, "ReduceSum", "", { "f 2 1 2", "I 1 1" }, "axis 1 does not exist in rank 1" },
  { 13, "ArgMax", "axis=1 keepdims=0", { "f 2x3 1 3 3 9 1 2" }, "i 2 1 0" },
  { 13, "ArgMax", "axis=1 keepdims=0 select_last_index=1", { "f 2x3 1 3 3 9 1 2" }, "i 2 2 0" },
  { 13, "ArgMin", "axis=0", { "f 2x2 1 4 3 2" }, "i 1x2 0 1" },
  { 13, "Shape", "", { "f 2x3 1 2 3 4 5 6" }, "i 2 2 3" },
  { 15, "Shape", "start=-1", { "f 2x3 1 2 3 4 5 6" }, "i 1 3" },
  { 13, "Size", "", { "f 2x3 1 2 3 4 5 6" }, "i - 6" },
  { 13, "Range", "", { "I - 2", "I - 9", "I - 3" }, "i 3 2 5 8" },
  { 13, "ConstantOfShape", "", { "I 2 1 2" }, "f 1x2 0 0" },
  { 13, "ConstantOfShape", "", { "I 1 -1" }, "a dimension of -1 cannot be" },
  { 13, "ConstantOfShape", "", { "I 2 65536 65536" }, "a dimension of 65536 cannot be" },
  { 13, "Constant", "value_ints=4,5", { NULL }, "i 2 4 5" },
  { 13, "Constant", "value_float=0.5", { NULL }, "f - 0.5" },
  { 13, "Reshape", "", { "f 2x3 1 2 3 4 5 6", "I 2 0 -1" }, "f 2x3 1 2 3 4 5 6" },
  { 13, "Reshape", "", { "f 2x3 1 2 3 4 5 6", "I 2 -1 2" }, "f 3x2 1 2 3 4 5 6" },
  { 13,
    "Reshape",
    "",
    { "f 2x3 1 2 3 4 5 6", "I 2 -1 4" },
    "has no number of elements for dimension 0" },
  { 13, "Reshape", "", { "f 2x3 1 2 3 4 5 6", "I 2 -1 -1" }, "dimension 1 cannot be -1" },
  { 13,
    "Reshape",
    "",
    { "f 2x3 1 2 3 4 5 6", "i 2 3 2" },
    "its shape, \"i1\", must be whole numbers that the file tells" },
  { 13, "Flatten", "axis=-1", { "f 1x2x2 1 2 3 4" }, "f 2x2 1 2 3 4" },
  { 11, "Squeeze", "axes=0,", { "f 1x1x2 1 2" }, "f 1x2 1 2" },
  { 13, "Squeeze", "", { "f 1x1x2 1 2" }, "f 2 1 2" },
  { 13, "Squeeze", "", { "f 1x2 1 2", "I 1 1" }, "axis 1 has size 2, not 1" },
  { 13, "Unsqueeze", "", { "f 2 1 2", "I 2 0 -1" }, "f 1x2x1 1 2" },
  { 13, "Transpose", "", { "f 2x3 1 2 3 4 5 6" }, "f 3x2 1 4 2 5 3 6" },
  { 13, "Transpose", "perm=0,0", { "f 2x3 1 2 3 4 5 6" }, "axis 0 is named twice" },
  { 13, "Expand", "", { "f 2x1 1 2", "I 3 2 1 3" }, "f 2x2x3 1 1 1 2 2 2 1 1 1 2 2 2" },
  { 13, "Slice", "", { "f 5 0 1 2 3 4", "I 1 -1", "I 1 -9", "I 1 0", "I 1 -2" }, "f 3 4 2 0" },
  { 13,
    "Slice",
    "",
    { "f 2x5 0 1 2 3 4 5 6 7 8 9", "I 2 0 1", "I 2 9 9", "I 2 0 1", "I 2 1 3" },
    "f 2x2 1 4 6 9" },
  { 13, "Slice", "", { "f 3 1 2 3", "I 1 1", "I 1 2", "I 1 0", "I 1 2147483647" }, "f 1 2" },
  { 9, "Slice", "starts=1, ends=3, axes=0,", { "f 5 0 1 2 3 4" }, "f 2 1 2" },
  { 13,
    "Slice",
    "",
    { "f 5 0 1 2 3 4", "I 1 0", "I 1 5", "I 1 0", "I 1 0" },
    "a step of 0 cannot be" },
  { 13, "Concat", "axis=-1", { "f 2x1 1 2", "f 2x2 3 4 5 6" }, "f 2x3 1 3 4 2 5 6" },
  { 13, "Concat", "axis=0", { "I 1 1", "I 2 2 3" }, "i 3 1 2 3" },
  { 13, "Gather", "axis=1", { "f 2x3 1 2 3 4 5 6", "I 2 -1 0" }, "f 2x2 3 1 6 4" },
  { 13, "Gather", "", { "f 3x2 1 2 3 4 5 6", "i 2 2 -3" }, "f 2x2 5 6 1 2" },
  { 13, "Gather", "", { "f 2 1 2", "I - 2" }, "index 2 is outside axis of size 2" },
  { 13, "Gather", "", { "I 3 4 5 6", "I - -1" }, "i - 6" },
  { 13, "Pad", "", { "f 2 1 2", "I 2 1 2", "F - 9" }, "f 5 9 1 2 9 9" },
  { 13, "Pad", "mode=reflect", { "f 3 1 2 3", "I 2 2 1" }, "f 6 3 2 1 2 3 2" },
  { 13, "Pad", "mode=edge", { "f 2 1 2", "I 2 2 1" }, "f 5 1 1 1 2 2" },
  { 13, "Pad", "", { "f 3 1 2 3", "I 2 -1 1" }, "f 3 2 3 0" },
  { 13, "Tile", "", { "f 1x2 1 2", "I 2 2 2" }, "f 2x4 1 2 1 2 1 2 1 2" },
  { 13, "DepthToSpace", "blocksize=2", { "f 1x4x1x1 1 2 3 4" }, "f 1x1x2x2 1 2 3 4" },
  { 13, "SpaceToDepth", "blocksize=2", { "f 1x1x2x2 1 2 3 4" }, "f 1x4x1x1 1 2 3 4" },
  { 11, "OneHot", "", { "i 2 1 -1", "I - 3", "F 2 0 5" }, "f 2x3 0 5 0 0 0 5" },
  { 14, "Trilu", "", { "f 2x2 1 2 3 4" }, "f 2x2 1 2 0 4" },
  { 10, "Resize", "", { "f 1x1x1x2 1 2", "F 4 1 1 2 2" }, "f 1x1x2x4 1 1 2 2 1 1 2 2" },
  { 11,
    "Resize",
    "coordinate_transformation_mode=asymmetric cubic_coeff_a=-0.75 nearest_mode=floor",
    { "f 1x1x1x2 1 2", "", "F 4 1 1 1 2" },
    "f 1x1x1x4 1 1 2 2" },
  { 13, "Resize", "mode=linear", { "f 1x1x1x2 1 2", "", "F 4 1 1 2 2" }, "mode \"linear\"" },
  { 13, "MatMul", "", { "f 2x2 1 2 3 4", "f 2 1 10" }, "f 2 21 43" },
  { 13, "MatMul", "", { "f 2x1x2 1 2 3 4", "f 1x2x1 1 10" }, "f 2x1x1 21 43" },
  { 13, "MatMul", "", { "f 1x2 1 2", "f 2x2x1 1 10 3 4" }, "f 2x1x1 21 11" },
  { 13, "MatMul", "", { "f 1x1x2 1 2", "f 2x2x1 1 10 3 4" }, "f 2x1x1 21 11" },
  { 13,
    "Gemm",
    "alpha=2.0 beta=0.5 transB=1",
    { "f 1x2 1 2", "F 2x2 1 2 3 4", "F 2 10 20" },
    "f 1x2 15 32" },
  { 13, "Conv", "pads=1,1", { "f 1x1x3 1 2 3", "F 1x1x3 1 1 1", "F 1 10" }, "f 1x1x3 13 16 15" },
  { 13,
    "Conv",
    "auto_pad=SAME_LOWER",
    { "f 1x1x1x3 1 2 3", "F 1x1x1x2 1 10" },
    "f 1x1x1x3 10 21 32" },
  { 13,
    "Conv",
    "auto_pad=SAME_UPPER",
    { "f 1x1x1x3 1 2 3", "F 1x1x1x2 1 10" },
    "f 1x1x1x3 21 32 3" },
  { 13,
    "Conv",
    "strides=1,2 dilations=1,2",
    { "f 1x1x1x5 1 2 3 4 5", "F 1x1x1x2 1 10" },
    "f 1x1x1x2 31 53" },
  { 13, "Conv", "group=2", { "f 1x2x1x1 2 3", "F 2x1x1x1 5 7" }, "f 1x2x1x1 10 21" },
  { 13, "Conv", "group=0", { "f 1x2x1x1 2 3", "F 2x1x1x1 5 7" }, "group cannot be 0" },
  { 13,
    "Conv",
    "kernel_shape=3,3",
    { "f 1x1x1x1 2", "F 1x1x1x1 5" },
    "kernel_shape is not that of the filter" },
  { 13, "Conv", "pads=-1,0,0,0", { "f 1x1x2x2 1 2 3 4", "F 1x1x1x1 5" }, "pads below 0" },
  { 13, "Conv", "", { "f 1x1x1x1x1 1", "F 1x1x1x1x1 1" }, "not 5 dimensions" },
  { 13,
    "ConvTranspose",
    "strides=2,",
    { "f 1x1x2 1 2", "F 1x1x3 1 10 100" },
    "f 1x1x5 1 10 102 20 200" },
  { 13,
    "ConvTranspose",
    "strides=2, output_padding=1,",
    { "f 1x1x2 1 2", "F 1x1x2 1 10" },
    "f 1x1x5 1 10 2 20 0" },
  { 13,
    "MaxPool",
    "kernel_shape=2,2 strides=2,2",
    { "f 1x1x2x4 1 5 2 3 4 0 6 7" },
    "f 1x1x1x2 5 7" },
  { 13,
    "MaxPool",
    "kernel_shape=2,2 dilations=2,2",
    { "f 1x1x3x3 1 2 3 4 5 6 7 8 9" },
    "dilated windows are not supported" },
  { 13, "AveragePool", "kernel_shape=2, pads=1,0", { "f 1x1x2 2 4" }, "f 1x1x2 2 3" },
  { 13,
    "AveragePool",
    "kernel_shape=2, pads=1,0 count_include_pad=1",
    { "f 1x1x2 2 4" },
    "f 1x1x2 1 3" },
  { 13, "GlobalAveragePool", "", { "f 1x1x2x2 1 2 3 6" }, "f 1x1x1x1 3" },
  { 13,
    "BatchNormalization",
    "epsilon=0.0",
    { "f 1x2x1 3 8", "F 2 2 3", "F 2 1 0", "F 2 1 2", "F 2 4 9" },
    "f 1x2x1 3 6" },
  { 13,
    "InstanceNormalization",
    "epsilon=0.0",
    { "f 1x1x2 1 3", "F 1 2", "F 1 1" },
    "f 1x1x2 -1 3" },
  { 17, "LayerNormalization", "epsilon=0.0", { "f 1x2 1 3", "F 2 2 4", "F 2 1 0" }, "f 1x2 -1 4" },
  { 13, "LRN", "size=1 alpha=1.0 beta=1.0", { "f 1x1x2 1 2" }, "f 1x1x2 0.5 0.4" },
  { 13, "LpNormalization", "", { "f 1x2 3 4" }, "f 1x2 0.6 0.8" },
  { 13,
    "Frobnicate",
    "",
    { "f 1 1" },
    "node 0 (Frobnicate, which gives \"y\"): the operator is not supported" },
  { 13, "Relu", "slope=0.5", { "f 1 1" }, "attribute \"slope\" is not supported" },
  { 13,
    "LeakyRelu",
    "alpha=1",
    { "f 1 1" },
    "attribute \"alpha\" is of another kind than expected" },
  { 13, "Relu", "", { "f 1 1", "f 1 1" }, "1 to 1 inputs are expected, it has 2" },
  { 11, "Mish", "", { "f 1 1" }, "from operator set 18 on, the file is of 11" },
  { 99, "Relu", "", { "f 1 1" }, "it is of operator set 99" },
  { 13, "Abs", "", { "f 2 -3 2" }, "f 2 3 2" },
  { 13, "Abs", "", { "I 2 -3 2" }, "i 2 3 2" },
  { 13, "Neg", "", { "f 2 -3 2" }, "f 2 3 -2" },
  { 13, "Neg", "", { "I 2 -3 2" }, "i 2 3 -2" },
  { 13, "Sign", "", { "f 3 -3 0 2" }, "f 3 -1 0 1" },
  { 13, "Floor", "", { "f 2 -1.5 1.2" }, "f 2 -2 1" },
  { 13, "Floor", "", { "F 1 -1.5" }, "f 1 -2" },
  { 13, "Ceil", "", { "F 1 -1.5" }, "f 1 -1" },
  { 13, "Round", "", { "F 1 -2.5" }, "f 1 -2" },
  { 13, "Sqrt", "", { "f 2 4 0.25" }, "f 2 2 0.5" },
  { 13, "Reciprocal", "", { "f 2 4 -0.5" }, "f 2 0.25 -2" },
  { 13, "Exp", "", { "f 2 -2 0" }, "f 2 0.135335283 1" },
  { 13, "Log", "", { "f 2 3 1" }, "f 2 1.09861229 0" },
  { 13, "Sin", "", { "f 2 1 -1" }, "f 2 0.841470985 -0.841470985" },
  { 13, "Cos", "", { "f 2 1 -1" }, "f 2 0.540302306 0.540302306" },
  { 13, "Tan", "", { "f 2 1 -1" }, "f 2 1.55740772 -1.55740772" },
  { 13, "Tanh", "", { "f 2 0.5 -0.5" }, "f 2 0.462117157 -0.462117157" },
  { 13, "Sigmoid", "", { "f 2 2 -2" }, "f 2 0.880797078 0.119202922" },
  { 13, "Softplus", "", { "f 2 -2 2" }, "f 2 0.126928011 2.12692801" },
  { 13, "Identity", "", { "f 2 1 2" }, "f 2 1 2" },
  { 13, "Sum", "", { "f 2 1 2", "f 2 3 6", "F - 10" }, "f 2 14 18" },
  { 13, "Max", "", { "I 2 1 5", "I - 3" }, "i 2 3 5" },
  { 13, "Min", "", { "I 2 1 5", "I - 3" }, "i 2 1 3" },
  { 13, "Max", "", { "F 1 nan", "F - 2" }, "f 1 nan" },
  { 13, "Sub", "", { "I 2x1 1 2", "I 2 10 20" }, "i 2x2 -9 -19 -8 -18" },
  { 13, "Pow", "", { "f 2 2 -4", "F - -1" }, "f 2 0.5 -0.25" },
  { 13, "Pow", "", { "f 2 2 -1", "F - 5" }, "f 2 32 -1" },
  { 13, "Pow", "", { "f 2 4 9", "F - 1.5" }, "f 2 8 27" },
  { 13, "Mod", "fmod=1", { "I 3 7 -7 7", "I 3 3 3 -3" }, "i 3 1 -1 1" },
  { 13, "Less", "", { "f 3 1 2 3", "F - 2" }, "b 3 1 0 0" },
  { 13, "Less", "", { "I 3 1 2 3", "I - 2" }, "b 3 1 0 0" },
  { 13, "Greater", "", { "I 3 1 2 3", "I - 2" }, "b 3 0 0 1" },
  { 16, "LessOrEqual", "", { "f 3 1 2 nan", "F - 2" }, "b 3 1 1 0" },
  { 16, "LessOrEqual", "", { "I 3 1 2 3", "I - 2" }, "b 3 1 1 0" },
  { 16, "GreaterOrEqual", "", { "I 3 1 2 3", "I - 2" }, "b 3 0 1 1" },
  { 13, "And", "", { "b 4 0 0 1 1", "b 4 0 1 0 1" }, "b 4 0 0 0 1" },
  { 13, "Or", "", { "b 4 0 0 1 1", "b 4 0 1 0 1" }, "b 4 0 1 1 1" },
  { 16, "Where", "", { "B 2 1 0", "I 2 1 2", "I - 9" }, "i 2 1 9" },
  { 16, "Where", "", { "B 2x1 1 0", "F 2 1 2", "F - 9" }, "f 2x2 1 2 9 9" },
  { 16, "Where", "", { "B 2x2 1 0 0 1", "I 2 1 2", "I 1 3" }, "i 2x2 1 3 3 2" },
  { 13, "IsInf", "", { "f 3 nan -inf inf" }, "b 3 0 1 1" },
  { 13, "IsInf", "detect_positive=0", { "f 3 nan -inf inf" }, "b 3 0 1 0" },
  { 13, "Clip", "", { "f 1 5", "F - 3", "F - 1" }, "f 1 1" },
  { 13, "Cast", "to=7", { "F 2 1.7 -1.7" }, "i 2 1 -1" },
  { 13, "Cast", "to=9", { "I 2 0 3" }, "b 2 0 1" },
  { 13, "Cast", "to=7", { "F 1 inf" }, "inf is no int64" },
  { 15, "CastLike", "", { "f 2 1.7 -2.2", "i 1 0" }, "i 2 1 -2" },
  { 12, "Celu", "alpha=2.0", { "f 3 -1 0 1" }, "f 3 -0.786938681 0 1" },
  { 13, "ThresholdedRelu", "alpha=2.0", { "f 3 1 2 3" }, "f 3 0 0 3" },
  { 13, "Shrink", "lambd=1.0 bias=0.5", { "f 4 -3 -1 0.5 3" }, "f 4 -2.5 0 0 2.5" },
  { 24, "Swish", "alpha=2.0", { "f 2 -1 2" }, "f 2 -0.119202922 1.96402758" },
  { 14, "HardSwish", "", { "f 4 -4 -1 1 4" }, "f 4 0 -0.333333333 0.666666667 4" },
  { 13, "Softsign", "", { "f 2 -3 1" }, "f 2 -0.75 0.5" },
  { 18, "Mish", "", { "f 2 -1 2" }, "f 2 -0.303401461 1.94395896" },
  { 13, "Selu", "", { "f 1 -2" }, "f 1 -1.52016647" },
  { 13, "Softmax", "axis=0", { "f 2x2 0 1 0 1" }, "f 2x2 0.5 0.5 0.5 0.5" },
  { 13, "LogSoftmax", "", { "f 1x2 0 1" }, "f 1x2 -1.31326169 -0.313261688" },
  { 13, "Hardmax", "", { "f 2x3 1 4 3 9 2 9" }, "f 2x3 0 1 0 1 0 0" },
  { 13, "ReduceL1", "axes=1, keepdims=0", { "f 2x2 1 -2 3 -4" }, "f 2 3 7" },
  { 13, "ReduceMin", "axes=0,", { "f 2x2 1 5 3 -4" }, "f 1x2 1 -4" },
  { 13, "ReduceLogSum", "keepdims=0", { "f 2 3 4" }, "f - 1.94591015" },
  { 13, "ReduceSumSquare", "axes=1, keepdims=0", { "f 2x2 1 2 3 4" }, "f 2 5 25" },
  { 18, "ReduceSum", "noop_with_empty_axes=1", { "f 2 1 2" }, "f 2 1 2" },
  { 18, "ReduceMax", "keepdims=0", { "I 2 -5 -9" }, "i - -5" },
  { 18, "ReduceMin", "", { "I 2 5 9" }, "i 1 5" },
  { 18, "ReduceLogSumExp", "keepdims=0", { "f 2 -inf -inf" }, "f - -inf" },
  { 13, "ArgMin", "axis=1 keepdims=0 select_last_index=1", { "f 1x3 1 3 1" }, "i 1 2" },
  { 15, "Shape", "end=-1", { "f 2x3 1 2 3 4 5 6" }, "i 1 2" },
  { 13, "Range", "", { "F - 1", "F - 2", "F - 0.5" }, "f 2 1 1.5" },
  { 13, "Range", "", { "I - 5", "I - 0", "I - -2" }, "i 3 5 3 1" },
  { 14,
    "Reshape",
    "allowzero=1",
    { "f 2x3 1 2 3 4 5 6", "I 2 0 -1" },
    "has no number of elements for dimension 1" },
  { 13, "Flatten", "", { "f 2x1x2 1 2 3 4" }, "f 2x2 1 2 3 4" },
  { 13, "Flatten", "axis=0", { "f 2x2 1 2 3 4" }, "f 1x4 1 2 3 4" },
  { 11, "Unsqueeze", "axes=1,", { "f 2 1 2" }, "f 2x1 1 2" },
  { 13, "Transpose", "", { "I 2x2 1 2 3 4" }, "i 2x2 1 3 2 4" },
  { 13, "Transpose", "perm=2,0,1", { "f 1x2x2 1 2 3 4" }, "f 2x1x2 1 3 2 4" },
  { 13, "Expand", "", { "I 2x1 1 2", "I 2 2 3" }, "i 2x3 1 1 1 2 2 2" },
  { 13, "Slice", "", { "I 5 0 1 2 3 4", "I 1 -1", "I 1 -9", "I 1 0", "I 1 -2" }, "i 3 4 2 0" },
  { 13, "Concat", "axis=1", { "I 2x1 1 2", "I 2x2 3 4 5 6" }, "i 2x3 1 3 4 2 5 6" },
  { 13,
    "Concat",
    "axis=0",
    { "i 1 1", "I 1 4294967296" },
    "4294967296, which 32 bits do not hold" },
  { 13, "Gather", "axis=1", { "I 2x3 1 2 3 4 5 6", "I 2 -1 0" }, "i 2x2 3 1 6 4" },
  { 13, "Split", "axis=1", { "f 2x3 1 2 3 4 5 6", "I 2 1 2" }, "f 2x2 2 3 5 6" },
  { 13, "Split", "", { "I 4 1 2 3 4" }, "i 2 3 4" },
  { 11, "Split", "split=1,3", { "f 4 1 2 3 4" }, "f 3 2 3 4" },
  { 18, "Split", "num_outputs=2", { "f 5 1 2 3 4 5" }, "f 2 4 5" },
  { 13, "Split", "", { "f 5 1 2 3 4 5" }, "5 do not split into 2 equal parts" },
  { 13, "Split", "", { "f 3 1 2 3", "I 2 1 1" }, "its parts have 2 of 3" },
  { 19, "Pad", "mode=wrap", { "f 3 1 2 3", "I 2 2 1" }, "f 6 2 3 1 2 3 1" },
  { 18, "Pad", "", { "f 1x2 1 2", "I 2 1 0", "", "I 1 1" }, "f 1x3 0 1 2" },
  { 10, "Pad", "pads=0,1 value=7.0", { "f 2 1 2" }, "f 3 1 2 7" },
  { 13,
    "DepthToSpace",
    "blocksize=2",
    { "f 1x8x1x1 1 2 3 4 5 6 7 8" },
    "f 1x2x2x2 1 3 5 7 2 4 6 8" },
  { 13,
    "DepthToSpace",
    "blocksize=2 mode=CRD",
    { "f 1x8x1x1 1 2 3 4 5 6 7 8" },
    "f 1x2x2x2 1 2 3 4 5 6 7 8" },
  { 13,
    "SpaceToDepth",
    "blocksize=2",
    { "f 1x2x2x2 1 2 3 4 5 6 7 8" },
    "f 1x8x1x1 1 5 2 6 3 7 4 8" },
  { 11, "OneHot", "axis=0", { "i 2 1 -1", "I - 3", "F 2 0 5" }, "f 3x2 0 0 5 0 0 5" },
  { 14, "Trilu", "", { "f 2x3 1 2 3 4 5 6", "I - 1" }, "f 2x3 0 2 3 0 0 6" },
  { 14, "Trilu", "upper=0", { "f 2x3 1 2 3 4 5 6", "I - -1" }, "f 2x3 0 0 0 4 0 0" },
  { 9, "Upsample", "", { "f 1x1x1x2 1 2", "F 4 1 1 1 3" }, "f 1x1x1x6 1 1 1 2 2 2" },
  { 13, "Resize", "", { "f 1x1x1x2 1 2", "", "", "I 4 1 1 2 4" }, "f 1x1x2x4 1 1 2 2 1 1 2 2" },
  { 13, "MatMul", "", { "f 2 1 10", "f 2x2 1 2 3 4" }, "f 2 31 42" },
  { 13, "MatMul", "", { "f 1x2 1 10", "f 2x2x1 1 2 3 4" }, "f 2x1x1 21 43" },
  { 13, "Gemm", "transA=1", { "f 2x1 1 2", "F 2x2 1 2 3 4" }, "f 1x2 7 10" },
  { 13,
    "ConvTranspose",
    "strides=2, pads=1,0",
    { "f 1x1x2 1 2", "F 1x1x3 1 10 100" },
    "f 1x1x4 10 102 20 200" },
  { 13,
    "ConvTranspose",
    "strides=2, output_shape=4,",
    { "f 1x1x2 1 2", "F 1x1x3 1 10 100" },
    "f 1x1x4 10 102 20 200" },
  { 13,
    "ConvTranspose",
    "strides=2, auto_pad=SAME_UPPER",
    { "f 1x1x2 1 2", "F 1x1x3 1 10 100" },
    "f 1x1x4 1 10 102 20" },
  { 13,
    "ConvTranspose",
    "strides=2, auto_pad=SAME_LOWER",
    { "f 1x1x2 1 2", "F 1x1x3 1 10 100" },
    "f 1x1x4 10 102 20 200" },
  { 13,
    "ConvTranspose",
    "group=2",
    { "f 1x2x1x1 2 3", "F 2x1x1x1 5 7", "F 2 0 1" },
    "f 1x2x1x1 10 22" },
  { 13, "MaxPool", "kernel_shape=2, strides=2, ceil_mode=1", { "f 1x1x3 1 5 2" }, "f 1x1x2 5 2" },
  { 13,
    "MaxPool",
    "kernel_shape=2,2 strides=2,2 auto_pad=SAME_UPPER",
    { "f 1x1x4x3 1 2 3 4 5 6 7 8 9 10 11 12" },
    "f 1x1x2x2 5 6 11 12" },
  { 13, "MaxPool", "kernel_shape=2, auto_pad=VALID", { "f 1x1x3 1 5 2" }, "f 1x1x2 5 5" },
  { 13,
    "AveragePool",
    "kernel_shape=2, auto_pad=SAME_UPPER",
    { "f 1x1x3 2 4 6" },
    "f 1x1x3 3 5 6" },
  { 13,
    "AveragePool",
    "kernel_shape=2, ceil_mode=1 count_include_pad=1",
    { "f 1x1x3 2 4 6" },
    "ceil_mode together with count_include_pad" },
  { 13, "GlobalMaxPool", "", { "f 1x2x2 1 5 2 3" }, "f 1x2x1 5 3" },
  { 17,
    "LayerNormalization",
    "axis=1 epsilon=0.0",
    { "f 1x2x2 1 2 3 6", "F 2x2 1 1 1 2" },
    "f 1x2x2 -1.06904497 -0.534522484 0 3.2071349" },
  { 21,
    "GroupNormalization",
    "num_groups=2 epsilon=0.0",
    { "f 1x4x2 1 2 3 6 5 9 4 8", "F 4 1 2 3 4", "F 4 0 1 0 -1" },
    "f 1x4x2 -1.06904497 -0.534522484 1 4.2071349 -2.18282063 3.63803438 -5.8507125 1.9104275" },
  { 21,
    "GroupNormalization",
    "num_groups=4 epsilon=0.0",
    { "f 1x4x2 1 2 3 6 5 9 4 8", "F 4 1 2 3 4", "F 4 0 1 0 -1" },
    "f 1x4x2 -1 1 -1 3 -3 3 -5 3" },
  { 23,
    "RMSNormalization",
    "epsilon=0.0",
    { "f 2x2 3 4 6 8", "F 2 1 2" },
    "f 2x2 0.848528137 2.2627417 0.848528137 2.2627417" },
  { 13,
    "MeanVarianceNormalization",
    "",
    { "f 2x2x1x2 1 3 2 8 5 5 4 9" },
    "f 2x2x1x2 -1.50755672 -0.301511345 -1.31055608 0.786333651 0.904534034 0.904534034 "
    "-0.61159284 1.13581527" },
  { 13,
    "MeanVarianceNormalization",
    "axes=0,2",
    { "f 2x1x2 1 3 2 8" },
    "f 2x1x2 -0.928476691 -0.185695338 -0.557086015 1.67125804" },
  { 13,
    "LRN",
    "size=2 alpha=1.0 beta=1.0 bias=2.0",
    { "f 1x3 1 2 3" },
    "f 1x3 0.222222222 0.235294118 0.461538462" },
  { 13,
    "LRN",
    "size=3 alpha=3.0 beta=0.5",
    { "f 1x4 1 2 3 4" },
    "f 1x4 0.40824829 0.516397779 0.547722558 0.784464541" },
  { 13, "LpNormalization", "p=1", { "f 1x2 3 -4" }, "f 1x2 0.428571429 -0.571428571" },
  { 13, "LpNormalization", "axis=0", { "f 2x2 3 0 4 0" }, "f 2x2 0.6 0 0.8 0" },
};

static void build(wire *w, const node_case *c, wire_value *in, int *n_in) {
  char names[64] = "";
  wire_begin(w, c->opset);
  for (*n_in = 0; *n_in < WIRE_INPUTS && c->in[*n_in]; ++*n_in) {
    char name[8];
    snprintf(name, sizeof name, "i%d", *n_in);
    const char *text = c->in[*n_in];
    in[*n_in] = *text ? wire_parse(text) : (wire_value) { 0 };
    snprintf(names + strlen(names), sizeof names - strlen(names), "%s ", *text ? name : "-");
    if (!*text) continue;
    if (wire_is_input(*text))
      wire_input(w, name, wire_type(*text), in[*n_in].shape);
    else
      wire_initialiser(w, name, &in[*n_in]);
  }
  wire_node(w, c->op, c->attributes, names, strcmp(c->op, "Split") == 0 ? "first y" : "y");
  wire_output(w, "y");
}

static void feed(lcl_program *p, const char *name, const wire_value *v) {
  float f[WIRE_MOST];
  int32_t i32[WIRE_MOST];
  uint8_t u8[WIRE_MOST];
  for (int64_t i = 0; i < v->n; i++) {
    f[i] = (float)v->x[i];
    if (v->kind == 'i') i32[i] = (int32_t)v->x[i];
    if (v->kind == 'b' || v->kind == 'u') u8[i] = (uint8_t)v->x[i];
  }
  const void *data = v->kind == 'f' ? (void *)f : v->kind == 'i' ? (void *)i32 : (void *)u8;
  const size_t size = v->kind == 'f' || v->kind == 'i' ? 4 : 1;
  const lcl_status st = lcl_feed(p, name, data, (size_t)v->n * size);
  if (st != LCL_ERR_ARGUMENT)
    ASSERT_OK(st); /* what nothing reads (Shape) is no input of the program */
}

static void compare(lcl_program *p, const node_case *c, lcl_onnx_value y) {
  const wire_value want = wire_parse(c->want);
  const lcl_shape s = lcl_tensor_shape(y.tensor);
  float got[WIRE_MOST];
  char text[96];
  if (!lcl_shape_equal(s, want.shape))
    fail_msg("%s: shape %s, not that of %s", c->op, lcl_shape_string(s, text), c->want);
  const char *type = want.kind == 'f' ? "float32" : want.kind == 'b' ? "bool" : "int";
  if (strncmp(y.type, type, strlen(type)) != 0)
    fail_msg("%s gives %s, not %s", c->op, y.type, type);
  ASSERT_OK(lcl_fetch(p, "y", got, (size_t)want.n * 4));
  for (int64_t i = 0; i < want.n; i++) {
    const double x = want.kind == 'i' ? ((int32_t *)(void *)got)[i] : (double)got[i], e = want.x[i];
    if (isnan(e) ? !isnan(x) : isinf(e) ? x != e : !(fabs(x - e) <= 2e-6 * fmax(fabs(e), 0.1)))
      fail_msg("%s %s: element %d is %.9g, not %.9g", c->op, c->attributes, (int)i, x, e);
  }
}

static void check(const node_case *c) {
  wire w = { 0 };
  wire_value in[WIRE_INPUTS];
  int n_in;
  size_t n;
  lcl_store *store;
  lcl_graph *g;
  lcl_onnx_model *m;
  build(&w, c, in, &n_in);
  const uint8_t *bytes = wire_pack(&w, &n);
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "onnx", &g));
  const lcl_status st = lcl_onnx_parse(g, bytes, n, NULL, &m);
  const bool refused = !strchr("fib", c->want[0]) || c->want[1] != ' ';
  if (refused && (st == LCL_OK || !strstr(lcl_error_message(), c->want)))
    fail_msg("%s %s: \"%s\" instead of \"%s\"", c->op, c->attributes,
             st == LCL_OK ? "loaded" : lcl_error_message(), c->want);
  if (!refused && st != LCL_OK) fail_msg("%s %s: %s", c->op, c->attributes, lcl_error_message());
  if (!refused) {
    lcl_program *p;
    ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .guard_bands = true }, &p));
    for (int i = 0; i < n_in; i++) {
      char name[8];
      snprintf(name, sizeof name, "i%d", i);
      if (wire_is_input(in[i].kind)) feed(p, name, &in[i]);
    }
    ASSERT_OK(lcl_run(p));
    compare(p, c, lcl_onnx_output(m, 0));
    lcl_program_destroy(p);
  }
  lcl_onnx_close(m);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  wire_end(&w);
}

static void operators(void **state) {
  (void)state;
  for (size_t i = 0; i < LCL_COUNT(cases); i++) check(&cases[i]);
}

static bool has_case(const char *name) {
  for (size_t i = 0; i < LCL_COUNT(cases); i++)
    if (strcmp(cases[i].op, name) == 0) return true;
  return false;
}

static void every_operator_has_a_case(void **state) {
  (void)state;
  size_t n = 0;
  for (const char *name; (name = lcl_onnx_operator(n)) != NULL; n++) {
    if (n) assert_true(strcmp(lcl_onnx_operator(n - 1), name) < 0); /* in order, none twice */
    if (!has_case(name)) fail_msg("%s has no case", name);
  }
  assert_true(n > 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(operators),
    cmocka_unit_test(every_operator_has_a_case),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
