/* pixelrnn.cl: samples whole images from a PixelRNN (van den Oord et al. 2016) pixel by pixel,
 * keeping state: a pixel costs one step of each layer, not a forward pass. A work-group owns an
 * image; one launch samples a batch, or several one after the other.
 *
 * In reading order, for pixel (i,j), channel after channel:
 *   X = b + sum over the pixels before it of masked 7x7 taps
 *   each layer: left cell (i,j) from X and the left states of (i,j-1) and (i-1,j); what the right
 *               cell will need of X is kept; X += U (left(i,j) + right(i-1,j)) + b_u, or without
 *               residual connections X = left(i,j) + right(i-1,j)
 *   head: ReLU and 1x1 convolutions; the value is sampled from the logits by inverting their
 *   distribution function
 * and after the last pixel of a row the right cells of that row, from right to left: they feed the
 * row below only. Cells: cl/bilstm.cl. The arithmetic is that of the full forward pass, in another
 * order of summation.
 *
 * Layouts (f32; h hidden units, C maps: 2h, or h without residual connections; n_c channels, levels
 * 2 or 256, K = 1 or 256 logits a channel):
 *   weights   one array: taps (n_c*49, C), bias (C); per layer: input-to-state (C, 8h), bias (8h),
 *             left state-to-state (2h, 4h), right (2h, 4h), U (h, C), b_u (C) (residual only); per
 *             hidden head layer: (in, width), bias; then (in, n_c*K), bias. All are [in][out]; the
 *             first half of 2h is the pixel above, the second the one beside.
 *   margin    (layers, margin of cl/bilstm.cl): states left and right of the image
 *   uniform, given, out, log_p   (N,H,W,n_c); rows < given_rows of out are copied from given
 *             instead of sampled; log_p is the logarithm of the probability of the value that out
 *             has
 *   scratch   (N, SAMPLER_SIZE): see struct state
 *
 * A launch does the steps from begin to end - 1. A row has one for each value, then one for the
 * right cells of each pixel from right to left.
 *
 * Tunables:
 *   SAMPLER_V  1, 4, 8, 16     vector width; divides h, the head's width and K if K > 1; 1 on
 *              GPUs */
#ifndef SAMPLER_V
#if LCL_PANEL
#define SAMPLER_V 4
#else
#define SAMPLER_V 1
#endif
#endif

#define WIDTH SAMPLER_V
#include "lstm.cl"

typedef struct net {
  int layers, h, channels, logits, H, W, head_layers, head_width;
  int maps; /* C */
  int residual;
  int edges; /* the margin has states */
  cptr weights, margin;
  int margin_size;
} net;

/* Offsets into the weights of a layer. */
static int layer_size(const net *n) {
  return (n->maps + 1) * 8 * n->h + 16 * n->h * n->h + (n->residual ? (n->h + 1) * n->maps : 0);
}
static cptr layer_weights(const net *n, int l) {
  return n->weights + (n->channels * 49 + 1) * n->maps + (size_t)l * layer_size(n);
}

/* One image's scratch. Per layer: left h of two rows, left c of a row, right h of two rows, what
 * the right cells need of a row's X (4h each), right c. */
typedef struct state {
  gptr x, head, layer;
} state;
static int layer_state(const net *n) { return 9 * n->W * n->h + n->h; }
static state state_of(const net *n, gptr scratch, int image) {
  const int head = 2 * n->head_width + n->logits;
  gptr base = scratch + (size_t)image * (2 * n->h + head + n->layers * layer_state(n));
  state s;
  s.x = base, s.head = base + 2 * n->h, s.layer = s.head + head;
  return s;
}
static gptr left_h(const net *n, gptr layer, int row, int j) {
  return layer + ((row & 1) * n->W + j) * n->h;
}
static gptr left_c(const net *n, gptr layer, int j) { return layer + (2 * n->W + j) * n->h; }
static gptr right_h(const net *n, gptr layer, int row, int j) {
  return layer + ((3 + (row & 1)) * n->W + j) * n->h;
}
static gptr right_s(const net *n, gptr layer, int j) { return layer + (5 * n->W + 4 * j) * n->h; }
static gptr right_c(const net *n, gptr layer) { return layer + 9 * n->W * n->h; }

