/* latentcl run: a network from an ONNX file on arrays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/npy.h"
#include "cli_onnx.h"

/* An --in or --out: "FILE" or "NAME=FILE". */
typedef struct port {
  char *name; /* NULL: the only one */
  const char *file;
} port;

typedef struct job {
  cli_onnx model;
  port in[CLI_LIST_MAX], out[CLI_LIST_MAX];
  lcl_npy array[CLI_LIST_MAX];
  lcl_onnx_shape shape[CLI_LIST_MAX];
  size_t n_in, n_out;
  lcl_program *program;
  bool json;
} job;

static int parse_ports(const cli_list *list, port *ports, size_t *n) {
  for (size_t i = 0; i < list->n; i++, ++*n) {
    const char *equals = strchr(list->item[i], '=');
    ports[i].file = equals ? equals + 1 : list->item[i];
    if (!*ports[i].file || equals == list->item[i])
      return cli_usage("FILE or NAME=FILE is expected, not '%s'", list->item[i]);
    if (!equals && list->n > 1)
      return cli_usage("of several files each is NAME=FILE, not '%s'", list->item[i]);
    if (!equals) continue;
    ports[i].name = strndup(list->item[i], (size_t)(equals - list->item[i]));
    if (!ports[i].name) return cli_fail("out of memory");
    for (size_t k = 0; k < i; k++)
      if (strcmp(ports[k].name, ports[i].name) == 0)
        return cli_usage("\"%s\" is given twice, as %s and %s", ports[i].name, ports[k].file,
                         ports[i].file);
  }
  return CLI_OK;
}

static int read_arrays(job *j) {
  for (size_t i = 0; i < j->n_in; i++) {
    lcl_npy *a = &j->array[i];
    if (lcl__npy_read(j->in[i].file, a) != LCL_OK) return cli_error();
    if (a->rank > LCL_MAX_RANK)
      return cli_fail("%s has %d dimensions, at most %d are possible", j->in[i].file, a->rank,
                      LCL_MAX_RANK);
    j->shape[i] = (lcl_onnx_shape) { j->in[i].name, { .rank = a->rank } };
    memcpy(j->shape[i].shape.dim, a->dim, (size_t)a->rank * sizeof *a->dim);
  }
  return CLI_OK;
}

/* ---- feeding ---- */

/* LCL_ERR_ARGUMENT: nothing that is computed depends on the input, which is fine. */
static int feed_bytes(job *j, const char *name, const void *data, size_t bytes) {
  const lcl_status st = lcl_feed(j->program, name, data, bytes);
  return st == LCL_OK || st == LCL_ERR_ARGUMENT ? CLI_OK : cli_error();
}

static int feed_as(job *j, const lcl_npy *a, const lcl_onnx_value *v, const char *file) {
  if (strcmp(lcl__npy_type_name(a->type), v->type) != 0)
    return cli_fail("%s holds %s, input \"%s\" takes %s", file, lcl__npy_type_name(a->type),
                    v->name, v->type);
  if (a->type != LCL_NPY_I64)
    return feed_bytes(j, v->name, a->data, a->count * lcl__npy_type_size(a->type));
  int32_t *narrow = malloc((a->count + 1) * sizeof *narrow);
  int code = narrow ? CLI_OK : cli_fail("out of memory");
  for (size_t i = 0; code == CLI_OK && i < a->count; i++) {
    const int64_t x = ((const int64_t *)a->data)[i];
    if (x < INT32_MIN || x > INT32_MAX)
      code = cli_fail("%s holds %lld, which 32 bits do not hold", file, (long long)x);
    else
      narrow[i] = (int32_t)x;
  }
  if (code == CLI_OK) code = feed_bytes(j, v->name, narrow, a->count * sizeof *narrow);
  free(narrow);
  return code;
}

static int feed(job *j) {
  for (size_t i = 0; i < lcl_onnx_input_count(j->model.onnx); i++) {
    const lcl_onnx_value v = lcl_onnx_input(j->model.onnx, i);
    size_t k = 0;
    char shape[96];
    while (k < j->n_in && j->in[k].name && strcmp(j->in[k].name, v.name) != 0) k++;
    if (k == j->n_in)
      return cli_fail("input \"%s\" (%s, %s) is missing: --in %s=FILE.npy", v.name, v.type,
                      lcl_shape_string(lcl_tensor_shape(v.tensor), shape), v.name);
    const int code = feed_as(j, &j->array[k], &v, j->in[k].file);
    if (code != CLI_OK) return code;
  }
  return CLI_OK;
}

/* ---- results ---- */

