/* latentcl op: one op on one device, NumPy files in and out. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/npy.h"
#include "cli.h"
#include "reference/spec.h"

static const char usage[] =
    "op NAME [--attr KEY=VALUE ...] [--in FILE.npy ...] --out FILE.npy ...\n"
    "                   [--grad-in FILE.npy ... --grad-out FILE.npy ...] [--device SEL]";

/* What the command line says. */
typedef struct request {
  const char *op, *device;
  bool list, help, json;
  const char *in[LCL_SPEC_INS], *out[LCL_SPEC_OUTS], *grad_in[LCL_SPEC_OUTS],
      *grad_out[LCL_SPEC_INS];
  int n_in, n_out, n_grad_in, n_grad_out;
  const char *attr[64];
  int n_attr;
} request;

static void print_help(void) {
  printf("Usage: latentcl %s\n\n"
         "Runs one op, forward and perhaps gradient, on an OpenCL device: to see whether a driver "
         "computes right.\n"
         "\n"
         "Options:\n"
         "  --attr KEY=VALUE ...      attributes; pairs as stride=2,1 or stride=2\n"
         "  --in FILE.npy ...         inputs in the op's order; `-` leaves an optional one out\n"
         "  --out FILE.npy ...        where results go; `-` leaves one out\n"
         "  --grad-in FILE.npy ...    gradient of a loss with respect to each result; `-`: zero\n"
         "  --grad-out FILE.npy ...   where its gradient with respect to each input goes; `-` "
         "leaves one out\n"
         "  --device SEL              OpenCL device: 1:0, gpu, cpu or part of a name\n"
         "  --algorithm OP=NAME,...   algorithms of conv2d and matmul; a wrong name lists them\n"
         "  --find off|quick|full     measure the algorithms of sizes that are new to this "
         "device\n"
         "  --list                    every op\n"
         "  --json                    JSON: the list, or what was written where\n"
         "  --help                    this text, after NAME: the op's inputs, attributes and "
         "defaults\n",
         usage);
}

static int print_list(bool json) {
  cJSON *all = json ? cJSON_CreateArray() : NULL;
  for (size_t i = 0; json && i < lcl__spec_count(); i++) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(all, o);
    cJSON_AddStringToObject(o, "name", lcl__spec_at(i)->name);
    cJSON_AddStringToObject(o, "summary", lcl__spec_at(i)->summary);
  }
  if (json) return cli_print_json(all);
  for (size_t i = 0; i < lcl__spec_count(); i++)
    printf("%-20s %s\n", lcl__spec_at(i)->name, lcl__spec_at(i)->summary);
  return CLI_OK;
}

/* ---- command line ---- */

/* An option that takes every following word up to the next option. */
static int take_words(int argc, char **argv, int *at, const char **to, int *n, int room) {
  const char *option = argv[*at];
  const int before = *n;
  while (*at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0) {
    if (!*argv[*at + 1]) return cli_usage("op: %s wants a value, not an empty text", option);
    if (*n == room) return cli_usage("op: %s takes at most %d values", option, room);
    to[(*n)++] = argv[++*at];
  }
  return *n == before ? cli_usage("op: %s needs a value", option) : -1;
}

