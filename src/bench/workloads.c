/* The table of workloads. A name means the same work everywhere, so that results of different
 * machines compare. */
#include "bench/bench.h"

#define OP(suite_, name_, op_, attrs_, shapes_, text)                                              \
  {                                                                                                \
    .name = name_, .suite = suite_, .description = text, .kind = LCL_WORK_OP, .op = op_,           \
    .attrs = attrs_, .shapes = shapes_                                                             \
  }
#define GRAD(suite_, name_, op_, attrs_, shapes_, of, text)                                        \
  {                                                                                                \
    .name = name_, .suite = suite_, .description = text, .kind = LCL_WORK_OP, .op = op_,           \
    .attrs = attrs_, .shapes = shapes_, .gradient = of + 1                                         \
  }
#define STEP(name_, model_, options_, n, u, c, h, w, text)                                         \
  {                                                                                                \
    .name = name_, .suite = "steps", .description = text, .kind = LCL_WORK_STEP,                   \
    .run = lcl__bench_step, .model = model_, .options = options_, .batch = n,                      \
    .unlabelled_batch = u, .channels = c, .height = h, .width = w                                  \
  }
/* Operands of products in half precision. */
#define HALF_OP(name_, op_, attrs_, shapes_, of, text)                                             \
  {                                                                                                \
    .name = name_, .suite = "half", .description = text, .kind = LCL_WORK_OP, .op = op_,           \
    .attrs = attrs_, .shapes = shapes_, .gradient = of + 1, .half = true                           \
  }
#define HALF_STEP(name_, model_, options_, n, u, c, h, w, text)                                    \
  {                                                                                                \
    .name = name_, .suite = "half", .description = text, .kind = LCL_WORK_STEP,                    \
    .run = lcl__bench_step, .model = model_, .options = "precision=f16" options_, .batch = n,      \
    .unlabelled_batch = u, .channels = c, .height = h, .width = w                                  \
  }
#define PROBE(name_, run_, variant_, text)                                                         \
  {                                                                                                \
    .name = name_, .suite = "device", .description = text, .kind = LCL_WORK_PROBE, .run = run_,    \
    .variant = variant_                                                                            \
  }
#define LAUNCH(name_, run_, variant_, text)                                                        \
  {                                                                                                \
    .name = name_, .suite = "launch", .description = text, .kind = LCL_WORK_PROBE, .run = run_,    \
    .variant = variant_                                                                            \
  }
#define GROW(name_, options_, n, side, text)                                                       \
  {                                                                                                \
    .name = name_, .suite = "pixelrnn", .description = text, .kind = LCL_WORK_STEP,                \
    .run = lcl__bench_step, .model = "pixelrnn", .options = options_, .batch = n, .channels = 1,   \
    .height = side, .width = side                                                                  \
  }
#define SAMPLE(name_, variant_, n, text)                                                           \
  {                                                                                                \
    .name = name_, .suite = "sample", .description = text, .kind = LCL_WORK_CUSTOM,                \
    .run = lcl__bench_sample, .variant = variant_, .batch = n, .channels = 1, .height = 28,        \
    .width = 28                                                                                    \
  }
/* Shapes of Baidu's DeepBench convolution problems: image n x c x h x w, k filters r x s. */
#define DEEP(n, c, h, w, k, r, s, pad, stride)                                                     \
  OP("deepbench", "deepbench-" #n "x" #c "x" #h "x" #w "-" #k "x" #r "x" #s, "conv2d",             \
     "pad=" pad " stride=" stride, #n "x" #c "x" #h "x" #w " " #k "x" #c "x" #r "x" #s,            \
     "DeepBench convolution forward")

