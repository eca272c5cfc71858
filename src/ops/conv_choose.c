/* The choice of algorithm for a convolution: what a tuner measured for its shape, else a cost
 * model's. */
#include "ops/conv.h"
#include "ops/tuning.h"

void lcl_conv_watch(lcl_context *ctx, lcl_conv_watch_fn fn, void *user) {
  lcl_watch *w = lcl_tuning_watch(ctx, LCL_WATCH_CONV);
  if (w) *w = (lcl_watch) { (void (*)(void))fn, user };
}

void lcl_conv_key(const lcl_node *node, char key[160]) {
  const lcl_conv_attr *a = node->attr;
  const lcl_conv_sizes s = lcl_conv_sizes_of(node);
  snprintf(key, 160,
           "%s %lldx%lldx%lldx%lld %lldx%lldx%lld step %lld,%lld pad %lld,%lld,%lld,%lld dilation "
           "%lld,%lld "
           "groups %lld",
           node->op->name, (long long)s.n, (long long)s.c, (long long)s.h, (long long)s.w,
           (long long)s.o, (long long)s.kh, (long long)s.kw, (long long)a->stride[0],
           (long long)a->stride[1], (long long)a->pad[0], (long long)a->pad[1],
           (long long)a->pad[2], (long long)a->pad[3], (long long)a->dilation[0],
           (long long)a->dilation[1], (long long)a->groups);
}

lcl_conv_algorithm lcl_conv_choose(lcl_lower *lw, const lcl_node *node, unsigned possible,
                                   lcl_conv_algorithm standard) {
  lcl_context *ctx = lcl_lower_context(lw);
  char key[160];
  int v[LCL_TUNING_VALUES];
  if (possible == LCL_CONV_BIT(LCL_CONV_PRODUCT)) return LCL_CONV_PRODUCT;
  const lcl_watch *w = lcl_tuning_watch(ctx, LCL_WATCH_CONV);
  if (w && w->fn) ((lcl_conv_watch_fn)w->fn)(w->user, lw, node, possible, standard);
  lcl_conv_key(node, key);
  if (!lcl_tuning_find(ctx, key, v) || v[0] < 0 || v[0] >= LCL_CONV_ALGORITHMS ||
      !(possible & LCL_CONV_BIT(v[0])))
    return standard;
  return (lcl_conv_algorithm)v[0];
}