static int parse(int argc, char **argv, request *r) {
  for (int i = 1; i < argc; i++) {
    const char *a = argv[i];
    int code = -1;
    if (!*a || a[strlen(a) - 1] == '=' || (i + 1 < argc && !*argv[i + 1]))
      code = cli_usage("op: an argument is an empty text; see `latentcl op --help`");
    else if (strcmp(a, "--list") == 0)
      r->list = true;
    else if (strcmp(a, "--json") == 0)
      r->json = true;
    else if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)
      r->help = true;
    else if (strcmp(a, "--device") == 0 && i + 1 < argc)
      r->device = argv[++i];
    else if (strncmp(a, "--device=", 9) == 0)
      r->device = a + 9;
    else if (strcmp(a, "--algorithm") == 0 && i + 1 < argc)
      code = cli_set_algorithm(argv[++i]);
    else if (strncmp(a, "--algorithm=", 12) == 0)
      code = cli_set_algorithm(a + 12);
    else if (strcmp(a, "--find") == 0 && i + 1 < argc)
      code = cli_set_find(argv[++i]);
    else if (strncmp(a, "--find=", 7) == 0)
      code = cli_set_find(a + 7);
    else if (strcmp(a, "--attr") == 0)
      code = take_words(argc, argv, &i, r->attr, &r->n_attr, 64);
    else if (strcmp(a, "--in") == 0)
      code = take_words(argc, argv, &i, r->in, &r->n_in, LCL_SPEC_INS);
    else if (strcmp(a, "--out") == 0)
      code = take_words(argc, argv, &i, r->out, &r->n_out, LCL_SPEC_OUTS);
    else if (strcmp(a, "--grad-in") == 0)
      code = take_words(argc, argv, &i, r->grad_in, &r->n_grad_in, LCL_SPEC_OUTS);
    else if (strcmp(a, "--grad-out") == 0)
      code = take_words(argc, argv, &i, r->grad_out, &r->n_grad_out, LCL_SPEC_INS);
    else if (a[0] == '-')
      code = cli_usage(
          "op: unknown option '%s' (or its value is missing); see `latentcl op --help`", a);
    else if (r->op)
      code = cli_usage("op: unexpected argument '%s'; see `latentcl op --help`", a);
    else
      r->op = a;
    if (code >= 0) return code;
  }
  return -1;
}

static int check_counts(const lcl_spec *s, const request *r) {
  const int inputs = lcl__spec_inputs(s), outputs = lcl__spec_outputs(s);
  if (r->n_in > inputs)
    return cli_usage("op: %s has %d input%s, %d files were given", s->name, inputs,
                     inputs == 1 ? "" : "s", r->n_in);
  if (r->n_out > outputs)
    return cli_usage("op: %s has %d result%s, %d files were given", s->name, outputs,
                     outputs == 1 ? "" : "s", r->n_out);
  if (r->n_out == 0 && r->n_grad_out == 0)
    return cli_usage("op: --out FILE.npy is missing: where should the result go?");
  if (r->n_grad_out > r->n_in)
    return cli_usage("op: --grad-out has %d files for %d inputs", r->n_grad_out, r->n_in);
  if (r->n_grad_in > outputs)
    return cli_usage("op: --grad-in has %d files for %d results", r->n_grad_in, outputs);
  if ((r->n_grad_in == 0) != (r->n_grad_out == 0))
    return cli_usage("op: --grad-in and --grad-out belong together");
  if (r->n_grad_in && !s->backward) return cli_usage("op: %s has no gradient", s->name);
  return -1;
}

static int check_endings(const char *const *files, int n) {
  for (int i = 0; i < n; i++)
    if (lcl__check_ending(files[i], ".npy") != LCL_OK)
      return cli_usage("op: %s", lcl_error_message());
  return -1;
}

/* ---- files ---- */

static bool left_out(const char *file) {
  return !file || strcmp(file, "-") == 0;
}

/* The device's type for a file's: whole numbers stay whole, and are not taken where numbers with
 * fractions belong. */
static lcl_status dtype_of(const lcl_spec_input *in, const lcl_npy *a, const char *file,
                           lcl_dtype *out) {
  const bool real = a->type == LCL_NPY_F32 || a->type == LCL_NPY_F64,
             byte = a->type == LCL_NPY_U8 || a->type == LCL_NPY_BOOL;
  *out = real ? LCL_F32 : byte ? LCL_U8 : LCL_I32;
  if (in && in->any_dtype) return LCL_OK;
  const bool index = in && in->domain == LCL_INDEX;
  if (index != real) return LCL_OK;
  return lcl__fail(LCL_ERR_TYPE, "%s: %s elements for %s, which takes %s", file,
                   lcl__npy_type_name(a->type), in ? in->name : "a gradient",
                   index ? "int32, int64, uint8 or bool" : "float32 or float64");
}

/* Values a device type cannot hold are refused; float64 is rounded. */
static lcl_status convert(const lcl_npy *a, const char *file, lcl_array *to) {
  for (size_t i = 0; i < a->count; i++) {
    const double v = lcl__npy_get(a, i);
    if (to->dtype == LCL_I32 && (v < INT32_MIN || v > INT32_MAX))
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: element %zu is %.0f, outside 32 bits", file, i, v);
    if (to->dtype == LCL_F32 && isfinite(v) && isinf((float)v))
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: element %zu is %g, outside float32", file, i, v);
    to->data[i] = v;
    if (to->dtype == LCL_F32) to->data[i] = (float)v;
  }
  return LCL_OK;
}

