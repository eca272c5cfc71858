/* LSTM cell and the Diagonal BiLSTM layer (van den Oord et al. 2016, section 3.3), forward and
 * through time.
 *
 * Column t of the skewed map holds pixel (i, t-i) in row i. The state of column t-1 gives a row its
 * left neighbour (row i) and the pixel above it (row i-1). Cells beside the image run too, with an
 * input of zero or a bias, or keep their state.
 */
#include "reference/reference.h"

#include <math.h>

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

/* Gates and result of one unit. */
typedef struct unit {
  double o, f, i, g, c_prev, c, tanh_c;
} unit;

static unit unit_forward(double po, double pf, double pi, double pg, double c_prev) {
  unit u = {
    .o = sigmoid(po), .f = sigmoid(pf), .i = sigmoid(pi), .g = tanh(pg), .c_prev = c_prev
  };
  u.c = u.f * c_prev + u.i * u.g;
  u.tanh_c = tanh(u.c);
  return u;
}

/* dp: gradients of the four pre-activations; returns the gradient of c_prev. gh, gc: of h =
 * o*tanh(c) and of c. */
static double unit_backward(const unit *u, double gh, double gc, double dp[4]) {
  gc += gh * u->o * (1 - u->tanh_c * u->tanh_c);
  dp[0] = gh * u->tanh_c * u->o * (1 - u->o);
  dp[1] = gc * u->c_prev * u->f * (1 - u->f);
  dp[2] = gc * u->g * u->i * (1 - u->i);
  dp[3] = gc * u->i * (1 - u->g * u->g);
  return gc * u->f;
}

void lcl__ref_lstm_cell(int64_t n, int64_t h, int64_t cells, const double *p, const double *c_prev,
                        double *h_out, double *c_out) {
  for (int64_t b = 0; b < n; b++)
    for (int64_t k = 0; k < h * cells; k++) {
      const double *pre = p + b * 4 * h * cells + k;
      const unit u = unit_forward(pre[0], pre[h * cells], pre[2 * h * cells], pre[3 * h * cells],
                                  c_prev[b * h * cells + k]);
      h_out[b * h * cells + k] = u.o * u.tanh_c;
      c_out[b * h * cells + k] = u.c;
    }
}

void lcl__ref_lstm_cell_grad(int64_t n, int64_t h, int64_t cells, const double *p,
                             const double *c_prev, const double *gh, const double *gc, double *gp,
                             double *gc_prev) {
  for (int64_t b = 0; b < n; b++)
    for (int64_t k = 0; k < h * cells; k++) {
      const int64_t at = b * h * cells + k, gate = b * 4 * h * cells + k;
      const double *pre = p + gate;
      const unit u = unit_forward(pre[0], pre[h * cells], pre[2 * h * cells], pre[3 * h * cells],
                                  c_prev[at]);
      double dp[4];
      gc_prev[at] = unit_backward(&u, gh ? gh[at] : 0, gc ? gc[at] : 0, dp);
      for (int q = 0; q < 4; q++) gp[gate + q * h * cells] = dp[q];
    }
}

/* ---- one direction of one image ---- */

/* What forward keeps for backward: h of every column (one more in front: the initial state) and the
 * units. */
typedef struct trace {
  double *h;   /* (columns+1, height, hidden) */
  unit *units; /* (columns, height, hidden) */
} trace;

typedef struct walk {
  int64_t hidden, height, width, columns;
  bool mirrored, freeze;
  const double *s, *k, *pad; /* s of this image: (4*hidden, height, width); pad of this direction */
} walk;

/* Index into a (4*hidden,height,width) map of gate row `gate` at skewed cell (row, column); -1
 * beside the image. */
static int64_t cell_index(const walk *w, int64_t gate, int64_t row, int64_t column) {
  const int64_t x = column - row;
  if (x < 0 || x >= w->width) return -1;
  return (gate * w->height + row) * w->width + (w->mirrored ? w->width - 1 - x : x);
}

/* Pre-activation of gate row `gate`: s + K0 h[row above] + K1 h[row], both of the previous column.
 */
static double preactivation(const walk *w, const double *h_prev, int64_t gate, int64_t row,
                            int64_t column) {
  const int64_t at = cell_index(w, gate, row, column);
  double p = at >= 0 ? w->s[at] : column < row && w->pad ? w->pad[gate] : 0;
  for (int64_t j = 0; j < w->hidden; j++) {
    if (row > 0) p += w->k[gate * w->hidden + j] * h_prev[(row - 1) * w->hidden + j];
    p += w->k[(4 * w->hidden + gate) * w->hidden + j] * h_prev[row * w->hidden + j];
  }
  return p;
}