/* The record of what lies beside row i where direction d starts; a record of zeros without learned
 * states. */
static cptr edge(const net *n, int l, int d, int i) {
  cptr margin = n->margin + (size_t)l * n->margin_size;
  return n->edges ? margin + 8 * n->h + ((size_t)(d * n->H + i) * n->H + i) * 6 * n->h : margin;
}

static vec sigmoid(vec x) { return SPLAT(1.0f) / (SPLAT(1.0f) + exp(-x)); }
static vec tanh_of(vec x) { return SPLAT(2.0f) * sigmoid(x + x) - SPLAT(1.0f); }

/* sum += sum_k w[k][o..] x[k], rows of `stride`. */
static vec gemv(vec sum, cptr w, int stride, cptr x, int n, int rectify) {
#if !LCL_PANEL
#pragma unroll 2 /* more, in all the places where this is inlined, and GPUs run out of registers */
#endif
  for (int k = 0; k < n; k++) {
    const float v = x[k];
    sum = mad(LOAD(w + (size_t)k * stride), SPLAT(rectify && v < 0.0f ? 0.0f : v), sum);
  }
  return sum;
}

static void input_job(const net *n, cptr image, gptr x, float shift, int i, int j, int o) {
  const int C = n->maps;
  const int last = n->channels > 1 ? 3 : 2; /* taps of the row: the pixel's earlier channels too */
  vec sum = LOAD(n->weights + n->channels * 49 * C + o);
  for (int tap = 0; tap <= 21 + last; tap++) {
    const int y = i + tap / 7 - 3, z = j + tap % 7 - 3;
    if (y < 0 || z < 0 || z >= n->W) continue;
    for (int c = 0; c < n->channels; c++)
      sum = mad(LOAD(n->weights + (c * 49 + tap) * C + o),
                SPLAT(image[(y * n->W + z) * n->channels + c] + shift), sum);
  }
  STORE(sum, x + o);
}

/* Gates o,f,i,g of units u.. from p, with the states above (h) and beside (h, c); writes the new h
 * and c. above may be null. k: (2h,4h). */
static void cell(const net *n, vec p[4], cptr k, cptr above, cptr beside_h, cptr beside_c,
                 gptr to_h, gptr to_c, int u) {
  const int h = n->h;
  for (int q = 0; q < 4; q++) {
    if (above) p[q] = gemv(p[q], k + q * h + u, 4 * h, above, h, 0);
    p[q] = gemv(p[q], k + (size_t)4 * h * h + q * h + u, 4 * h, beside_h, h, 0);
  }
  const vec c = mad(sigmoid(p[1]), LOAD(beside_c + u), sigmoid(p[2]) * tanh_of(p[3]));
  STORE(c, to_c + u);
  STORE(sigmoid(p[0]) * tanh_of(c), to_h + u);
}

/* Left cell of pixel (i,j): job < h/V; or the right direction's share of X: job - h/V. */
static void layer_job(const net *n, cptr x, gptr layer, int l, int i, int j, int job) {
  const int h = n->h, units = h / SAMPLER_V, right = job >= units,
            u = (job - right * units) * SAMPLER_V;
  cptr w = layer_weights(n, l), bias = w + 8 * h * n->maps;
  vec p[4];
  for (int q = 0; q < 4; q++) {
    const int o = right * 4 * h + q * h + u;
    p[q] = gemv(LOAD(bias + o), w + o, 8 * h, x, n->maps, 0);
  }
  if (right) {
    for (int q = 0; q < 4; q++) STORE(p[q], right_s(n, layer, j) + q * h + u);
    return;
  }
  cptr start = edge(n, l, 0, i);
  cell(n, p, bias + 8 * h, i > 0 ? left_h(n, layer, i - 1, j) : 0,
       j > 0 ? left_h(n, layer, i, j - 1) : start + 5 * h,
       j > 0 ? left_c(n, layer, j - 1) : start + 4 * h, left_h(n, layer, i, j), left_c(n, layer, j),
       u);
}

