/* What a run may begin with, and which checkpoints are refused. */
#include "run_folder.h"

/* A run begins with the best weights of another one, or with its last ones where none are kept. */
static void beginnings(void **state) {
  (void)state;
  char from[300], best[340], last[340], other[340], command[800];
  run_desc r = { .model = "semantic-noise",
                 .set = "arch=mlp epochs=1 batch=30 validation=10",
                 .name = "one" };
  run(&r);
  r.name = "another";
  r.seed = 4;
  run(&r);
  snprintf(from, sizeof from, "%s/one", root);
  snprintf(best, sizeof best, "%s/best.safetensors", from);
  snprintf(last, sizeof last, "%s/last.safetensors", from);
  snprintf(other, sizeof other, "%s/another/last.safetensors", root);
  snprintf(command, sizeof command, "cp %s %s", other, last);
  assert_int_equal(system(command), 0);
  for (int gone = 0; gone < 2; gone++) {
    lcl_tensor_file *f, *begun;
    if (gone) assert_int_equal(unlink(best), 0);
    run(&(run_desc) { .model = "semantic-noise",
                      .set = "arch=mlp epochs=1 batch=30 validation=10 lr=1e-12",
                      .name = "begun",
                      .start = from,
                      .seed = 5 });
    ASSERT_OK(lcl_tensor_file_read(gone ? last : best, &f));
    begun = checkpoint_of("begun");
    const lcl_tensor_entry *a = lcl_tensor_file_find(f, "enc.fc1.weight"),
                           *b = lcl_tensor_file_find(begun, "enc.fc1.weight");
    assert_true(a && b && a->bytes == b->bytes);
    for (size_t i = 0; i < a->bytes / sizeof(float); i++)
      near("weight", (double)((const float *)b->data)[i], (double)((const float *)a->data)[i],
           1e-9);
    lcl_tensor_file_destroy(f);
    lcl_tensor_file_destroy(begun);
  }
}

/* A weight that is missing is refused, also where the optimiser's variables may be missing; a start
 * takes weights and running statistics and nothing else. */
static void checkpoints(void **state) {
  (void)state;
  static const char *const names[] = { "fc.weight", "bn.mean", "bn.var", "fc.weight.m" };
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  const lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 };
  lcl_param(g, names[0], LCL_SHAPE(2), one);
  for (int i = 1; i < 4; i++) lcl_state(g, names[i], LCL_F32, LCL_SHAPE(2), one);
  for (int without = 0; without < 4; without++) {
    lcl_tensor_file *f;
    ASSERT_OK(lcl_tensor_file_create(&f));
    for (int i = 0; i < 4; i++) {
      const float v[2] = { 5 + (float)i, 7 };
      const lcl_tensor_entry e = { names[i], LCL_F32, LCL_SHAPE(2), v, sizeof v };
      if (i != without) ASSERT_OK(lcl_tensor_file_add(f, &e));
    }
    ASSERT_STATUS(lcl_store_load(store, f, false), LCL_ERR_FORMAT);
    const float fresh[2] = { 1, 1 };
    for (int i = 0; i < 4; i++) ASSERT_OK(lcl_store_write(store, names[i], fresh, sizeof fresh));
    if (without == 0)
      ASSERT_STATUS(lcl_store_load(store, f, true), LCL_ERR_FORMAT);
    else
      ASSERT_OK(lcl_store_load(store, f, true));
    for (int start = 0; start < 2; start++) {
      for (int i = 0; i < 4; i++) {
        float v[2];
        ASSERT_OK(lcl_store_read(store, names[i], v, sizeof v));
        const bool loaded = i != without && (start ? i != 3 : without != 0);
        near(names[i], (double)v[0], loaded ? 5 + i : 1, 0);
        ASSERT_OK(lcl_store_write(store, names[i], fresh, sizeof fresh));
      }
      ASSERT_OK(lcl_store_start(store, f));
    }
    lcl_tensor_file_destroy(f);
  }
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(beginnings), cmocka_unit_test(checkpoints) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