static void walk_forward(const walk *w, const double *h0, const double *c0, trace *tr) {
  const int64_t state = w->height * w->hidden;
  for (int64_t row = 0; row < w->height; row++)
    for (int64_t j = 0; j < w->hidden; j++)
      tr->h[row * w->hidden + j] = h0 ? h0[j * w->height + row] : 0;
  for (int64_t t = 0; t < w->columns; t++)
    for (int64_t row = 0; row < w->height; row++)
      for (int64_t j = 0; j < w->hidden; j++) {
        const int64_t at = row * w->hidden + j;
        double p[4], c_prev = c0 ? c0[j * w->height + row] : 0;
        if (t > 0) c_prev = tr->units[(t - 1) * state + at].c;
        if (w->freeze && t < row) {
          tr->units[t * state + at].c = c_prev;
          tr->h[(t + 1) * state + at] = tr->h[t * state + at];
          continue;
        }
        for (int64_t q = 0; q < 4; q++)
          p[q] = preactivation(w, tr->h + t * state, q * w->hidden + j, row, t);
        const unit u = unit_forward(p[0], p[1], p[2], p[3], c_prev);
        tr->units[t * state + at] = u;
        tr->h[(t + 1) * state + at] = u.o * u.tanh_c;
      }
}

/* gh, gc (height,hidden) arrive zero and leave as the gradients of h0 and c0; gy_at(row, column) is
 * the gradient of the output. gs, gk and gpad are added to; spare (height, 4*hidden) and next
 * (height,hidden) are workspace. */
static void walk_backward(const walk *w, const trace *tr, const double *gy, int64_t gy_shift,
                          double *gh, double *gc, double *gs, double *gk, double *gpad,
                          double *spare, double *next) {
  const int64_t hidden = w->hidden, state = w->height * hidden;
  for (int64_t t = w->columns - 1; t >= 0; t--) {
    const double *h_prev = tr->h + t * state;
    for (int64_t row = 0; row < w->height; row++)
      for (int64_t j = 0; j < hidden; j++) {
        const int64_t at = row * hidden + j, out = cell_index(w, j, row + gy_shift, t + gy_shift);
        const bool seen = cell_index(w, j, row, t) >= 0 && row + gy_shift < w->height;
        double dp[4] = { 0 };
        if (!(w->freeze && t < row))
          gc[at] = unit_backward(&tr->units[t * state + at], gh[at] + (seen ? gy[out] : 0), gc[at],
                                 dp);
        for (int64_t q = 0; q < 4; q++) spare[row * 4 * hidden + q * hidden + j] = dp[q];
      }
    for (int64_t i = 0; i < state; i++) next[i] = w->freeze && t < i / hidden ? gh[i] : 0;
    for (int64_t row = 0; row < w->height; row++)
      for (int64_t gate = 0; gate < 4 * hidden; gate++) {
        const double dp = spare[row * 4 * hidden + gate];
        const int64_t at = cell_index(w, gate, row, t);
        if (at >= 0) gs[at] += dp;
        if (t < row) gpad[gate] += dp;
        for (int64_t j = 0; j < hidden; j++) {
          const int64_t above = gate * hidden + j, same = (4 * hidden + gate) * hidden + j;
          gk[same] += dp * h_prev[row * hidden + j];
          next[row * hidden + j] += w->k[same] * dp;
          if (row == 0) continue;
          gk[above] += dp * h_prev[(row - 1) * hidden + j];
          next[(row - 1) * hidden + j] += w->k[above] * dp;
        }
      }
    memcpy(gh, next, sizeof *gh * (size_t)state);
  }
}

/* ---- the layer ---- */

static walk walk_of(const lcl_ref_bilstm *d, int direction, int64_t image) {
  const int64_t map = 4 * d->hidden * d->height * d->width;
  return (walk) { .hidden = d->hidden,
                  .height = d->height,
                  .width = d->width,
                  .columns = d->height + d->width - 1,
                  .mirrored = direction == 1,
                  .freeze = d->freeze,
                  .s = d->s[direction] + image * map,
                  .k = d->k[direction],
                  .pad = d->pad ? d->pad + direction * 4 * d->hidden : NULL };
}