/* X += U (left + right of the row above) + b_u, or X = left + right. */
static void output_job(const net *n, gptr x, gptr layer, int l, int i, int j, int o) {
  const int h = n->h, C = n->maps;
  gptr left = left_h(n, layer, i, j), right = right_h(n, layer, i - 1, j);
  vec sum;
  if (n->residual) {
    cptr u = layer_weights(n, l) + 8 * h * (C + 1) + 16 * h * h;
    sum = LOAD(x + o) + gemv(LOAD(u + C * h + o), u + o, C, left, h, 0);
    if (i > 0) sum = gemv(sum, u + o, C, right, h, 0);
  } else {
    sum = LOAD(left + o);
    if (i > 0) sum += LOAD(right + o);
  }
  STORE(sum, x + o);
}

/* Right cell of pixel (i,j) of a finished row. */
static void right_job(const net *n, gptr layer, int l, int i, int j, int u) {
  const int h = n->h;
  cptr k = layer_weights(n, l) + 8 * h * (n->maps + 1) + 8 * h * h, start = edge(n, l, 1, i);
  vec p[4];
  for (int q = 0; q < 4; q++) p[q] = LOAD(right_s(n, layer, j) + q * h + u);
  const int first = j == n->W - 1;
  cell(n, p, k, i > 0 ? right_h(n, layer, i - 1, j) : 0,
       first ? start + 5 * h : right_h(n, layer, i, j + 1),
       first ? start + 4 * h : right_c(n, layer), right_h(n, layer, i, j), right_c(n, layer), u);
}

/* Inputs of the head's layer l: X or the layer before; and the layer's weights. */
static int head_in(const net *n, int l) { return l ? n->head_width : n->maps; }
static gptr head_from(const net *n, const state *s, int l) {
  return l ? s->head + ((l - 1) & 1) * n->head_width : s->x;
}
static cptr head_weights(const net *n, int l) {
  cptr first = layer_weights(n, n->layers);
  return l ? first + (n->maps + 1) * n->head_width +
                 (size_t)(l - 1) * (n->head_width + 1) * n->head_width
           : first;
}

static void head_job(const net *n, const state *s, int l, int o) {
  const int size = head_in(n, l);
  cptr w = head_weights(n, l), bias = w + (size_t)size * n->head_width;
  STORE(gemv(LOAD(bias + o), w + o, n->head_width, head_from(n, s, l), size, 1),
        s->head + (l & 1) * n->head_width + o);
}

/* Logits of channel c; job < K/V, or one job for a single logit. */
static void logit_job(const net *n, const state *s, int c, int job) {
  const int size = head_in(n, n->head_layers), all = n->channels * n->logits;
  cptr w = head_weights(n, n->head_layers), bias = w + (size_t)size * all,
       in = head_from(n, s, n->head_layers);
  gptr logits = s->head + 2 * n->head_width;
  if (n->logits == 1) {
    float sum = bias[c];
    for (int k = 0; k < size; k++) sum = mad(w[k * all + c], in[k] < 0.0f ? 0.0f : in[k], sum);
    logits[0] = sum;
  } else {
    const int o = c * n->logits + job * SAMPLER_V;
    STORE(gemv(LOAD(bias + o), w + o, all, in, size, 1), logits + job * SAMPLER_V);
  }
}

/* log(1 + exp(x)) without overflow. */
static float softplus(float x) { return (x < 0.0f ? 0.0f : x) + log1p(exp(-fabs(x))); }

/* Samples from the logits (divided by the temperature), or takes the given value (negative: none);
 * returns the value in [0,1] and the logarithm of its probability. */
