/* ONNX files as a whole: weights, open dimensions, data beside the file; and damaged or hostile
 * ones, each refused by a sentence. */
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx/wire.h"

static lcl_context *ctx;
static char folder[] = "/tmp/lcl-onnx-XXXXXX";

static int setup(void **state) {
  (void)state;
  if (!mkdtemp(folder) || lcl_context_create(NULL, &ctx) != LCL_OK)
    fail_msg("%s", lcl_error_message());
  return 0;
}

static int teardown(void **state) {
  (void)state;
  char command[96];
  lcl_context_destroy(ctx);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

/* y = relu(x w) + b, x (batch,2). */
static onnx_tensor *network(wire *w) {
  const wire_value weights = wire_parse("F 2x2 1 2 3 4"), bias = wire_parse("F 2 10 20");
  wire_begin(w, 13);
  wire_input(w, "x", ONNX_FLOAT, LCL_SHAPE(0, 2));
  Lcl__Onnx__Dim *batch = w->graph.input[0]->type->tensor->shape->dim[0];
  batch->has_value = false;
  batch->name = wire_text(w, "batch", 5);
  onnx_tensor *t = wire_initialiser(w, "w", &weights);
  wire_initialiser(w, "b", &bias);
  wire_node(w, "MatMul", "", "x w", "h");
  wire_node(w, "Relu", "", "h", "r");
  wire_node(w, "Add", "", "r b", "y");
  wire_output(w, "y");
  return t;
}

typedef struct world {
  lcl_store *store;
  lcl_graph *g;
  lcl_onnx_model *m;
} world;

static world begin(void) {
  world x = { 0 };
  ASSERT_OK(lcl_store_create(ctx, 1, &x.store));
  ASSERT_OK(lcl_graph_create(x.store, "onnx", &x.g));
  return x;
}

static void end(world *x) {
  lcl_onnx_close(x->m);
  lcl_graph_destroy(x->g);
  lcl_store_destroy(x->store);
}

/* Loads the model; NULL: it must, else with this in the message. */
static void load(wire *w, const lcl_onnx_desc *desc, const char *message) {
  size_t n;
  const uint8_t *bytes = wire_pack(w, &n);
  world x = begin();
  const lcl_status st = lcl_onnx_parse(x.g, bytes, n, desc, &x.m);
  if (!message) ASSERT_OK(st);
  if (message && (st == LCL_OK || !strstr(lcl_error_message(), message)))
    fail_msg("\"%s\" instead of \"%s\"", st == LCL_OK ? "loaded" : lcl_error_message(), message);
  if (message) assert_null(x.m);
  end(&x);
  wire_end(w);
}

static void weights_are_variables(void **state) {
  (void)state;
  wire w = { 0 };
  size_t n;
  float y[6], b[2];
  const char *dims[] = { "batch=3" };
  network(&w);
  const uint8_t *bytes = wire_pack(&w, &n);
  world x = begin();
  lcl_program *p;
  ASSERT_OK(lcl_onnx_parse(x.g, bytes, n,
                           &(lcl_onnx_desc) { .prefix = "net.", .dims = dims, .n_dims = 1 }, &x.m));
  assert_string_equal(lcl_onnx_assumed(x.m), "");
  assert_int_equal(lcl_onnx_input_count(x.m), 1);
  assert_string_equal(lcl_onnx_input(x.m, 0).name, "x");
  assert_null(lcl_onnx_input(x.m, 1).name);
  ASSERT_OK(lcl_store_read(x.store, "net.b", b, sizeof b));
  assert_float_equal(b[1], 20, 0);
  ASSERT_OK(lcl_compile(x.g, NULL, &p));
  ASSERT_OK(lcl_feed(p, "x", (float[]) { 1, 1, 0, -1, 2, 0 }, 24));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "y", y, sizeof y));
  const float want[] = { 14, 26, 10, 20, 12, 24 };
  for (int i = 0; i < 6; i++) assert_float_equal(y[i], want[i], 1e-5);
  lcl_program_destroy(p);
  end(&x);
  wire_end(&w);
}