static lcl_status load(lcl_case *c, const lcl_spec_input *in, const char *file, lcl_array *to) {
  lcl_npy a;
  LCL_TRY(lcl__npy_read(file, &a));
  lcl_shape shape = { .rank = a.rank };
  lcl_dtype dtype;
  lcl_status status = LCL_OK;
  if (a.rank > LCL_MAX_RANK)
    status = lcl__fail(LCL_ERR_SHAPE, "%s: %d dimensions; at most %d are supported", file, a.rank,
                       LCL_MAX_RANK);
  for (int i = 0; i < a.rank && status == LCL_OK; i++) shape.dim[i] = a.dim[i];
  if (status == LCL_OK) status = dtype_of(in, &a, file, &dtype);
  if (status == LCL_OK) status = lcl__array_new(c, dtype, shape, to);
  if (status == LCL_OK) status = convert(&a, file, to);
  lcl__npy_free(&a);
  return status;
}

static lcl_status save(const char *file, const lcl_array *a) {
  const size_t n = (size_t)lcl__array_count(a);
  const lcl_npy_type type = a->dtype == LCL_F32   ? LCL_NPY_F32
                            : a->dtype == LCL_I32 ? LCL_NPY_I32
                                                  : LCL_NPY_U8;
  void *data = lcl__alloc(n * lcl__npy_type_size(type) + 1);
  if (!data) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < n; i++) {
    if (type == LCL_NPY_F32) ((float *)data)[i] = (float)a->data[i];
    if (type == LCL_NPY_I32) ((int32_t *)data)[i] = (int32_t)a->data[i];
    if (type == LCL_NPY_U8) ((uint8_t *)data)[i] = (uint8_t)a->data[i];
  }
  const lcl_status status = lcl__npy_write(file, type, a->shape.rank, a->shape.dim, data);
  lcl__free(data);
  return status;
}

/* ---- run ---- */

static int set_attributes(lcl_case *c, const request *r) {
  for (int i = 0; i < r->n_attr; i++)
    if (lcl__case_set(c, r->attr[i]) != LCL_OK) return cli_usage("%s", lcl_error_message());
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++)
    if (!c->spec->in[i].optional && left_out(r->in[i]))
      return cli_usage("%s needs the input %s", c->spec->name, c->spec->in[i].name);
  return lcl__case_attributes_given(c) == LCL_OK ? -1 : cli_usage("%s", lcl_error_message());
}

/* Gradient of results that were not given flows as zero, which is the same as not at all. */
static lcl_status load_all(lcl_case *c, const request *r) {
  for (int i = 0; i < r->n_in; i++)
    if (!left_out(r->in[i])) LCL_TRY(load(c, &c->spec->in[i], r->in[i], &c->in[i]));
  for (int k = 0; k < r->n_grad_in; k++)
    if (!left_out(r->grad_in[k])) LCL_TRY(load(c, NULL, r->grad_in[k], &c->grad_out[k]));
  return LCL_OK;
}

static lcl_status save_all(const request *r, const lcl_case_result *result, const lcl_spec *spec) {
  for (int k = 0; k < r->n_grad_out; k++)
    if (!left_out(r->grad_out[k]) && !result->grad_in[k].data)
      return lcl__fail(LCL_ERR_UNSUPPORTED, "%s: %s has no gradient; give `-` in its place",
                       spec->name, spec->in[k].name);
  for (int k = 0; k < r->n_out; k++)
    if (!left_out(r->out[k])) LCL_TRY(save(r->out[k], &result->out[k]));
  for (int k = 0; k < r->n_grad_out; k++)
    if (!left_out(r->grad_out[k])) LCL_TRY(save(r->grad_out[k], &result->grad_in[k]));
  return LCL_OK;
}