static float2 sample(const net *n, cptr logits, float inverse_t, float u, float given) {
  if (n->logits == 1) {
    const float a = logits[0] * inverse_t;
    const float value = given >= 0.0f                 ? (given > 0.5f ? 1.0f : 0.0f)
                        : u < 1.0f / (1.0f + exp(-a)) ? 1.0f
                                                      : 0.0f;
    return (float2)(value, -softplus(value > 0.5f ? -a : a));
  }
  float top = logits[0], sum = 0.0f, below = 0.0f;
  for (int k = 1; k < n->logits; k++) top = max(top, logits[k]);
  for (int k = 0; k < n->logits; k++) sum += exp((logits[k] - top) * inverse_t);
  int level = n->logits - 1;
  if (given >= 0.0f) level = clamp((int)(given * (float)(n->logits - 1) + 0.5f), 0, n->logits - 1);
  else
    for (int k = 0; k < n->logits; k++) {
      below += exp((logits[k] - top) * inverse_t);
      if (u * sum < below) {
        level = k;
        break;
      }
    }
  return (float2)((float)level / (float)(n->logits - 1),
                  (logits[level] - top) * inverse_t - log(sum));
}

/* Levels are shared out among a work-group's items, neighbours to one: a share's first and end. */
static int2 share_of(int levels) {
  const int id = (int)get_local_id(0), items = (int)get_local_size(0),
            share = (levels + items - 1) / items, begin = min(id * share, levels);
  return (int2)(begin, min(begin + share, levels));
}

static float largest_of(cptr logits, int2 share) {
  float top = -INFINITY;
  for (int k = share.x; k < share.y; k++) top = max(top, logits[k]);
  return top;
}

static float weights_of(cptr logits, float top, float inverse_t, int2 share) {
  float sum = 0.0f;
  for (int k = share.x; k < share.y; k++) sum += exp((logits[k] - top) * inverse_t);
  return sum;
}

/* sample() of many levels by a work-group, from every item's sum of weights: the item whose share
 * u falls in writes the value and the logarithm of its probability; of NaN the last one does. */
static void sample_shared(const net *n, cptr logits, float top, float inverse_t, float u,
                          float given, int2 share, local const float *sums, gptr value,
                          gptr log_p) {
  const int id = (int)get_local_id(0), items = (int)get_local_size(0), K = n->logits;
  float all = 0.0f, from = 0.0f;
  int level = -1;
  for (int i = 0; i < items; i++) {
    from = i == id ? all : from;
    all += sums[i];
  }
  const float at = u * all;
  if (given >= 0.0f) {
    if (id == 0) level = clamp((int)(given * (float)(K - 1) + 0.5f), 0, K - 1);
  } else if (share.x < share.y && !(at < from) && (at < from + sums[id] || share.y == K)) {
    float below = from;
    level = share.y - 1;
    for (int k = share.x; k < level; k++) {
      below += exp((logits[k] - top) * inverse_t);
      level = at < below ? k : level;
    }
  }
  if (level >= 0) {
    *value = (float)level / (float)(K - 1);
    *log_p = (logits[level] - top) * inverse_t - log(all);
  }
}

/* X of pixel (i,j) through all layers. out: the image so far. */
static void run_layers(const net *n, const state *s, cptr out, float shift, int i, int j) {
  FOR_JOBS(job, n->maps / SAMPLER_V) input_job(n, out, s->x, shift, i, j, job * SAMPLER_V);
  SYNC();
  for (int l = 0; l < n->layers; l++) {
    gptr layer = s->layer + (size_t)l * layer_state(n);
    FOR_JOBS(job, 2 * (n->h / SAMPLER_V)) layer_job(n, s->x, layer, l, i, j, job);
    SYNC();
    FOR_JOBS(job, n->maps / SAMPLER_V) output_job(n, s->x, layer, l, i, j, job * SAMPLER_V);
    SYNC();
  }
}