static lcl_status trace_create(const lcl_ref_bilstm *d, trace *tr) {
  const size_t state = (size_t)(d->height * d->hidden),
               columns = (size_t)(d->height + d->width - 1);
  tr->h = lcl__alloc((columns + 1) * state * sizeof *tr->h + 1);
  tr->units = lcl__alloc(columns * state * sizeof *tr->units + 1);
  return tr->h && tr->units ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static void trace_destroy(trace *tr) {
  lcl__free(tr->h);
  lcl__free(tr->units);
}

lcl_status lcl__ref_diagonal_bilstm(const lcl_ref_bilstm *d, double *y) {
  const int64_t plane = d->height * d->width;
  trace tr;
  lcl_status status = trace_create(d, &tr);
  for (int64_t i = 0; status == LCL_OK && i < d->n * d->hidden * plane; i++) y[i] = 0;
  for (int direction = 0; status == LCL_OK && direction < 2; direction++)
    for (int64_t image = 0; image < d->n; image++) {
      const walk w = walk_of(d, direction, image);
      walk_forward(&w, d->h0[direction], d->c0[direction], &tr);
      for (int64_t row = 0; row + direction < d->height;
           row++) /* the right map moves down by one row */
        for (int64_t column = row; column < row + d->width; column++)
          for (int64_t j = 0; j < d->hidden; j++) {
            const int64_t to = cell_index(&w, j, row + direction, column + direction);
            y[image * d->hidden * plane + to] +=
                tr.h[((column + 1) * d->height + row) * d->hidden + j];
          }
    }
  trace_destroy(&tr);
  return status;
}

/* Adds a state gradient (height,hidden) of one image to out (hidden,height). */
static void add_state(const lcl_ref_bilstm *d, const double *g, double *out) {
  for (int64_t row = 0; row < d->height; row++)
    for (int64_t j = 0; j < d->hidden; j++) out[j * d->height + row] += g[row * d->hidden + j];
}

/* Workspace of one direction's gradient; the sums live here so that the caller's pointers may be
 * NULL. */
typedef struct work {
  double *gs, *gk, *gpad, *gh0, *gc0, *gh, *gc, *spare, *next;
} work;

static void backward_direction(const lcl_ref_bilstm *d, int direction, const double *gy, trace *tr,
                               work *k) {
  const int64_t state = d->height * d->hidden, plane = d->height * d->width;
  for (int64_t image = 0; image < d->n; image++) {
    const walk w = walk_of(d, direction, image);
    walk_forward(&w, d->h0[direction], d->c0[direction], tr);
    memset(k->gh, 0, sizeof(double) * (size_t)state);
    memset(k->gc, 0, sizeof(double) * (size_t)state);
    walk_backward(&w, tr, gy + image * d->hidden * plane, direction, k->gh, k->gc,
                  k->gs + image * 4 * d->hidden * plane, k->gk, k->gpad, k->spare, k->next);
    add_state(d, k->gh, k->gh0);
    add_state(d, k->gc, k->gc0);
  }
}

static void copy_out(double *to, const double *from, size_t n) {
  if (to) memcpy(to, from, n * sizeof *to);
}

lcl_status lcl__ref_diagonal_bilstm_grad(const lcl_ref_bilstm *d, const double *gy,
                                         const lcl_ref_bilstm_grad *out) {
  const size_t state = (size_t)(d->height * d->hidden),
               map = (size_t)(d->n * 4 * d->hidden * d->height * d->width);
  const size_t kernel = (size_t)(8 * d->hidden * d->hidden), pad = (size_t)(4 * d->hidden);
  lcl_status status = LCL_OK;
  for (int direction = 0; status == LCL_OK && direction < 2; direction++) {
    trace tr;
    status = trace_create(d, &tr);
    double *all = lcl__alloc((map + kernel + pad + 9 * state + 1) * sizeof *all);
    if (!all) status = LCL_ERR_HOST_MEMORY;
    if (status == LCL_OK) {
      work k = { .gs = all, .gk = all + map };
      k.gpad = k.gk + kernel;
      k.gh0 = k.gpad + pad, k.gc0 = k.gh0 + state, k.gh = k.gc0 + state, k.gc = k.gh + state;
      k.next = k.gc + state, k.spare = k.next + state;
      backward_direction(d, direction, gy, &tr, &k);
      copy_out(out->s[direction], k.gs, map);
      copy_out(out->k[direction], k.gk, kernel);
      copy_out(out->h0[direction], k.gh0, state);
      copy_out(out->c0[direction], k.gc0, state);
      copy_out(out->pad ? out->pad + (size_t)direction * pad : NULL, k.gpad, pad);
    }
    lcl__free(all);
    trace_destroy(&tr);
  }
  return status;
}
