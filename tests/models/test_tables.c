/* Published tables: every cell is a model with options that it has, and its graphs can be built. */
#include "context.h"

#include "models/build.h"
#include "models/tables.h"

/* As the cell's runs see the data. Classes: ten, but where clusters are more or codes are made. */
static lcl_model *create(const lcl_table *t, int row, int column) {
  const char *pairs[3 * LCL_TABLE_SET];
  const size_t n = lcl__table_pairs(t, row, column, pairs);
  const lcl_model_data data = { .name = "test",
                                .channels = t->shape[0],
                                .height = t->shape[1],
                                .width = t->shape[2],
                                .classes = 10,
                                .train = 1000 };
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_model *m;
  ASSERT_OK(lcl_model_find(t->rows[row].model ? t->rows[row].model : t->model, &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  for (size_t i = 0; i < n; i++) ASSERT_OK(lcl_options_set_pair(o, pairs[i]));
  for (size_t i = 0; i < LCL_TABLE_SET && t->quick[i]; i++)
    ASSERT_OK(lcl_options_set_pair(o, t->quick[i]));
  ASSERT_OK(lcl__check_options_used(cls, o, o, &data));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  lcl_options_destroy(o);
  return m;
}

static void build_graphs(const lcl_model *m) {
  static const lcl_model_mode modes[] = { LCL_MODE_TRAIN, LCL_MODE_EVAL };
  lcl_store *store;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  for (size_t i = 0; i < LCL_COUNT(modes); i++) {
    lcl_graph *g;
    lcl_build b;
    ASSERT_OK(lcl_graph_create(store, "test", &g));
    ASSERT_OK(lcl__build_init(&b, m, g, modes[i], 4, m->settings.unlabelled_batch ? 4 : 0));
    lcl_graph_destroy(g);
  }
  lcl_store_destroy(store);
}

/* Cells that differ by data and length alone have the same graphs. */
static bool same_graphs(const lcl_table *t, int row, int column) {
  return column > 0 || (t->rows[row].method && row > 0);
}

static void cells(void **state) {
  (void)state;
  int n = 0;
  for (size_t i = 0; i < lcl__table_count; i++) {
    const lcl_table *t = lcl__tables[i];
    for (int r = 0; r < t->n_rows; r++) {
      for (int c = 0; c < t->n_columns; c++, n++) {
        lcl_model *m = create(t, r, c);
        m->side_width = 1;
        if (!same_graphs(t, r, c)) build_graphs(m);
        lcl_model_destroy(m);
      }
    }
  }
  assert_true(n > 300);
}

/* What rows and columns name is there, keys are unique, published figures are what percentages and
 * nats can be. */
static void names(void **state) {
  (void)state;
  for (size_t i = 0; i < lcl__table_count; i++) {
    const lcl_table *t = lcl__tables[i];
    assert_true(t->n_columns <= LCL_TABLE_COLUMNS && t->metric && t->unit && t->source && t->data);
    for (int c = 0; c < t->n_columns; c++) {
      const char *run = t->columns[c].run;
      assert_int_equal(lcl__table_column_index(t, t->columns[c].key), c);
      if (run) assert_in_range(lcl__table_column_index(t, run), 0, c - 1);
    }
    for (int r = 0; r < t->n_rows; r++) {
      const lcl_table_row *row = &t->rows[r];
      assert_int_equal(lcl__table_row_index(t, row->key), r);
      if (row->start) assert_in_range(lcl__table_row_index(t, row->start), 0, r - 1);
      for (int c = 0; c < t->n_columns; c++)
        if (row->cell[c].mean >= 0) ASSERT_BETWEEN(row->cell[c].mean, 0.1, 100);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(names),
    cmocka_unit_test(cells),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