/* From X to the logits of channel c. */
static void run_head(const net *n, const state *s, int c) {
  for (int l = 0; l < n->head_layers; l++) {
    FOR_JOBS(job, n->head_width / SAMPLER_V) head_job(n, s, l, job * SAMPLER_V);
    SYNC();
  }
  FOR_JOBS(job, n->logits == 1 ? 1 : n->logits / SAMPLER_V) logit_job(n, s, c, job);
  SYNC();
}

/* The right cells of pixel (i,j), of all layers. */
static void finish_pixel(const net *n, const state *s, int i, int j) {
  const int units = n->h / SAMPLER_V;
  FOR_JOBS(job, n->layers * units) {
    const int l = job / units;
    right_job(n, s->layer + (size_t)l * layer_state(n), l, i, j, job % units * SAMPLER_V);
  }
  SYNC();
}

static net net_of(sampler_sizes z, cptr weights, cptr margin) {
  net n;
  n.layers = z.layers, n.h = z.hidden, n.channels = z.channels, n.logits = z.logits;
  n.H = z.height, n.W = z.width, n.head_layers = z.head_layers, n.head_width = z.head_width;
  n.maps = z.residual ? 2 * n.h : n.h, n.residual = z.residual, n.edges = z.edges;
  n.weights = weights, n.margin = margin, n.margin_size = z.margin_size;
  return n;
}

__kernel void pixelrnn_sample(cptr weights, cptr margin, cptr uniform, cptr given, gptr out,
                              gptr log_p, gptr scratch, const sampler_sizes z, const float shift,
                              const float inverse_t) {
#if !LCL_PANEL
  local float tops[64], sums[64]; /* of the work-items, of which a group has no more */
#endif
  const net n = net_of(z, weights, margin);
  const int image = (int)get_group_id(0);
  const state s = state_of(&n, scratch, image);
  const size_t first = (size_t)image * n.H * n.W * n.channels;
  /* Masked weights are zero, but what they meet has to be finite. */
  if (z.begin == 0)
    FOR_JOBS(e, n.H * n.W * n.channels) out[first + e] = 0.0f;
  SYNC();
  const int values = n.W * n.channels, steps = values + n.W; /* of a row */
  for (int i = z.begin / steps; i * steps < z.end; i++) {
    const int begin = z.begin - i * steps, end = z.end - i * steps;
    for (int pixel = max(begin, 0); pixel < min(end, values); pixel++) {
      const int j = pixel / n.channels, c = pixel % n.channels;
      const size_t at = first + (size_t)i * values + pixel;
      run_layers(&n, &s, out + first, shift, i, j);
      run_head(&n, &s, c);
      cptr logits = s.head + 2 * n.head_width;
      const float known = i < z.given_rows ? given[at] : -1.0f;
#if !LCL_PANEL
      /* Also for a single logit, which needs none: PoCL wants barriers that all paths meet. */
      const int2 share = share_of(n.logits);
      tops[get_local_id(0)] = largest_of(logits, share);
      barrier(CLK_LOCAL_MEM_FENCE);
      float top = tops[0];
      for (int k = 1; k < (int)get_local_size(0); k++) top = max(top, tops[k]);
      sums[get_local_id(0)] = weights_of(logits, top, inverse_t, share);
      barrier(CLK_LOCAL_MEM_FENCE);
      if (n.logits > 1)
        sample_shared(&n, logits, top, inverse_t, uniform[at], known, share, sums, out + at,
                      log_p + at);
#endif
      FOR_JOBS(job, LCL_PANEL || n.logits == 1) {
        const float2 v = sample(&n, logits, inverse_t, uniform[at], known);
        out[at] = v.x;
        log_p[at] = v.y;
      }
      SYNC();
    }
    for (int j = max(begin, values); j < min(end, steps); j++)
      finish_pixel(&n, &s, i, steps - 1 - j);
  }
}