/* Also those that an operator reads together with other numbers that the file tells. */
static void weights_are_not_folded(void **state) {
  (void)state;
  wire w = { 0 };
  size_t n;
  float y[2];
  lcl_program *p;
  const wire_value weights = wire_parse("F 2 1 2"), two = wire_parse("F - 2");
  wire_begin(&w, 13);
  wire_input(&w, "x", ONNX_FLOAT, LCL_SHAPE(2));
  wire_initialiser(&w, "w", &weights);
  wire_initialiser(&w, "two", &two);
  wire_node(&w, "Identity", "", "w", "same");
  wire_node(&w, "Mul", "", "same two", "m");
  wire_node(&w, "Neg", "", "w", "n");
  wire_node(&w, "Sub", "", "m n", "s");
  wire_node(&w, "Mul", "", "x s", "y");
  wire_output(&w, "y");
  const uint8_t *bytes = wire_pack(&w, &n);
  world x = begin();
  ASSERT_OK(lcl_onnx_parse(x.g, bytes, n, NULL, &x.m));
  ASSERT_OK(lcl_store_write(x.store, "w", (float[]) { 5, 7 }, 8));
  ASSERT_OK(lcl_compile(x.g, NULL, &p));
  ASSERT_OK(lcl_feed(p, "x", (float[]) { 1, 1 }, 8));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "y", y, sizeof y));
  assert_float_equal(y[0], 15, 1e-5);
  assert_float_equal(y[1], 21, 1e-5);
  lcl_program_destroy(p);
  end(&x);
  wire_end(&w);
}

static void open_dimensions(void **state) {
  (void)state;
  wire w = { 0 };
  size_t n;
  network(&w);
  const uint8_t *bytes = wire_pack(&w, &n);
  world x = begin();
  ASSERT_OK(lcl_onnx_parse(x.g, bytes, n, NULL, &x.m));
  assert_string_equal(lcl_onnx_assumed(x.m), "batch");
  assert_int_equal(lcl_tensor_shape(lcl_onnx_output(x.m, 0).tensor).dim[0], 1);
  end(&x);
  wire_end(&w);
  static const struct {
    const char *dim, *message;
  } dims[] = { { "batch=-1", "dimension batch must be a whole number, not \"-1\"" },
               { "batch=x", "dimension batch must be a whole number, not \"x\"" },
               { "width=3", "no open dimension that \"width=3\" would set" } };
  for (size_t i = 0; i < LCL_COUNT(dims); i++) {
    network(&w);
    load(&w, &(lcl_onnx_desc) { .dims = &dims[i].dim, .n_dims = 1 }, dims[i].message);
  }
  static const struct {
    lcl_onnx_shape shape;
    const char *message;
  } shapes[] = {
    { { "x", { 2, { 5, 2 } } }, NULL },
    { { NULL, { 2, { 5, 2 } } }, NULL },
    { { "x", { 2, { 5, 3 } } }, "input \"x\" has 2 in dimension 1, 5x3 is given" },
    { { "x", { 1, { 2 } } }, "input \"x\" has 2 dimensions, 2 is given" },
    { { "z", { 2, { 5, 2 } } }, "the file has no input \"z\"" },
  };
  for (size_t i = 0; i < LCL_COUNT(shapes); i++) {
    network(&w);
    load(&w, &(lcl_onnx_desc) { .shapes = &shapes[i].shape, .n_shapes = 1 }, shapes[i].message);
  }
}

/* A second input whose first axis is the same open dimension. */
static void share_a_dimension(wire *w) {
  wire_input(w, "z", ONNX_FLOAT, LCL_SHAPE(0, 2));
  *w->graph.input[1]->type->tensor->shape->dim[0] = *w->graph.input[0]->type->tensor->shape->dim[0];
  wire_node(w, "Add", "", "y z", "sum");
  wire_output(w, "sum");
}

static void one_name_one_size(void **state) {
  (void)state;
  const lcl_onnx_shape shapes[] = { { "x", { 2, { 5, 2 } } }, { "z", { 2, { 4, 2 } } } };
  wire w = { 0 };
  size_t n;
  network(&w);
  share_a_dimension(&w);
  const uint8_t *bytes = wire_pack(&w, &n);
  world x = begin();
  ASSERT_OK(
      lcl_onnx_parse(x.g, bytes, n, &(lcl_onnx_desc) { .shapes = shapes, .n_shapes = 1 }, &x.m));
  assert_string_equal(lcl_onnx_assumed(x.m), "");
  assert_int_equal(lcl_tensor_shape(lcl_onnx_input(x.m, 1).tensor).dim[0], 5);
  end(&x);
  load(&w, &(lcl_onnx_desc) { .shapes = shapes, .n_shapes = 2 },
       "dimension batch is 5 elsewhere, input \"z\" has 4 of it");
}