const lcl_workload lcl__workloads[] = {
  PROBE("peak-f32", lcl__probe_flops, 16,
        "FMAs in vectors of 16 floats: the arithmetic the device can do at best"),
  PROBE("peak-f32x8", lcl__probe_flops, 8, "the same in vectors of 8"),
  PROBE("peak-f32x4", lcl__probe_flops, 4, "the same in vectors of 4"),
  PROBE("peak-f32x1", lcl__probe_flops, 1,
        "the same, one float an item: what the compiler makes of scalar code"),
  PROBE("peak-f16", lcl__probe_flops, -1, "FMAs on halves, where the device has them"),
  PROBE("read", lcl__probe_bandwidth, 6, "reading 128 MB of global memory over and over"),
  PROBE("copy", lcl__probe_bandwidth, 7, "copying 64 MB to 64 MB, read and written bytes counted"),
  PROBE("read-8M", lcl__probe_bandwidth, 4,
        "reading 8 MB over and over: the last cache, where it holds them"),
  PROBE("read-1M", lcl__probe_bandwidth, 2, "reading 1 MB over and over: the second-level caches"),
  PROBE("read-128K", lcl__probe_bandwidth, 0,
        "reading 128 kB over and over: the caches next to the arithmetic"),
  PROBE("copy-1M", lcl__probe_bandwidth, 3,
        "copying half a MB to another, read and written bytes counted"),
  PROBE("local", lcl__probe_local, 0, "reading local memory, four bytes at a time"),
  PROBE("latency", lcl__probe_latency, 3, "one dependent read from 64 MB of global memory"),
  PROBE("latency-1M", lcl__probe_latency, 1, "one dependent read from 1 MB"),
  PROBE("upload", lcl__probe_transfer, 0, "16 MB from the host to the device"),
  PROBE("download", lcl__probe_transfer, 1, "16 MB from the device to the host"),
  PROBE("upload-4", lcl__probe_transfer, 2,
        "four bytes from the host to the device, waited for: latency"),
  PROBE("download-4", lcl__probe_transfer, 3, "four bytes from the device to the host: latency"),
  LAUNCH("launch-wait", lcl__probe_launch, 0,
         "waiting on an idle queue: what every read-back costs beside the transfer"),
  LAUNCH("launch-raw", lcl__probe_launch, 1,
         "a small kernel among 1000 that a plain loop enqueues"),
  LAUNCH("launch-replay", lcl__probe_launch, 2,
         "the same among 1000 of a launch list, as programs run them"),
  LAUNCH("launch-ratio", lcl__probe_launch, 3, "launch-replay / launch-raw"),
  LAUNCH("launch-command-buffer", lcl__probe_launch, 4,
         "the same in a recorded cl_khr_command_buffer, where there is one"),
  LAUNCH("start-cold", lcl__probe_start, 0,
         "building a program of 50 kernels that is in no cache of ours"),
  LAUNCH("start-warm", lcl__probe_start, 1, "the same from the cache, in a new context"),

  OP("gemm", "gemm-64", "matmul", "", "64x64 64x64", "C = A B, square"),
  OP("gemm", "gemm-256", "matmul", "", "256x256 256x256", "C = A B, square"),
  OP("gemm", "gemm-512", "matmul", "", "512x512 512x512", "C = A B, square"),
  OP("gemm", "gemm-1024", "matmul", "", "1024x1024 1024x1024", "C = A B, square"),
  OP("gemm", "gemm-100x784x1000", "matmul", "transpose_b=1", "100x784 1000x784",
     "first layer of the ladder network, batch 100"),
  OP("gemm", "gemm-250x1200x1200", "matmul", "transpose_b=1", "250x1200 1200x1200",
     "hidden layer of IMSAT, batch 250"),
  OP("gemm", "gemm-250x1200x1200-nn", "matmul", "", "250x1200 1200x1200", "its input gradient"),
  OP("gemm", "gemm-1200x250x1200-tn", "matmul", "transpose_a=1", "250x1200 250x1200",
     "its weight gradient"),
  OP("gemm", "gemm-100x1536x128", "matmul", "transpose_b=1", "100x1536 128x1536",
     "fully-connected layer of the semantic-noise network"),
  OP("gemm", "gemm-100x128x10", "matmul", "transpose_b=1", "100x128 10x128",
     "logits layer: too small to be worth packing"),

  OP("conv", "conv3x3-b32-64-64-32", "conv2d", "pad=1", "32x64x32x32 64x64x3x3",
     "3x3, 64 to 64 maps on 32x32, batch 32"),
  GRAD("conv", "conv3x3-b32-64-64-32-dx", "conv2d", "pad=1", "32x64x32x32 64x64x3x3", 0,
       "its input gradient"),
  GRAD("conv", "conv3x3-b32-64-64-32-dw", "conv2d", "pad=1", "32x64x32x32 64x64x3x3", 1,
       "its filter gradient"),
  OP("conv", "conv3x3-b32-512-512-4", "conv2d", "pad=1", "32x512x4x4 512x512x3x3",
     "3x3, 512 to 512 maps on 4x4, batch 32"),
  GRAD("conv", "conv3x3-b32-512-512-4-dx", "conv2d", "pad=1", "32x512x4x4 512x512x3x3", 0,
       "its input gradient"),
  GRAD("conv", "conv3x3-b32-512-512-4-dw", "conv2d", "pad=1", "32x512x4x4 512x512x3x3", 1,
       "its filter gradient"),
  OP("conv", "semantic-conv1", "conv2d", "pad=same stride=2", "100x1x28x28 32x1x3x3",
     "first layer of the semantic-noise network"),
  GRAD("conv", "semantic-conv1-dx", "conv2d", "pad=same stride=2", "100x1x28x28 32x1x3x3", 0,
       "its input gradient"),
  GRAD("conv", "semantic-conv1-dw", "conv2d", "pad=same stride=2", "100x1x28x28 32x1x3x3", 1,
       "its filter gradient"),
  OP("conv", "semantic-conv2", "conv2d", "pad=same stride=2", "100x32x14x14 64x32x3x3",
     "second layer"),
  OP("conv", "semantic-conv3", "conv2d", "pad=same stride=2", "100x64x7x7 96x64x3x3",
     "third layer"),
  GRAD("conv", "semantic-conv2-dx", "conv2d", "pad=same stride=2", "100x32x14x14 64x32x3x3", 0,
       "its input gradient: the tied decoder"),
  GRAD("conv", "semantic-conv2-dw", "conv2d", "pad=same stride=2", "100x32x14x14 64x32x3x3", 1,
       "its filter gradient"),
  OP("conv", "augconv-conv1", "conv2d", "", "128x1x28x28 20x1x5x5", "5x5 on digits, batch 128"),
  OP("conv", "augconv-conv2", "conv2d", "", "128x20x12x12 40x20x5x5", "5x5, 20 to 40 maps"),
  OP("conv", "augconv-large", "conv2d", "pad=same", "128x20x12x12 20x20x11x11",
     "the large receptive field, 11x11"),
  OP("conv", "pixelrnn-1x1", "conv2d", "", "16x32x28x28 64x32x1x1",
     "input-to-state convolution of PixelRNN"),
  OP("conv", "pixelrnn-mask-a", "masked_conv2d", "type=A pad=3", "16x1x28x28 32x1x7x7",
     "masked 7x7 input convolution of PixelRNN"),
  DEEP(16, 1, 480, 48, 16, 3, 3, "1", "1"),
  DEEP(16, 16, 240, 24, 32, 3, 3, "1", "1"),
  DEEP(16, 32, 120, 12, 64, 3, 3, "1", "1"),
  DEEP(16, 64, 60, 6, 128, 3, 3, "1", "1"),
  DEEP(8, 3, 108, 108, 64, 3, 3, "1", "2"),
  DEEP(8, 64, 54, 54, 64, 3, 3, "1", "1"),
  DEEP(8, 128, 27, 27, 128, 3, 3, "1", "1"),
  DEEP(8, 128, 14, 14, 256, 3, 3, "1", "1"),
  DEEP(8, 256, 7, 7, 512, 3, 3, "1", "1"),
  DEEP(8, 3, 224, 224, 64, 3, 3, "1", "1"),
  DEEP(8, 64, 112, 112, 128, 3, 3, "1", "1"),
  DEEP(8, 128, 56, 56, 256, 3, 3, "1", "1"),
  DEEP(8, 256, 28, 28, 512, 3, 3, "1", "1"),
  DEEP(8, 512, 14, 14, 512, 3, 3, "1", "1"),
  DEEP(8, 512, 7, 7, 512, 3, 3, "1", "1"),
  DEEP(16, 3, 224, 224, 64, 7, 7, "3", "2"),
  DEEP(16, 192, 28, 28, 32, 5, 5, "2", "1"),
  DEEP(16, 192, 28, 28, 64, 1, 1, "0", "1"),
  DEEP(16, 512, 14, 14, 48, 5, 5, "2", "1"),
  DEEP(16, 832, 7, 7, 256, 1, 1, "0", "1"),
  DEEP(4, 1, 161, 700, 32, 5, 20, "0", "2"),
  DEEP(4, 32, 79, 341, 32, 5, 10, "0", "2"),

  OP("recurrent", "bilstm-b16-16-28", "diagonal_bilstm", "",
     "16x64x28x28 16x64x28x28 2x64x16 2x64x16",
     "Diagonal BiLSTM layer, 16 hidden units, 28x28, batch 16"),
  GRAD("recurrent", "bilstm-b16-16-28-dk", "diagonal_bilstm", "",
       "16x64x28x28 16x64x28x28 2x64x16 2x64x16", 2, "the layer and its backward pass"),
  OP("recurrent", "bilstm-b16-32-28", "diagonal_bilstm", "",
     "16x128x28x28 16x128x28x28 2x128x32 2x128x32", "the same with 32 hidden units"),
  OP("recurrent", "bilstm-b16-16-64", "diagonal_bilstm", "",
     "16x64x64x64 16x64x64x64 2x64x16 2x64x16", "16 hidden units on 64x64"),

  OP("fft", "fft-b16-8-28-k11", "fft_conv2d", "pad=same", "16x8x28x28 8x8x11x11",
     "11x11 filter by Fourier transform"),
  OP("fft", "fft-b16-8-28-k19", "fft_conv2d", "pad=same", "16x8x28x28 8x8x19x19",
     "19x19 filter by Fourier transform"),
  OP("fft", "conv-b16-8-28-k19", "conv2d", "pad=same", "16x8x28x28 8x8x19x19",
     "the same as ordinary convolution: what is chosen"),

  OP("perturb", "softmax-b250-10", "log_softmax", "axis=1", "250x10",
     "log-softmax of a batch of logits"),
  OP("perturb", "batch-norm-250x1200", "batch_norm", "", "250x1200 1200 1200",
     "batch norm of a hidden layer"),
  OP("perturb", "batch-norm-32x64x32x32", "batch_norm", "", "32x64x32x32 64 64",
     "batch norm of a feature map"),
  OP("perturb", "random-normal-1M", "random_normal", "shape=1000000", "",
     "a million normal numbers"),
  OP("perturb", "relu-1M", "relu", "", "1000x1000",
     "an element-wise operation on a million numbers"),
  OP("perturb", "tanh-1M", "tanh", "", "1000x1000", "hyperbolic tangent of a million numbers"),
  OP("perturb", "sum-1M", "sum", "", "1000x1000", "the sum of a million numbers"),

  HALF_OP("gemm-1024-f16", "matmul", "", "1024x1024 1024x1024", -1,
          "C = A B, square, A and B in half precision"),
  HALF_OP("conv3x3-b32-64-64-32-f16", "conv2d", "pad=1", "32x64x32x32 64x64x3x3", -1,
          "3x3, 64 to 64 maps on 32x32, operands in half precision"),
  HALF_OP("conv3x3-b32-64-64-32-dx-f16", "conv2d", "pad=1", "32x64x32x32 64x64x3x3", 0,
          "its input gradient"),
  HALF_OP("conv3x3-b32-64-64-32-dw-f16", "conv2d", "pad=1", "32x64x32x32 64x64x3x3", 1,
          "its filter gradient"),
  HALF_STEP("semantic-mnist-b100-f16", "semantic-noise", "", 100, 0, 1, 28, 28,
            "semantic-mnist-b100, operands of products in half precision"),
  HALF_STEP("ladder-b100-f16", "ladder", "", 100, 100, 1, 28, 28, "ladder-b100 likewise"),
  HALF_STEP("vgg-cifar-b32-f16", "augconv", " arch=vgg", 32, 0, 3, 32, 32,
            "vgg-cifar-b32 likewise"),

  STEP("semantic-mnist-b100", "semantic-noise", "", 100, 0, 1, 28, 28,
       "training step, semantic-noise model on digits, batch 100"),
  STEP("imsat-vat-b250", "imsat", "", 250, 0, 1, 28, 28,
       "training step, IMSAT (VAT), 784-1200-1200-10, batch 250"),
  STEP("ladder-b100", "ladder", "", 100, 100, 1, 28, 28,
       "training step, ladder network, 100 labelled + 100 unlabelled"),
  STEP("pixelrnn-1x16-b16", "pixelrnn", "layers=1 hidden=16 head_layers=1", 16, 0, 1, 28, 28,
       "training step, PixelRNN, one Diagonal BiLSTM layer"),
  STEP("pixelrnn-7x16-b16", "pixelrnn", "layers=7 hidden=16 head_layers=1", 16, 0, 1, 28, 28,
       "training step, PixelRNN, seven layers"),
  STEP("vgg-cifar-b32", "augconv", "arch=vgg", 32, 0, 3, 32, 32,
       "training step, 13-layer VGG on 32x32 colour images, batch 32"),

  /* How a step of PixelRNN grows: from pixelrnn-1x16-b16, one size at a time. */
  GROW("pixelrnn-2x16-b16", "layers=2 hidden=16 head_layers=1", 16, 28,
       "step of PixelRNN: two layers"),
  GROW("pixelrnn-4x16-b16", "layers=4 hidden=16 head_layers=1", 16, 28,
       "step of PixelRNN: four layers"),
  GROW("pixelrnn-1x32-b16", "layers=1 hidden=32 head_layers=1", 16, 28,
       "step of PixelRNN: 32 hidden units"),
  GROW("pixelrnn-1x64-b16", "layers=1 hidden=64 head_layers=1", 16, 28,
       "step of PixelRNN: 64 hidden units"),
  GROW("pixelrnn-1x16-b1", "layers=1 hidden=16 head_layers=1", 1, 28,
       "step of PixelRNN: one image"),
  GROW("pixelrnn-1x16-b4", "layers=1 hidden=16 head_layers=1", 4, 28, "step of PixelRNN: 4 images"),
  GROW("pixelrnn-1x16-b64", "layers=1 hidden=16 head_layers=1", 64, 28,
       "step of PixelRNN: 64 images"),
  GROW("pixelrnn-1x16-b16-s8", "layers=1 hidden=16 head_layers=1", 16, 8,
       "step of PixelRNN: images of 8 x 8"),
  GROW("pixelrnn-1x16-b16-s16", "layers=1 hidden=16 head_layers=1", 16, 16,
       "step of PixelRNN: images of 16 x 16"),
  GROW("pixelrnn-1x16-b16-s64", "layers=1 hidden=16 head_layers=1", 16, 64,
       "step of PixelRNN: images of 64 x 64"),
  GROW("pixelrnn-1x16-b16-bn", "layers=1 hidden=16 batch_norm=true head_layers=1", 16, 28,
       "step of PixelRNN: with batch norm"),

  { .name = "epoch-png-b100",
    .suite = "epoch",
    .description = "an epoch from disk: 5000 PNG files of 48x48 opened, moved and mirrored, a "
                   "small convolutional network "
                   "trained on them and evaluated on 1000 more",
    .kind = LCL_WORK_CUSTOM,
    .run = lcl__bench_epoch,
    .model = "augconv",
    .batch = 100 },

  SAMPLE("pixelrnn-sample-1x16-n64", 0, 64,
         "sample 64 whole 28x28 images pixel by pixel, one layer"),
  SAMPLE("pixelrnn-forward-1x16-n64", 1, 64,
         "one forward pass of the same 64: sampling without state takes 784 of them"),
};
const size_t lcl__n_workloads = LCL_COUNT(lcl__workloads);
