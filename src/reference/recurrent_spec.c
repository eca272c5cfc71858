/* The entries of the LSTM cell and the Diagonal BiLSTM. */
#include "latentcl/ops.h"
#include "reference/families.h"
#include "reference/recurrent_bound.h"

/* ---- cell ---- */

static lcl_status cell_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                             lcl_tensor **out) {
  (void)c, (void)g;
  lcl_lstm_cell(in[0], in[1], &out[0], &out[1]);
  return LCL_OK;
}

/* c_prev (N,h,...): batch, hidden, product of the rest. */
static void cell_sizes(const lcl_case *c, int64_t *n, int64_t *h, int64_t *cells) {
  const lcl_shape s = c->in[1].shape;
  *n = s.dim[0], *h = s.dim[1], *cells = 1;
  for (int i = 2; i < s.rank; i++) *cells *= s.dim[i];
}

static lcl_status cell_forward(lcl_case *c) {
  int64_t n, h, cells;
  cell_sizes(c, &n, &h, &cells);
  for (int k = 0; k < 2; k++) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[1].shape, &c->out[k]));
  lcl__ref_lstm_cell(n, h, cells, c->in[0].data, c->in[1].data, c->out[0].data, c->out[1].data);
  return LCL_OK;
}

static lcl_status cell_backward(lcl_case *c) {
  int64_t n, h, cells;
  cell_sizes(c, &n, &h, &cells);
  for (int k = 0; k < 2; k++) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_in[k]));
  lcl__ref_lstm_cell_grad(n, h, cells, c->in[0].data, c->in[1].data, c->grad_out[0].data,
                          c->grad_out[1].data, c->grad_in[0].data, c->grad_in[1].data);
  return LCL_OK;
}

static lcl_status cell_bound(lcl_case *c) {
  int64_t n, h, cells;
  cell_sizes(c, &n, &h, &cells);
  for (int k = 0; k < 2; k++) {
    LCL_TRY(lcl__array_new(c, LCL_F32, c->in[1].shape, &c->out_bound[k]));
    if (c->grad_in[0].data) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_bound[k]));
  }
  lcl__lstm_cell_bound(n, h, cells, c->in[0].data, c->in[1].data, c->grad_out[0].data,
                       c->grad_out[1].data, c->out_bound[0].data, c->out_bound[1].data,
                       c->grad_bound[0].data, c->grad_bound[1].data);
  return LCL_OK;
}

static void cell_random(lcl_case *c, lcl_rng *r) {
  c->in[1].shape = lcl__rng_shape(r, 2 + (int)lcl__rng_below(r, 3), c->small ? 100 : 2000);
  c->in[0].shape = c->in[1].shape;
  c->in[0].shape.dim[1] *= 4;
}

/* ---- Diagonal BiLSTM: inputs s_left s_right k_left k_right h0_left c0_left h0_right c0_right pad
 * ---- */

static lcl_status bilstm_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                               lcl_tensor **out) {
  const lcl_bilstm_state init = { in[4], in[5], in[6],
                                  in[7], in[8], lcl__case_attr(c, "freeze")->i[0] };
  (void)g;
  out[0] = lcl_diagonal_bilstm(in[0], in[1], in[2], in[3], &init);
  return LCL_OK;
}

static lcl_ref_bilstm layer_of(const lcl_case *c) {
  const lcl_shape s = c->in[0].shape;
  return (lcl_ref_bilstm) { .n = s.dim[0],
                            .hidden = s.dim[1] / 4,
                            .height = s.dim[2],
                            .width = s.dim[3],
                            .s = { c->in[0].data, c->in[1].data },
                            .k = { c->in[2].data, c->in[3].data },
                            .h0 = { c->in[4].data, c->in[6].data },
                            .c0 = { c->in[5].data, c->in[7].data },
                            .pad = c->in[8].data,
                            .freeze = lcl__case_attr(c, "freeze")->i[0] };
}

static lcl_ref_bilstm_grad pointers(const lcl_array *a) {
  return (lcl_ref_bilstm_grad) { .s = { a[0].data, a[1].data },
                                 .k = { a[2].data, a[3].data },
                                 .h0 = { a[4].data, a[6].data },
                                 .c0 = { a[5].data, a[7].data },
                                 .pad = a[8].data };
}

static lcl_shape result_shape(const lcl_case *c) {
  lcl_shape s = c->in[0].shape;
  s.dim[1] /= 4;
  return s;
}

static lcl_status bilstm_forward(lcl_case *c) {
  const lcl_ref_bilstm d = layer_of(c);
  LCL_TRY(lcl__array_new(c, LCL_F32, result_shape(c), &c->out[0]));
  return lcl__ref_diagonal_bilstm(&d, c->out[0].data);
}

static lcl_status like_inputs(lcl_case *c, lcl_array *to) {
  for (int k = 0; k < LCL_SPEC_INS; k++)
    if (c->in[k].data) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &to[k]));
  return LCL_OK;
}

