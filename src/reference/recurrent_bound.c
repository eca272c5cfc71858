#include "reference/recurrent_bound.h"

#include "reference/ball.h"

typedef struct unit {
  lcl_ball o, f, i, g, c_prev, c, tanh_c, h;
} unit;

static unit unit_forward(const lcl_ball p[4], lcl_ball c_prev) {
  unit u = {
    .o = ball_sigmoid(p[0]), .f = ball_sigmoid(p[1]), .i = ball_sigmoid(p[2]), .g = ball_tanh(p[3])
  };
  u.c_prev = c_prev;
  u.c = ball_add(ball_mul(u.f, c_prev), ball_mul(u.i, u.g));
  u.tanh_c = ball_tanh(u.c);
  u.h = ball_mul(u.o, u.tanh_c);
  return u;
}

/* s(1-s) and 1-t^2. */
static lcl_ball sigmoid_slope(lcl_ball s) {
  return ball_mul(s, ball_sub(ball_exact(1), s));
}
static lcl_ball tanh_slope(lcl_ball t) {
  return ball_sub(ball_exact(1), ball_mul(t, t));
}

static lcl_ball unit_backward(const unit *u, lcl_ball gh, lcl_ball gc, lcl_ball dp[4]) {
  gc = ball_add(gc, ball_mul(ball_mul(gh, u->o), tanh_slope(u->tanh_c)));
  dp[0] = ball_mul(ball_mul(gh, u->tanh_c), sigmoid_slope(u->o));
  dp[1] = ball_mul(ball_mul(gc, u->c_prev), sigmoid_slope(u->f));
  dp[2] = ball_mul(ball_mul(gc, u->g), sigmoid_slope(u->i));
  dp[3] = ball_mul(ball_mul(gc, u->i), tanh_slope(u->g));
  return ball_mul(gc, u->f);
}

void lcl__lstm_cell_bound(int64_t n, int64_t h, int64_t cells, const double *p,
                          const double *c_prev, const double *gh, const double *gc, double *h_out,
                          double *c_out, double *gp, double *gc_prev) {
  for (int64_t b = 0; b < n; b++)
    for (int64_t k = 0; k < h * cells; k++) {
      const int64_t at = b * h * cells + k, gate = b * 4 * h * cells + k;
      lcl_ball pre[4], dp[4];
      for (int q = 0; q < 4; q++) pre[q] = ball_exact(p[gate + q * h * cells]);
      const unit u = unit_forward(pre, ball_exact(c_prev[at]));
      h_out[at] = ball_allowed(u.h);
      c_out[at] = ball_allowed(u.c);
      if (!gp) continue;
      gc_prev[at] = ball_allowed(
          unit_backward(&u, ball_exact(gh ? gh[at] : 0), ball_exact(gc ? gc[at] : 0), dp));
      for (int q = 0; q < 4; q++) gp[gate + q * h * cells] = ball_allowed(dp[q]);
    }
}

/* ---- the layer: see recurrent.c for the walk ---- */

/* One direction: units of every column, and the sums that run over columns and images. */
typedef struct layer {
  const lcl_ref_bilstm *d;
  int direction;
  int64_t columns, state; /* state = height * hidden; a cell's index in it is row * hidden + unit */
  unit *units;            /* (columns, height, hidden) */
  lcl_ball *dp, *gh, *gc; /* (height, 4*hidden), (height, hidden) twice */
  lcl_ball_sum *gk, *gpad, *gh0, *gc0;
} layer;

static int64_t cell_index(const layer *l, int64_t gate, int64_t row, int64_t column) {
  const int64_t x = column - row, width = l->d->width;
  if (x < 0 || x >= width) return -1;
  return (gate * l->d->height + row) * width + (l->direction ? width - 1 - x : x);
}

static lcl_ball initial(const double *state, const layer *l, int64_t row, int64_t j) {
  return ball_exact(state ? state[j * l->d->height + row] : 0);
}

/* h of the column before `column`, unit j of row `row`. */
static lcl_ball h_before(const layer *l, int64_t column, int64_t row, int64_t j) {
  if (column == 0) return initial(l->d->h0[l->direction], l, row, j);
  return l->units[(column - 1) * l->state + row * l->d->hidden + j].h;
}