static lcl_npy_type npy_type(const char *name) {
  for (int t = LCL_NPY_F32; t <= LCL_NPY_BOOL; t++)
    if (strcmp(lcl__npy_type_name((lcl_npy_type)t), name) == 0) return (lcl_npy_type)t;
  return LCL_NPY_F32;
}

/* The elements as the file's type has them: f32 0 and 1 as bool, i32 as int64. */
static void *converted(const void *data, size_t n, lcl_npy_type type) {
  char *out = malloc(n * lcl__npy_type_size(type) + 1);
  for (size_t i = 0; out && i < n; i++) {
    if (type == LCL_NPY_I64) ((int64_t *)(void *)out)[i] = ((const int32_t *)data)[i];
    if (type == LCL_NPY_BOOL) out[i] = ((const float *)data)[i] != 0;
  }
  return out;
}

static int write_one(job *j, const lcl_onnx_value *v, const char *file) {
  const lcl_shape s = lcl_tensor_shape(v->tensor);
  const size_t n = (size_t)lcl_shape_count(s),
               bytes = n * lcl_dtype_size(lcl_tensor_dtype(v->tensor));
  const lcl_npy_type type = npy_type(v->type);
  if (strcmp(v->type, lcl__npy_type_name(type)) != 0)
    return cli_fail("output \"%s\" is of %s, which cannot be written as .npy", v->name, v->type);
  void *data = malloc(bytes + 1), *out = NULL;
  int code = data ? CLI_OK : cli_fail("out of memory");
  if (code == CLI_OK && lcl_fetch(j->program, v->name, data, bytes) != LCL_OK) code = cli_error();
  if (code == CLI_OK && (type == LCL_NPY_I64 || type == LCL_NPY_BOOL)) {
    out = converted(data, n, type);
    if (!out) code = cli_fail("out of memory");
  }
  if (code == CLI_OK && lcl__npy_write(file, type, s.rank, s.dim, out ? out : data) != LCL_OK)
    code = cli_error();
  free(out);
  free(data);
  return code;
}

static int find_output(const job *j, const port *p, lcl_onnx_value *out) {
  const size_t n = lcl_onnx_output_count(j->model.onnx);
  if (!p->name && n != 1) {
    fprintf(stderr, "latentcl: the model has %zu outputs, say which: --out NAME=%s with", n,
            p->file);
    for (size_t i = 0; i < n; i++)
      fprintf(stderr, "%s \"%s\"", i ? "," : "", lcl_onnx_output(j->model.onnx, i).name);
    fprintf(stderr, "\n");
    return CLI_FAILED;
  }
  for (size_t i = 0; i < n; i++) {
    *out = lcl_onnx_output(j->model.onnx, i);
    if (!p->name || strcmp(out->name, p->name) == 0) return CLI_OK;
  }
  return cli_fail("the model has no output \"%s\"", p->name);
}

static int write_results(job *j, const lcl_onnx_value *values) {
  for (size_t i = 0; i < j->n_out; i++) {
    const int code = write_one(j, &values[i], j->out[i].file);
    if (code != CLI_OK) return code;
  }
  return CLI_OK;
}

static void add_port(cJSON *all, const lcl_onnx_value *v) {
  const lcl_shape shape = lcl_tensor_shape(v->tensor);
  cJSON *o = cJSON_CreateObject();
  cJSON_AddItemToArray(all, o);
  cJSON_AddStringToObject(o, "name", v->name);
  cJSON_AddStringToObject(o, "type", v->type);
  cJSON *sizes = cJSON_AddArrayToObject(o, "shape");
  for (int d = 0; d < shape.rank; d++)
    cJSON_AddItemToArray(sizes, cJSON_CreateNumber((double)shape.dim[d]));
}

static int print_ports_json(const job *j) {
  cJSON *o = cJSON_CreateObject();
  cJSON *in = cJSON_AddArrayToObject(o, "inputs"), *out = cJSON_AddArrayToObject(o, "outputs");
  for (size_t i = 0; i < lcl_onnx_input_count(j->model.onnx); i++) {
    const lcl_onnx_value v = lcl_onnx_input(j->model.onnx, i);
    add_port(in, &v);
  }
  for (size_t i = 0; i < lcl_onnx_output_count(j->model.onnx); i++) {
    const lcl_onnx_value v = lcl_onnx_output(j->model.onnx, i);
    add_port(out, &v);
  }
  return cli_print_json(o);
}