/* Files before version 4 list their weights as inputs too. */
static void weights_that_are_inputs(void **state) {
  (void)state;
  wire w = { 0 };
  size_t n;
  network(&w);
  wire_input(&w, "w", ONNX_FLOAT, LCL_SHAPE(2, 2));
  const uint8_t *bytes = wire_pack(&w, &n);
  world x = begin();
  ASSERT_OK(lcl_onnx_parse(x.g, bytes, n, NULL, &x.m));
  assert_int_equal(lcl_onnx_input_count(x.m), 1);
  end(&x);
  wire_end(&w);
}

/* The table of names has room for all of them. */
static void many_values(void **state) {
  (void)state;
  wire w = { 0 };
  network(&w);
  for (int i = 0; i < 60; i++) {
    char in[16], out[16];
    snprintf(in, sizeof in, i ? "v%d" : "y", i);
    snprintf(out, sizeof out, "v%d", i + 1);
    wire_node(&w, "Neg", "", in, out);
  }
  wire_output(&w, "v60");
  load(&w, NULL, NULL);
}

/* ---- types of elements ---- */

/* "t", of `type`, 4 elements: raw bytes, or numbers of the field of whole numbers. */
static void elements_of(onnx_type type, const void *raw, size_t bytes, const int32_t *numbers,
                        const float want[4]) {
  wire w = { 0 };
  size_t n;
  float y[4];
  char cast[] = "to=1";
  const wire_value none = wire_parse("B 4 0 0 0 0");
  wire_begin(&w, 13);
  onnx_tensor *t = wire_initialiser(&w, "t", &none);
  t->type = type;
  if (raw) {
    t->n_int32s = 0;
    t->has_raw = true;
    t->raw.len = bytes;
    t->raw.data = (uint8_t *)wire_text(&w, raw, bytes);
  } else {
    memcpy(t->int32s, numbers, 4 * sizeof *numbers);
  }
  wire_node(&w, "Cast", cast, "t", "y");
  wire_output(&w, "y");
  const uint8_t *file = wire_pack(&w, &n);
  world x = begin();
  lcl_program *p;
  ASSERT_OK(lcl_onnx_parse(x.g, file, n, NULL, &x.m));
  ASSERT_OK(lcl_compile(x.g, NULL, &p));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "y", y, sizeof y));
  for (int i = 0; i < 4; i++)
    if (y[i] != want[i])
      fail_msg("%s, element %d: %g, not %g", lcl__onnx_type_name(type), i, (double)y[i],
               (double)want[i]);
  lcl_program_destroy(p);
  end(&x);
  wire_end(&w);
}

static void types_of_elements(void **state) {
  (void)state;
  static const int8_t bytes[] = { -128, -1, 0, 127 };
  static const int16_t shorts[] = { -32768, -1, 0, 32767 };
  static const uint16_t unsigned_shorts[] = { 0, 1, 32768, 65535 };
  static const uint8_t truths[] = { 0, 1, 2, 255 };
  static const int32_t numbers[] = { 0, 1, 2, -1 };
  static const uint16_t halves[] = { 0x0001, 0x83ff, 0x3c00, 0xfbff };
  static const float want_halves[] = { 0x1p-24f, -0x3ffp-24f, 1, -65504 };
  static const float want_truths[] = { 0, 1, 1, 1 };
  static const int32_t fields[] = { 0x0001, 0x83ff, 0x3c00, 0xfbff };
  elements_of(ONNX_INT8, bytes, sizeof bytes, NULL, (const float[]) { -128, -1, 0, 127 });
  elements_of(ONNX_INT16, shorts, sizeof shorts, NULL, (const float[]) { -32768, -1, 0, 32767 });
  elements_of(ONNX_UINT16, unsigned_shorts, sizeof unsigned_shorts, NULL,
              (const float[]) { 0, 1, 32768, 65535 });
  elements_of(ONNX_BOOL, truths, sizeof truths, NULL, want_truths);
  elements_of(ONNX_BOOL, NULL, 0, numbers, want_truths);
  elements_of(ONNX_FLOAT16, halves, sizeof halves, NULL, want_halves);
  elements_of(ONNX_FLOAT16, NULL, 0, fields, want_halves);
  elements_of(ONNX_INT32, NULL, 0, numbers, (const float[]) { 0, 1, 2, -1 });
}

