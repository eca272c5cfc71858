/* See choose.h. */
#include "ops/choose.h"

#include "latentcl/algorithm.h"
#include "lcl_config.h"
#include "ops/conv.h"
#include "ops/find.h"
#include "ops/gemm.h"
#include "ops/tuning.h"

/* ---- what a user asks for ---- */

/* Ops that have a choice. */
static const struct choosable {
  const char *op;
  const lcl_kind *kind;
  unsigned pass; /* of a convolution */
} choosable[] = {
  { "conv2d", &lcl__conv_kind, LCL_CONV_FORWARD },
  { "conv2d_input_grad", &lcl__conv_kind, LCL_CONV_INPUT_GRAD },
  { "conv2d_filter_grad", &lcl__conv_kind, LCL_CONV_FILTER_GRAD },
  { "matmul", &lcl__gemm_kind, 0 },
};
enum { N_OPS = LCL_COUNT(choosable), MOST = 8 };

static const char automatic[] = "auto";

/* Algorithms of an op, in the order in which they are asked for. */
typedef struct wish {
  const lcl_implementation *list[MOST]; /* NULL: the usual choice */
  int n;                                /* 0: no wish */
} wish;

static void add_names(lcl_str *s, const lcl_kind *kind) {
  for (const lcl_implementation *const *im = kind->list; *im; im++)
    lcl__str_add(s, "%s, ", (*im)->name);
  lcl__str_add(s, "%s", automatic);
}

static lcl_status unknown_algorithm(const char *where, const struct choosable *c,
                                    const char *name) {
  lcl_str names = { 0 };
  add_names(&names, c->kind);
  const lcl_status st = lcl__fail(LCL_ERR_ARGUMENT, "%s: %s has no algorithm '%s'; it has %s",
                                  where, c->op, name, lcl__str_ok(&names) ? names.data : "others");
  lcl__str_free(&names);
  return st;
}

/* "winograd/auto" into w. */
static lcl_status parse_names(const char *where, const struct choosable *c, const char *text,
                              wish *w) {
  w->n = 0;
  do {
    char name[32];
    const size_t n = strcspn(text, "/");
    snprintf(name, sizeof name, "%.*s", (int)LCL_MIN(n, sizeof name - 1), text);
    const lcl_implementation *im = lcl__kind_find(c->kind, name);
    if (!im && strcmp(name, automatic) != 0) return unknown_algorithm(where, c, name);
    if (w->n == MOST)
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: at most %d algorithms an op, %s has more", where,
                       MOST, c->op);
    w->list[w->n++] = im;
    text += n + (text[n] == '/');
  } while (*text);
  return LCL_OK;
}

static const struct choosable *op_named(const char *name) {
  for (int i = 0; i < N_OPS; i++)
    if (strcmp(choosable[i].op, name) == 0) return &choosable[i];
  return NULL;
}

/* "OP=NAMES,..." into wishes; conv2d stands for its gradients too where those are not named. */
static lcl_status parse(const char *where, const char *text, wish wishes[N_OPS]) {
  bool named[N_OPS] = { false };
  while (text && *text) {
    char pair[256], *names;
    const size_t n = strcspn(text, ",");
    snprintf(pair, sizeof pair, "%.*s", (int)LCL_MIN(n, sizeof pair - 1), text);
    text += n + (text[n] == ',');
    if (!(names = strchr(pair, '=')))
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "%s: expects OP=ALGORITHM, as in conv2d=winograd/auto, not '%s'", where,
                       pair);
    *names++ = 0;
    const struct choosable *c = op_named(pair);
    if (!c)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "%s: '%s' is no op with a choice; those are conv2d, conv2d_input_grad, "
                       "conv2d_filter_grad and matmul",
                       where, pair);
    named[c - choosable] = true;
    LCL_TRY(parse_names(where, c, names, &wishes[c - choosable]));
  }
  for (int i = 1; i < N_OPS; i++)
    if (choosable[i].pass && !named[i]) wishes[i] = wishes[0];
  return LCL_OK;
}

/* ---- what hangs on a context ---- */

typedef struct chooser {
  wish wishes[N_OPS];
  lcl_finder finder;
  lcl_watch_fn watch;
  void *user;
  bool algorithm_set, find_set; /* by a call: the environment does not count */
} chooser;

static void drop_chooser(void *ch) {
  lcl__free(((chooser *)ch)->finder.waiting.data);
  lcl__free(ch);
}

static chooser *of_context(lcl_context *ctx) {
  void **slot = lcl__context_attachment(ctx, LCL_ATTACH_CHOOSER, drop_chooser);
  if (!*slot && (*slot = lcl__alloc(sizeof(chooser))))
    ((chooser *)*slot)->finder = lcl__finder(LCL_FIND_QUICK);
  return *slot;
}