static lcl_status bilstm_backward(lcl_case *c) {
  const lcl_ref_bilstm d = layer_of(c);
  LCL_TRY(like_inputs(c, c->grad_in));
  const lcl_ref_bilstm_grad to = pointers(c->grad_in);
  return lcl__ref_diagonal_bilstm_grad(&d, c->grad_out[0].data, &to);
}

static lcl_status bilstm_bound(lcl_case *c) {
  const lcl_ref_bilstm d = layer_of(c);
  LCL_TRY(lcl__array_new(c, LCL_F32, result_shape(c), &c->out_bound[0]));
  if (c->grad_in[0].data) LCL_TRY(like_inputs(c, c->grad_bound));
  const lcl_ref_bilstm_grad to = pointers(c->grad_bound);
  return lcl__diagonal_bilstm_bound(&d, c->grad_out[0].data, c->out_bound[0].data, &to);
}

/* A bound on the rounding errors grows from column to column by the sum of a row of |k|: keep that
 * near 1. */
static void bilstm_ranges(lcl_case *c) {
  c->range[2] = c->range[3] = 1.0 / (double)c->in[2].shape.dim[2];
}

static void bilstm_random(lcl_case *c, lcl_rng *r) {
  static const int8_t hidden[] = { 1, 2, 3, 4, 5, 7, 8, 16, 17, 32 };
  const int64_t n = lcl__rng_size(r, 3), size = c->small ? 4 : 9;
  const bool least = r->sizes == LCL_SIZES_ONE;
  const int64_t h = hidden[lcl__rng_below(r, least      ? 1
                                             : c->small ? 5
                                                        : (int64_t)LCL_COUNT(hidden))];
  const int64_t height = lcl__rng_size(r, size), width = lcl__rng_size(r, size);
  c->in[0].shape = c->in[1].shape = LCL_SHAPE(n, 4 * h, height, width);
  c->in[2].shape = c->in[3].shape = LCL_SHAPE(2, 4 * h, h);
  if (lcl__rng_chance(r, 50))
    for (int k = 4; k < 8; k++) c->in[k].shape = LCL_SHAPE(h, height);
  const int64_t beside = lcl__rng_below(r, 3); /* evolve, freeze, evolve with a bias */
  c->attr[0] = (lcl_attr) { .n = 1, .i = { beside == 1 } };
  if (beside == 2) c->in[8].shape = LCL_SHAPE(8 * h);
  c->integers = false; /* whole numbers would saturate every gate */
}

const lcl_spec lcl__recurrent_specs[] = {
  { .name = "lstm_cell",
    .summary = "one LSTM step",
    .notes = "p (N,4h,...) pre-activations of the gates o,f,i,g along axis 1, c_prev (N,h,...) -> "
             "h and c (N,h,...) with\n"
             "c = sigmoid(f)*c_prev + sigmoid(i)*tanh(g), h = sigmoid(o)*tanh(c).",
    .in = { { .name = "p" }, { .name = "c_prev" } },
    .out = { "h", "c" },
    .flags = LCL_SPEC_GENERATED | LCL_SPEC_FINITE,
    .build = cell_build,
    .forward = cell_forward,
    .backward = cell_backward,
    .bound = cell_bound,
    .random = cell_random },
  { .name = "diagonal_bilstm",
    .summary = "PixelRNN's Diagonal BiLSTM layer",
    .notes = "s_left, s_right (N,4h,H,W): input-to-state maps of both directions in image "
             "coordinates (not mirrored, not\n"
             "skewed), gates o,f,i,g along the channels. k_left, k_right (2,4h,h): "
             "state-to-state, [0] for the row above,\n"
             "[1] for the row itself. h0_*, c0_* (h,H): initial states (zero when left out; all "
             "or none).\n"
             "Result (N,h,H,W): the left map plus the right map moved down by one row. The right "
             "direction walks the\n"
             "mirrored image. Cells beside the image run with s = pad (8h, left o,f,i,g then "
             "right; zero when left out), or\n"
             "with freeze keep the initial state.",
    .in = { { .name = "s_left" },
            { .name = "s_right" },
            { .name = "k_left" },
            { .name = "k_right" },
            { .name = "h0_left", .optional = true },
            { .name = "c0_left", .optional = true },
            { .name = "h0_right", .optional = true },
            { .name = "c0_right", .optional = true },
            { .name = "pad", .optional = true } },
    .attr = { { "freeze", LCL_ATTR_BOOL, "false", "cells beside the image keep their state",
                NULL } },
    .out = { "y" },
    .flags = LCL_SPEC_FINITE,
    .build = bilstm_build,
    .forward = bilstm_forward,
    .backward = bilstm_backward,
    .bound = bilstm_bound,
    .random = bilstm_random,
    .ranges = bilstm_ranges },
};
const size_t lcl__recurrent_spec_count = LCL_COUNT(lcl__recurrent_specs);