/* ---- what is wrong with a file ---- */

static void no_graph(wire *w) {
  w->file.graph = NULL;
}
static void no_opset(wire *w) {
  w->file.n_opset = 0;
}
static void later(wire *w) {
  onnx_proto_node *first = w->graph.node[0];
  w->graph.node[0] = w->graph.node[1];
  w->graph.node[1] = first;
}
static void circle(wire *w) {
  w->graph.node[0]->input[0] = wire_text(w, "y", 1);
}
static void missing(wire *w) {
  w->graph.node[2]->input[1] = wire_text(w, "lost", 4);
}
static void twice(wire *w) {
  w->graph.node[1]->output[0] = wire_text(w, "h", 1);
}
static void no_output(wire *w) {
  w->graph.output[0]->name = wire_text(w, "z", 1);
}
static void outputs_none(wire *w) {
  w->graph.n_output = 0;
}
static void domain(wire *w) {
  w->graph.node[1]->domain = wire_text(w, "com.example", 11);
  w->graph.node[1]->name = wire_text(w, "act", 3);
}
static void doubles(wire *w) {
  w->graph.initializer[0]->type = ONNX_DOUBLE;
}
static void short_weights(wire *w) {
  w->graph.initializer[0]->n_floats = 3;
}
static void other_field(wire *w) {
  onnx_tensor *t = w->graph.initializer[0];
  t->n_floats = 0;
  t->n_int64s = 4;
}
static void raw_bytes(wire *w, size_t n) {
  onnx_tensor *t = w->graph.initializer[0];
  t->n_floats = 0;
  t->has_raw = true;
  t->raw.len = n;
  t->raw.data = wire_room(w, n);
}
static void raw(wire *w) {
  raw_bytes(w, 15);
}
static void raw_and_more(wire *w) {
  raw_bytes(w, 17);
}
static void huge(wire *w) {
  w->graph.initializer[0]->dims[0] = INT64_C(1) << 40;
}
static void hollow(wire *w) {
  w->graph.initializer[0]->dims[0] = 0;
  w->graph.initializer[0]->dims[1] = INT64_C(1) << 62;
}
static void negative(wire *w) {
  w->graph.initializer[0]->dims[0] = -2;
}
static void deep(wire *w) {
  onnx_tensor *t = w->graph.initializer[0];
  t->n_dims = 7;
  t->dims = wire_room(w, 7 * sizeof *t->dims);
}
static void negative_input(wire *w) {
  w->graph.input[0]->type->tensor->shape->dim[1]->value = -5;
}
static void untyped(wire *w) {
  w->graph.input[0]->type = NULL;
}
static void double_input(wire *w) {
  w->graph.input[0]->type->tensor->element = ONNX_DOUBLE;
}
static void same_input(wire *w) {
  w->graph.input[w->graph.n_input++] = w->graph.input[0];
}
static void external(wire *w) {
  w->graph.initializer[0]->has_location = true;
  w->graph.initializer[0]->location = 1;
  w->graph.initializer[0]->n_floats = 0;
}
static void too_many_elements(wire *w) {
  w->graph.input[0]->type->tensor->shape->dim[1]->value = INT32_MAX;
}

static void say_output(wire *w, lcl_shape s) {
  w->graph.output[0] = wire_info(w, "y", ONNX_FLOAT, s);
}
static void other_output(wire *w) {
  say_output(w, LCL_SHAPE(7, 3));
  w->graph.output[0]->type->tensor->shape->dim[0]->has_value = false;
  w->graph.output[0]->type->tensor->shape->dim[0]->name = wire_text(w, "batch", 5);
}
static void other_rank(wire *w) {
  say_output(w, LCL_SHAPE(1, 2, 1));
}
static void a_number(wire *w) {
  say_output(w, LCL_SCALAR);
}