static int print_ports(const job *j) {
  if (j->json) return print_ports_json(j);
  char shape[96];
  for (size_t i = 0; i < lcl_onnx_input_count(j->model.onnx); i++) {
    const lcl_onnx_value v = lcl_onnx_input(j->model.onnx, i);
    cli_print("input   %s  %s  %s\n", v.name, v.type,
              lcl_shape_string(lcl_tensor_shape(v.tensor), shape));
  }
  for (size_t i = 0; i < lcl_onnx_output_count(j->model.onnx); i++) {
    const lcl_onnx_value v = lcl_onnx_output(j->model.onnx, i);
    cli_print("output  %s  %s  %s\n", v.name, v.type,
              lcl_shape_string(lcl_tensor_shape(v.tensor), shape));
  }
  return CLI_OK;
}

/* ---- the command ---- */

static int compute(job *j) {
  lcl_onnx_value values[CLI_LIST_MAX];
  const char *paths[CLI_LIST_MAX];
  for (size_t i = 0; i < j->n_out; i++) {
    const int code = find_output(j, &j->out[i], &values[i]);
    if (code != CLI_OK) return code;
    paths[i] = j->out[i].file;
  }
  if (!j->n_in && !j->n_out && lcl_onnx_input_count(j->model.onnx)) return print_ports(j);
  if (lcl__check_outputs(paths, j->n_out, NULL, 0) != LCL_OK) return cli_error();
  lcl_compile_desc how = { .no_updates = true };
  if (lcl_compile(j->model.graph, &how, &j->program) != LCL_OK) return cli_error();
  int code = feed(j);
  if (code == CLI_OK && lcl_run(j->program) != LCL_OK) code = cli_error();
  if (code == CLI_OK) code = write_results(j, values);
  if (code == CLI_OK && (!j->n_out || j->json)) code = print_ports(j);
  return code;
}

static int print_operators(bool json) {
  const char *name;
  cJSON *all = json ? cJSON_CreateArray() : NULL;
  for (size_t i = 0; json && (name = lcl_onnx_operator(i)) != NULL; i++)
    cJSON_AddItemToArray(all, cJSON_CreateString(name));
  if (json) return cli_print_json(all);
  for (size_t i = 0; (name = lcl_onnx_operator(i)) != NULL; i++) printf("%s\n", name);
  return CLI_OK;
}

static int run(int argc, char **argv) {
  job j = { 0 };
  const char *device = NULL;
  bool operators = false;
  cli_list in = { 0 }, out = { 0 }, dims = { 0 };
  const cli_option table[] = {
    { "json", CLI_FLAG, &j.json, NULL,
      "JSON: inputs and outputs with type and shape; or operators" },
    { "in", CLI_LIST, &in, "[NAME=]FILE.npy",
      "array for an input; the name may be left out where there is one" },
    { "out", CLI_LIST, &out, "[NAME=]FILE.npy", "where to write an output, likewise" },
    CLI_DIM(&dims, "size of a dimension that the file leaves open and no array tells"),
    CLI_DEVICE(&device),
    CLI_CHOICES,
    { "operators", CLI_FLAG, &operators, NULL, "list the operators of ONNX that are supported" },
    { 0 },
  };
  int at, code = cli_parse(
              argc, argv, table, "run MODEL.onnx --in FILE.npy --out FILE.npy",
              "Runs a network from an ONNX file on NumPy arrays. Without arrays it "
              "prints what the network takes and gives. For example:\n\n"
              "  latentcl run digits.onnx --in images.npy --out scores=scores.npy" CLI_WITHOUT_ONNX,
              &at);
  if (code >= 0) return code;
  if (operators && (at < argc || in.n || out.n))
    return cli_usage("run: --operators lists, and takes no file");
  if (!operators && argc - at != 1) return cli_usage("run: which file? (run MODEL.onnx)");
  if ((code = cli_onnx_needed()) >= 0) return code;
  if (operators) return print_operators(j.json);
  code = parse_ports(&in, j.in, &j.n_in);
  if (code == CLI_OK) code = parse_ports(&out, j.out, &j.n_out);
  for (size_t i = 0; code == CLI_OK && i < j.n_out; i++)
    if (lcl__check_ending(j.out[i].file, ".npy") != LCL_OK)
      code = cli_usage("--out: %s", lcl_error_message());
  if (code == CLI_OK) code = read_arrays(&j);
  const lcl_onnx_desc d = {
    .dims = dims.item, .n_dims = dims.n, .shapes = j.shape, .n_shapes = j.n_in
  };
  if (code == CLI_OK) code = cli_onnx_open(argv[at], device, &d, &j.model);
  if (code == CLI_OK) code = compute(&j);
  lcl_program_destroy(j.program);
  cli_onnx_close(&j.model);
  for (size_t i = 0; i < CLI_LIST_MAX; i++) {
    lcl__npy_free(&j.array[i]);
    free(j.in[i].name);
    free(j.out[i].name);
  }
  return code;
}

const struct lcl_command cmd_run = { "run", "run a network from an ONNX file on arrays", run };