static lcl_ball preactivation(const layer *l, const double *s, int64_t gate, int64_t row,
                              int64_t column) {
  const int64_t at = cell_index(l, gate, row, column), hidden = l->d->hidden;
  const double *k = l->d->k[l->direction];
  lcl_ball_sum sum = { 0 };
  const double *pad = l->d->pad && column < row ? l->d->pad + l->direction * 4 * hidden : NULL;
  ball_sum_add(&sum, ball_exact(at >= 0 ? s[at] : pad ? pad[gate] : 0));
  for (int64_t j = 0; j < hidden; j++) {
    if (row > 0)
      ball_sum_add(&sum,
                   ball_mul(ball_exact(k[gate * hidden + j]), h_before(l, column, row - 1, j)));
    ball_sum_add(&sum, ball_mul(ball_exact(k[(4 * hidden + gate) * hidden + j]),
                                h_before(l, column, row, j)));
  }
  return ball_product_get(&sum);
}

static bool frozen(const layer *l, int64_t row, int64_t column) {
  return l->d->freeze && column < row;
}

static void layer_forward(layer *l, const double *s) {
  const int64_t hidden = l->d->hidden;
  for (int64_t t = 0; t < l->columns; t++)
    for (int64_t at = 0; at < l->state; at++) {
      const int64_t row = at / hidden, j = at % hidden;
      const lcl_ball c_prev = t ? l->units[(t - 1) * l->state + at].c
                                : initial(l->d->c0[l->direction], l, row, j);
      if (frozen(l, row, t)) {
        l->units[t * l->state + at] = (unit) { .c = c_prev, .h = h_before(l, t, row, j) };
        continue;
      }
      lcl_ball p[4];
      for (int64_t q = 0; q < 4; q++) p[q] = preactivation(l, s, q * hidden + j, row, t);
      l->units[t * l->state + at] = unit_forward(p, c_prev);
    }
}

static void cell_backward(layer *l, const double *gy, int64_t t, int64_t at) {
  const int64_t hidden = l->d->hidden, row = at / hidden, j = at % hidden, to = row + l->direction;
  const bool seen = cell_index(l, j, row, t) >= 0 && to < l->d->height;
  lcl_ball dp[4] = { 0 }, gh = l->gh[at];
  if (seen) gh = ball_add(gh, ball_exact(gy[cell_index(l, j, to, t + l->direction)]));
  if (!frozen(l, row, t))
    l->gc[at] = unit_backward(&l->units[t * l->state + at], gh, l->gc[at], dp);
  for (int64_t q = 0; q < 4; q++) l->dp[row * 4 * hidden + q * hidden + j] = dp[q];
}

/* dh of the column before: K1^T dp of the row and K0^T dp of the row below; what a frozen cell was
 * given. */
static lcl_ball state_gradient(const layer *l, int64_t t, int64_t row, int64_t j) {
  const int64_t hidden = l->d->hidden;
  const double *k = l->d->k[l->direction];
  lcl_ball_sum sum = { 0 };
  /* Its own dp and that of the row below, frozen as well, are zero. */
  if (frozen(l, row, t)) return l->gh[row * hidden + j];
  for (int64_t gate = 0; gate < 4 * hidden; gate++) {
    ball_sum_add(&sum, ball_mul(ball_exact(k[(4 * hidden + gate) * hidden + j]),
                                l->dp[row * 4 * hidden + gate]));
    if (row + 1 < l->d->height)
      ball_sum_add(
          &sum, ball_mul(ball_exact(k[gate * hidden + j]), l->dp[(row + 1) * 4 * hidden + gate]));
  }
  return ball_product_get(&sum);
}

/* Of K, and of pad. */
static void kernel_gradient(layer *l, int64_t t) {
  const int64_t hidden = l->d->hidden;
  for (int64_t row = 0; row < l->d->height; row++)
    for (int64_t gate = 0; gate < 4 * hidden; gate++)
      for (int64_t j = 0; j < hidden; j++) {
        const lcl_ball dp = l->dp[row * 4 * hidden + gate];
        if (j == 0 && t < row) ball_sum_add(&l->gpad[gate], dp);
        ball_sum_add(&l->gk[(4 * hidden + gate) * hidden + j],
                     ball_mul(dp, h_before(l, t, row, j)));
        if (row > 0)
          ball_sum_add(&l->gk[gate * hidden + j], ball_mul(dp, h_before(l, t, row - 1, j)));
      }
}