static lcl_status read_find(chooser *ch) {
  const char *text = getenv("LATENTCL_FIND");
  ch->find_set = true;
  if (!text || !*text) return LCL_OK;
  lcl_find mode;
  if (lcl__find_mode(text, &mode)) return ch->finder = lcl__finder(mode), LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "LATENTCL_FIND: expects off, quick or full, not '%s'", text);
}

/* The chooser, the environment's word in it. */
static lcl_status ready(lcl_context *ctx, chooser **out) {
  chooser *ch = *out = of_context(ctx);
  if (!ch) return LCL_ERR_HOST_MEMORY;
  if (!ch->find_set) LCL_TRY(read_find(ch));
  if (ch->algorithm_set) return LCL_OK;
  LCL_TRY(parse("LATENTCL_ALGORITHM", getenv("LATENTCL_ALGORITHM"), ch->wishes));
  ch->algorithm_set = true;
  return LCL_OK;
}

lcl_status lcl_algorithm_force(lcl_context *ctx, const char *text) {
  wish wishes[N_OPS] = { 0 };
  if (!ctx) LCL_NEED(text);
  LCL_TRY(parse("algorithm", text, wishes));
  if (!ctx) return LCL_OK;
  chooser *ch = of_context(ctx);
  if (!ch) return LCL_ERR_HOST_MEMORY;
  memcpy(ch->wishes, wishes, sizeof wishes);
  ch->algorithm_set = true;
  return LCL_OK;
}

bool lcl__choice_asked(lcl_context *ctx) {
  chooser *ch;
  bool any = false;
  if (ready(ctx, &ch) != LCL_OK) return false;
  for (int i = 0; i < N_OPS; i++) any |= ch->wishes[i].n > 0;
  return any;
}

lcl_status lcl_algorithm_find(lcl_context *ctx, lcl_find find) {
  LCL_NEED(ctx);
  if ((int)find < LCL_FIND_OFF || find > LCL_FIND_FULL)
    return lcl__fail(LCL_ERR_ARGUMENT, "algorithm_find: %d is none of LCL_FIND_OFF, _QUICK, _FULL",
                     (int)find);
  chooser *ch = of_context(ctx);
  if (!ch) return LCL_ERR_HOST_MEMORY;
  lcl__free(ch->finder.waiting.data);
  ch->finder = lcl__finder(find);
  ch->find_set = true;
  return LCL_OK;
}

lcl_status lcl__choose_watch(lcl_context *ctx, lcl_watch_fn fn, void *user) {
  chooser *ch = of_context(ctx);
  if (!ch) return LCL_ERR_HOST_MEMORY;
  ch->watch = fn;
  ch->user = user;
  return LCL_OK;
}

/* ---- the choice ---- */

static lcl_status cannot(lcl_lower *lw, const lcl_problem *p, const wish *w) {
  const lcl_caps *caps = lcl__lower_caps(lw);
  lcl_str names = { 0 };
  for (const lcl_implementation *const *im = p->kind->list; *im; im++)
    if (p->kind->supported(*im, caps, p->p))
      lcl__str_add(&names, "%s%s", names.n ? ", " : "", (*im)->name);
  const char *sizes = strchr(p->label, ' '), /* the op's name comes before the message */
      *name = w->list[w->n - 1]->name;
  const bool built = LCL_HAVE_CLBLAST || !strstr(name, "clblast");
  const lcl_status st = lcl__fail(
      LCL_ERR_UNSUPPORTED,
      "%s: %s cannot compute it%s; %s can (%s=%s/auto asks for it only where it can)",
      sizes ? sizes + 1 : p->label, name,
      built ? " on this device"
            : ": this LatentCL was built without CLBlast (the meson option clblast)",
      lcl__str_ok(&names) ? names.data : "others", p->op, w->list[0]->name);
  lcl__str_free(&names);
  return st;
}

/* forced: the wish settles the choice. */
static lcl_status by_wish(lcl_lower *lw, const lcl_problem *p, const wish *w, lcl_record *r,
                          bool *forced) {
  const lcl_caps *caps = lcl__lower_caps(lw);
  for (int i = 0; i < w->n; i++) {
    if (!w->list[i]) return LCL_OK;
    if (!p->kind->supported(w->list[i], caps, p->p)) continue;
    *r = (lcl_record) { .choice = lcl__kind_start(p->kind, w->list[i], caps, p->p) };
    *forced = true;
    return LCL_OK;
  }
  return w->n ? cannot(lw, p, w) : LCL_OK;
}