static const struct {
  void (*change)(wire *w);
  const char *message;
} faults[] = {
  { no_graph, "it has no graph" },
  { no_opset, "it does not say its operator set" },
  { later,
    "node 0 (Relu, which gives \"r\"): it reads \"h\", which only this or a later node gives" },
  { circle,
    "node 0 (MatMul, which gives \"h\"): it reads \"y\", which only this or a later node gives" },
  { missing, "it reads \"lost\", which nothing gives" },
  { twice, "the name \"h\" is given to two values" },
  { no_output, "nothing gives the output \"z\"" },
  { outputs_none, "the graph has no output" },
  { domain, "node \"act\" (Relu): operators of the domain \"com.example\" are not supported" },
  { doubles, "initialiser \"w\": it is of float64" },
  { short_weights, "initialiser \"w\": its shape takes 4 elements, the file has 3" },
  { other_field, "initialiser \"w\": its elements are not in the field of its type" },
  { raw, "initialiser \"w\": its shape takes 16 bytes, the file has 15" },
  { raw_and_more, "initialiser \"w\": its shape takes 16 bytes, the file has 17" },
  { huge, "initialiser \"w\": its dimension 0 of 1099511627776 cannot be" },
  { hollow, "initialiser \"w\": its dimension 1 of 4611686018427387904 cannot be" },
  { negative, "initialiser \"w\": its dimension 0 of -2 cannot be" },
  { deep, "initialiser \"w\": it has 7 dimensions, at most 6 are possible" },
  { negative_input, "dimension 1 of input \"x\" cannot be -5" },
  { untyped, "input \"x\" is no tensor" },
  { double_input, "input \"x\" is of float64" },
  { same_input, "the name \"x\" is given to two values" },
  { external,
    "initialiser \"w\": its data lie in another file, which a model in memory cannot have" },
  { too_many_elements, "do not multiply" },
  { other_output, "output \"y\" is of shape 1x2, the file says batchx3" },
  { other_rank, "output \"y\" is of shape 1x2, the file says 1x2x1" },
  { a_number, "output \"y\" is of shape 1x2, the file says that it is a number" },
};

static void faults_are_named(void **state) {
  (void)state;
  wire right = { 0 };
  network(&right);
  say_output(&right, LCL_SHAPE(1, 2));
  load(&right, NULL, NULL);
  for (size_t i = 0; i < LCL_COUNT(faults); i++) {
    wire w = { 0 };
    network(&w);
    faults[i].change(&w);
    load(&w, NULL, faults[i].message);
  }
}

/* Every truncation, and many changed bytes: a refusal or a graph, never a crash, and nothing kept.
 */
static void damage(void **state) {
  (void)state;
  wire w = { 0 };
  size_t n;
  network(&w);
  uint8_t *bytes = wire_pack(&w, &n);
  uint32_t seed = 1;
  const int64_t before = lcl__test_alloc_live();
  for (size_t i = 0; i < n + 2000; i++) {
    world x = begin();
    uint8_t old = 0;
    size_t at = n;
    if (i >= n) {
      seed = seed * 1664525u + 1013904223u;
      at = (seed >> 8) % n;
      old = bytes[at];
      bytes[at] ^= (uint8_t)(1u << (seed % 8));
    }
    uint8_t *exact = malloc(i < n ? i + 1 : n); /* so that a read beyond is seen */
    memcpy(exact, bytes, i < n ? i : n);
    lcl_onnx_parse(x.g, exact, i < n ? i : n, NULL, &x.m);
    free(exact);
    if (at < n) bytes[at] = old;
    end(&x);
  }
  assert_int_equal(lcl__test_alloc_live(), before);
  wire_end(&w);
}

static void out_of_memory(void **state) {
  (void)state;
  wire w = { 0 };
  size_t n;
  network(&w);
  const uint8_t *bytes = wire_pack(&w, &n);
  for (int64_t nth = 0; nth < 60; nth++) {
    world x = begin();
    lcl__test_fail_alloc(nth);
    const lcl_status st = lcl_onnx_parse(x.g, bytes, n, NULL, &x.m);
    lcl__test_fail_alloc(-1);
    if (st != LCL_OK) assert_null(x.m);
    end(&x);
  }
  wire_end(&w);
}

/* ---- data beside the file ---- */