static void add_file(cJSON *to, const char *file, const lcl_array *a) {
  if (left_out(file)) return;
  cJSON *o = cJSON_CreateObject();
  cJSON_AddItemToArray(to, o);
  cJSON_AddStringToObject(o, "file", file);
  cJSON_AddStringToObject(o, "dtype", lcl_dtype_name(a->dtype));
  cJSON *shape = cJSON_AddArrayToObject(o, "shape");
  for (int d = 0; d < a->shape.rank; d++)
    cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)a->shape.dim[d]));
}

/* What was written. */
static cJSON *written(const request *r, const lcl_case_result *result, lcl_context *ctx) {
  cJSON *o = cJSON_CreateObject();
  cJSON_AddStringToObject(o, "op", r->op);
  cJSON_AddStringToObject(o, "device", lcl_context_device_name(ctx));
  cJSON *out = cJSON_AddArrayToObject(o, "out"), *grad = cJSON_AddArrayToObject(o, "grad_out");
  for (int k = 0; k < r->n_out; k++) add_file(out, r->out[k], &result->out[k]);
  for (int k = 0; k < r->n_grad_out; k++) add_file(grad, r->grad_out[k], &result->grad_in[k]);
  return o;
}

/* Before anything is computed. */
static lcl_status check_outputs(const request *r) {
  const char *paths[LCL_SPEC_OUTS + LCL_SPEC_INS] = { 0 };
  size_t n = 0;
  for (int k = 0; k < r->n_out; k++)
    if (!left_out(r->out[k])) paths[n++] = r->out[k];
  for (int k = 0; k < r->n_grad_out; k++)
    if (!left_out(r->grad_out[k])) paths[n++] = r->grad_out[k];
  return lcl__check_outputs(paths, n, NULL, 0); /* inputs are read before */
}

static lcl_status run_case(lcl_case *c, const request *r, lcl_context *ctx) {
  lcl_case_result result;
  bool want[LCL_SPEC_INS];
  for (int i = 0; i < LCL_SPEC_INS; i++) want[i] = i < r->n_grad_out && !left_out(r->grad_out[i]);
  LCL_TRY(lcl__case_run(c,
                        &(lcl_case_run_desc) { .ctx = ctx,
                                               .seed = (uint64_t)lcl__case_attr(c, "seed")->i[0],
                                               .want_grad = want },
                        &result));
  LCL_TRY(save_all(r, &result, c->spec));
  if (r->json && cli_print_json(written(r, &result, ctx)) != CLI_OK)
    return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  return LCL_OK;
}

static int run(int argc, char **argv) {
  request r = { 0 };
  int code = parse(argc, argv, &r);
  if (code >= 0) return code;
  if (r.list && r.op) return cli_usage("op: --list is for all ops, without '%s'", r.op);
  if (r.list) return print_list(r.json);
  if (!r.op && r.help) return print_help(), CLI_OK;
  if (!r.op)
    return cli_usage(
        "op: which op? `latentcl op --list` tells all, `latentcl op --help` the options");
  const lcl_spec *spec = lcl__spec_find(r.op);
  if (!spec) return cli_usage("%s", lcl_error_message());
  if (r.help) {
    lcl_str text = { 0 };
    lcl__spec_help(spec, &text);
    if (text.data) fputs(text.data, stdout);
    lcl__str_free(&text);
    return CLI_OK;
  }
  if ((code = check_counts(spec, &r)) >= 0 || (code = check_endings(r.out, r.n_out)) >= 0 ||
      (code = check_endings(r.grad_out, r.n_grad_out)) >= 0)
    return code;
  lcl_case *c;
  lcl_context *ctx = NULL;
  if (lcl__case_create(spec, &c) != LCL_OK) return cli_error();
  code = set_attributes(c, &r);
  if (code >= 0) {
    lcl__case_destroy(c);
    return code;
  }
  lcl_status status = check_outputs(&r);
  if (status == LCL_OK) status = load_all(c, &r);
  if (status == LCL_OK)
    status = lcl_context_create(&(lcl_context_desc) { .device = r.device }, &ctx);
  if (status == LCL_OK) status = run_case(c, &r, ctx);
  code = status == LCL_OK ? CLI_OK : cli_error();
  if (ctx) lcl_context_destroy(ctx);
  lcl__case_destroy(c);
  return code;
}

const struct lcl_command cmd_op = { "op", "run one op on a device, NumPy files in and out", run };