static void layer_backward(layer *l, const double *gy, double *gs) {
  const int64_t hidden = l->d->hidden;
  memset(l->gh, 0, sizeof *l->gh * (size_t)l->state);
  memset(l->gc, 0, sizeof *l->gc * (size_t)l->state);
  for (int64_t t = l->columns - 1; t >= 0; t--) {
    for (int64_t at = 0; at < l->state; at++) cell_backward(l, gy, t, at);
    for (int64_t i = 0; gs && i < 4 * l->state; i++) {
      const int64_t to = cell_index(l, i % (4 * hidden), i / (4 * hidden), t);
      if (to >= 0) gs[to] = ball_allowed(l->dp[i]);
    }
    kernel_gradient(l, t);
    for (int64_t at = 0; at < l->state; at++)
      l->gh[at] = state_gradient(l, t, at / hidden, at % hidden);
  }
  for (int64_t at = 0; at < l->state; at++) {
    ball_sum_add(&l->gh0[at % hidden * l->d->height + at / hidden], l->gh[at]);
    ball_sum_add(&l->gc0[at % hidden * l->d->height + at / hidden], l->gc[at]);
  }
}

static void give(const lcl_ball_sum *sums, int64_t n, double *to) {
  for (int64_t i = 0; to && i < n; i++) to[i] = ball_allowed(ball_product_get(&sums[i]));
}

/* Both directions meet in one addition; each adds its part of y's bound. */
static void direction_bound(layer *l, const double *gy, double *y, const lcl_ref_bilstm_grad *out) {
  const lcl_ref_bilstm *d = l->d;
  const int64_t plane = d->height * d->width;
  for (int64_t image = 0; image < d->n; image++) {
    layer_forward(l, d->s[l->direction] + image * 4 * d->hidden * plane);
    for (int64_t t = 0; t < l->columns; t++)
      for (int64_t at = 0; at < l->state; at++) {
        const int64_t row = at / d->hidden, j = at % d->hidden;
        if (cell_index(l, j, row, t) < 0 || row + l->direction >= d->height) continue;
        const int64_t to = cell_index(l, j, row + l->direction, t + l->direction);
        const lcl_ball h = l->units[t * l->state + at].h;
        y[image * d->hidden * plane + to] += ball_allowed(ball_add(h, ball_exact(0)));
      }
    double *gs = out->s[l->direction];
    if (gy)
      layer_backward(l, gy + image * d->hidden * plane,
                     gs ? gs + image * 4 * d->hidden * plane : NULL);
  }
  if (!gy) return;
  give(l->gk, 8 * d->hidden * d->hidden, out->k[l->direction]);
  give(l->gpad, 4 * d->hidden, out->pad ? out->pad + l->direction * 4 * d->hidden : NULL);
  give(l->gh0, l->state, out->h0[l->direction]);
  give(l->gc0, l->state, out->c0[l->direction]);
}

lcl_status lcl__diagonal_bilstm_bound(const lcl_ref_bilstm *d, const double *gy, double *y,
                                      const lcl_ref_bilstm_grad *out) {
  lcl_status status = LCL_OK;
  for (int direction = 0; direction < 2 && status == LCL_OK; direction++) {
    layer l = { .d = d,
                .direction = direction,
                .columns = d->height + d->width - 1,
                .state = d->height * d->hidden };
    const size_t state = (size_t)l.state, kernel = (size_t)(8 * d->hidden * d->hidden);
    const size_t pad = (size_t)(4 * d->hidden);
    l.units = lcl__alloc((size_t)l.columns * state * sizeof *l.units);
    l.dp = lcl__alloc(6 * state * sizeof *l.dp);
    l.gk = lcl__alloc((kernel + pad + 2 * state) * sizeof *l.gk);
    if (l.units && l.dp && l.gk) {
      l.gh = l.dp + 4 * state, l.gc = l.gh + state;
      l.gpad = l.gk + kernel, l.gh0 = l.gpad + pad, l.gc0 = l.gh0 + state;
      direction_bound(&l, gy, y, out);
    } else
      status = LCL_ERR_HOST_MEMORY;
    lcl__free(l.units);
    lcl__free(l.dp);
    lcl__free(l.gk);
  }
  return status;
}