static void entry(wire *w, onnx_tensor *t, const char *key, const char *value) {
  if (!t->external) t->external = wire_room(w, 8 * sizeof *t->external);
  Lcl__Onnx__Pair *p = t->external[t->n_external++] = wire_room(w, sizeof *p);
  lcl__onnx__pair__init(p);
  p->key = wire_text(w, key, strlen(key));
  p->value = wire_text(w, value, strlen(value));
}

static void path_of(char *out, const char *name) {
  snprintf(out, 128, "%s/%s", folder, name);
}

static void load_beside(const char *location, const char *offset, const char *length,
                        const char *message) {
  wire w = { 0 };
  char path[128];
  size_t n;
  onnx_tensor *t = network(&w);
  external(&w);
  entry(&w, t, "location", location);
  entry(&w, t, "offset", offset);
  if (length) entry(&w, t, "length", length);
  const uint8_t *bytes = wire_pack(&w, &n);
  path_of(path, "m.onnx");
  ASSERT_OK(lcl__file_write_atomic(path, bytes, n));
  world x = begin();
  const lcl_status st = lcl_onnx_load(x.g, path, NULL, &x.m);
  if (!message) {
    float got[4];
    ASSERT_OK(st);
    ASSERT_OK(lcl_store_read(x.store, "w", got, sizeof got));
    assert_float_equal(got[3], 8, 0);
  } else if (st == LCL_OK || !strstr(lcl_error_message(), message)) {
    fail_msg("%s: \"%s\" instead of \"%s\"", location,
             st == LCL_OK ? "loaded" : lcl_error_message(), message);
  }
  end(&x);
  wire_end(&w);
}

static void data_beside_the_file(void **state) {
  (void)state;
  char path[128], link[128];
  const float weights[] = { 0, 5, 6, 7, 8 };
  path_of(path, "w.bin");
  ASSERT_OK(lcl__file_write_atomic(path, weights, sizeof weights));
  path_of(link, "out.bin");
  assert_int_equal(symlink("/etc/passwd", link), 0);
  path_of(link, "pipe.bin");
  assert_int_equal(mkfifo(link, 0600), 0);
  load_beside("w.bin", "4", "16", NULL);
  load_beside("w.bin", "4", NULL, NULL);
  load_beside("w.bin", "8", "16", "its data file w.bin is cut short");
  load_beside("w.bin", "4", "12", "16 bytes are expected of its external data");
  load_beside("w.bin", "-4", "16", "16 bytes are expected of its external data");
  load_beside("w.bin", "999999999999999999", "16", "its data file w.bin is cut short");
  load_beside("gone.bin", "0", "16", "its data file gone.bin is not in the folder of the file");
  load_beside("/etc/passwd", "0", "16", "its data lie outside the folder of the file");
  load_beside("../w.bin", "0", "16", "its data lie outside the folder of the file");
  load_beside("out.bin", "0", "16", "its data lie outside the folder of the file");
  load_beside("pipe.bin", "0", "16", "pipe.bin");
}

static void no_files(void **state) {
  (void)state;
  world x = begin();
  char path[128];
  path_of(path, "none.onnx");
  ASSERT_STATUS(lcl_onnx_load(x.g, path, NULL, &x.m), LCL_ERR_IO);
  ASSERT_STATUS(lcl_onnx_load(x.g, folder, NULL, &x.m), LCL_ERR_IO);
  path_of(path, "empty.onnx");
  ASSERT_OK(lcl__file_write_atomic(path, "", 0));
  ASSERT_STATUS(lcl_onnx_load(x.g, path, NULL, &x.m), LCL_ERR_FORMAT);
  ASSERT_STATUS(lcl_onnx_load(x.g, NULL, NULL, &x.m), LCL_ERR_ARGUMENT);
  end(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(weights_are_variables),
    cmocka_unit_test(weights_are_not_folded),
    cmocka_unit_test(open_dimensions),
    cmocka_unit_test(one_name_one_size),
    cmocka_unit_test(weights_that_are_inputs),
    cmocka_unit_test(many_values),
    cmocka_unit_test(types_of_elements),
    cmocka_unit_test(faults_are_named),
    cmocka_unit_test(damage),
    cmocka_unit_test(out_of_memory),
    cmocka_unit_test(data_beside_the_file),
    cmocka_unit_test(no_files),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