/* What would come next where nothing was measured; NULL: nothing else can compute it. */
static const char *second_best(lcl_lower *lw, const lcl_problem *p,
                               const lcl_implementation *taken) {
  const lcl_caps *caps = lcl__lower_caps(lw);
  const char *any = NULL;
  for (const lcl_implementation *const *im = p->kind->list; *im; im++) {
    if (*im == taken || !p->kind->supported(*im, caps, p->p)) continue;
    if (p->kind->profitable(*im, caps, p->p)) return (*im)->name;
    if (!any) any = (*im)->name;
  }
  return any;
}

static void note(lcl_lower *lw, size_t at, const lcl_problem *p, const char *source,
                 const lcl_record *r, size_t workspace) {
  const char *next = *r->runner_up ? r->runner_up : second_best(lw, p, r->choice.implementation);
  lcl_str s = { 0 };
  lcl__str_add(&s, "%-58s %-15s %-8s %9.2f MB", p->op ? p->label : "  its GEMM",
               r->choice.implementation->name, source, (double)workspace * 1e-6);
  if (r->seconds > 0) lcl__str_add(&s, " %9.4f ms", r->seconds * 1e3);
  if (next) lcl__str_add(&s, ", then %s", next);
  if (r->other_seconds > 0) lcl__str_add(&s, " %.4f ms", r->other_seconds * 1e3);
  if (lcl__str_ok(&s)) lcl__lower_note(lw, at, s.data);
  lcl__str_free(&s);
}

const char *lcl__choice_origin(const lcl_kind *kind, const lcl_caps *caps, const void *problem,
                               const lcl_record *r) {
  static const char *const words[] = { [LCL_RECORD_SET] = "set",
                                       [LCL_RECORD_TUNE] = "tuned",
                                       [LCL_RECORD_FIND] = "found",
                                       [LCL_RECORD_SHIPPED] = "shipped" };
  return r->source != LCL_RECORD_DEFAULT                 ? words[r->source]
         : kind->expected(caps, problem, &r->choice) > 0 ? "model"
                                                         : "rule";
}

bool lcl__choice_recorded(lcl_context *ctx, const lcl_kind *kind, const char *key,
                          const void *problem, lcl_record *r) {
  const lcl_caps *caps = lcl__context_caps(ctx);
  if (lcl__tuning_find(ctx, key, kind, r)) {
    /* Of an algorithm that was not tuned, the parameters were the rule's of that time. */
    if (r->source == LCL_RECORD_FIND || r->source == LCL_RECORD_DEFAULT)
      r->choice = lcl__kind_start(kind, r->choice.implementation, caps, problem);
    if (lcl__kind_legal(kind, caps, problem, &r->choice)) return true;
    lcl__logf(LCL_LOG_DEBUG, "the record of %s does not fit this device", key);
  }
  *r = (lcl_record) { .choice = lcl__kind_default(kind, caps, problem),
                      .source = LCL_RECORD_DEFAULT };
  return false;
}

static void find(lcl_context *ctx) {
  lcl__find_all(&of_context(ctx)->finder, ctx);
}

/* Has it measured where that is wanted: before a second lowering, together with the program's other
 * problems, or now; then r is the record that came of it. */
static void found(lcl_lower *lw, chooser *ch, const lcl_problem *p, const lcl_record *known,
                  lcl_record *r) {
  lcl_context *ctx = lcl__lower_context(lw);
  if (!lcl__find_wait(&ch->finder, lw, p, known) || lcl__lower_again(lw, find)) return;
  find(ctx);
  lcl__choice_recorded(ctx, p->kind, p->key, p->p, r);
}

/* The choice as a record; where it comes from. */
static lcl_status choose(lcl_lower *lw, const lcl_problem *p, lcl_record *r, const char **source) {
  chooser *ch;
  bool forced = false;
  LCL_TRY(ready(lcl__lower_context(lw), &ch));
  if (ch->watch) ch->watch(ch->user, lw, p);
  const bool there = lcl__choice_recorded(lcl__lower_context(lw), p->kind, p->key, p->p, r);
  const struct choosable *op = p->op ? op_named(p->op) : NULL;
  if (!(there && r->source == LCL_RECORD_SET) && op)
    LCL_TRY(by_wish(lw, p, &ch->wishes[op - choosable], r, &forced));
  if (!forced) found(lw, ch, p, there ? r : NULL, r);
  *source = forced ? "forced" : lcl__choice_origin(p->kind, lcl__lower_caps(lw), p->p, r);
  return LCL_OK;
}

lcl_status lcl__choose_and_lower(lcl_lower *lw, const lcl_problem *p) {
  lcl_record r = { 0 };
  const char *source;
  LCL_TRY(choose(lw, p, &r, &source));
  const size_t notes = lcl__lower_notes(lw), scratch = lcl__lower_scratch(lw);
  LCL_TRY(p->kind->lower(lw, p->p, &r.choice));
  note(lw, notes, p, source, &r, lcl__lower_scratch(lw) - scratch);
  return LCL_OK;
}
