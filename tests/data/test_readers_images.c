/* Readers of folders of images. */
#include "data/array.h"
#include "data/image.h"
#include "data/readers.h"

/* A square image of one colour as PNG. */
static void write_png(const char *name, int width, int height, uint8_t r, uint8_t g, uint8_t b) {
  lcl_image im = { width, height, 3, malloc((size_t)(width * height * 3)) };
  for (int i = 0; i < width * height; i++) {
    im.data[3 * i] = r;
    im.data[3 * i + 1] = g;
    im.data[3 * i + 2] = b;
  }
  uint8_t *data;
  size_t n;
  assert_int_equal(lcl__png_encode(&im, &data, &n), LCL_OK);
  temp_write(dir, name, data, n);
  lcl__free(data);
  free(im.data);
}

/* folder/0.png and so on, n small images. */
static void write_some(const char *folder, int n) {
  char name[64];
  for (int i = 0; i < n; i++) {
    snprintf(name, sizeof name, "%s/%d.png", folder, i);
    write_png(name, 8, 8, 1, 1, 1);
  }
}

static void image_folders(void **state) {
  (void)state;
  char name[64];
  for (int i = 0; i < 10; i++) {
    snprintf(name, sizeof name, "cat/%d.png", i);
    write_png(name, 40, 20, 200, 100, 50);
    snprintf(name, sizeof name, "dog/%d.png", i);
    write_png(name, 20, 60, 10, 20, 30);
  }
  lcl_splits s;
  lcl_data_desc desc = { .path = dir, .image_size = 16 };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_string_equal(s.format, "images");
  assert_int_equal(s.test->count, 4);
  assert_int_equal(s.train->count + s.valid->count, 16);
  assert_string_equal(s.train->class_names[1], "dog");
  assert_int_equal(s.train->channels, 3);
  assert_int_equal(s.train->height, 16);
  for (int64_t i = 0; i < s.train->count; i++) {
    const uint8_t *p = s.train->pixels + s.train->offset[i];
    assert_int_equal(p[0], s.train->labels[i] ? 10 : 200);
    assert_int_equal(p[2 * 256 + 255], s.train->labels[i] ? 30 : 50);
  }
  lcl_splits_close(&s);
  desc.grey = true;
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_int_equal(s.train->channels, 1);
  lcl_splits_close(&s);
  temp_write(dir, "dog/bad.png", "\x89PNG\r\n\x1a\nxxxx", 12);
  assert_int_equal(lcl_data_open(&desc, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "bad.png"));
}

static void image_names_and_parts(void **state) {
  (void)state;
  char name[64];
  for (int i = 0; i < 6; i++) {
    snprintf(name, sizeof name, "train/cat.%d.png", i);
    write_png(name, 8, 8, 1, 1, 1);
    snprintf(name, sizeof name, "train/dog.%d.png", i);
    write_png(name, 8, 8, 2, 2, 2);
  }
  write_png("test/1.png", 8, 8, 3, 3, 3); /* no class in the name: not used */
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .image_size = 8, .valid = 4 }, &s),
                   LCL_OK);
  assert_int_equal(s.train->classes, 2);
  assert_int_equal(s.train->count + s.valid->count + s.test->count, 12);
  assert_int_equal(s.valid->count, 4);
  lcl_splits_close(&s);
}

/* Each example is of the file that lcl_dataset_file() says, however the parts were made. */
static void examples_know_their_files(void **state) {
  (void)state;
  static const char *const classes[] = { "cat", "dog", "eel" };
  const lcl_data_desc descs[] = {
    { .valid = 4 },
    { .valid = 3, .split_random = true, .seed = 5 },
    { .merge = true },
    { .whole = true },
    { .only = "eel,cat" },
    { .reduce = 2, .merge = true },
    { .grey = true, .binarise = LCL_BINARISE_THRESHOLD },
  };
  char name[64];
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < 9; i++) {
      snprintf(name, sizeof name, "%s/%s/%d.png", i < 6 ? "train" : "test", classes[c], i);
      const uint8_t v = (uint8_t)(c == 1 ? 255 : 20 * c + 2 * i);
      write_png(name, 8, 8, v, v, v);
    }
  for (size_t k = 0; k < LCL_COUNT(descs); k++) {
    lcl_splits s;
    lcl_data_desc desc = descs[k];
    desc.path = dir;
    desc.image_size = 8;
    assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
    const lcl_dataset *part[3] = { s.train, s.valid, s.test };
    int64_t seen = 0;
    for (int p = 0; p < 3; p++)
      for (int64_t i = 0; part[p] && i < part[p]->count; i++, seen++) {
        float x[3 * 8 * 8];
        char of[8];
        int at;
        const char *file = lcl_dataset_file(part[p], i);
        assert_non_null(file);
        assert_int_equal(sscanf(strchr(file, '/') + 1, "%3s/%d.png", of, &at), 2);
        assert_int_equal(strncmp(file, at < 6 ? "train/" : "test/", 5), 0);
        assert_string_equal(of, part[p]->class_names[part[p]->labels[i]]);
        assert_int_equal(lcl_dataset_example(part[p], i, x), LCL_OK);
        const int c = of[0] == 'c'   ? 0
                      : of[0] == 'd' ? 1
                                     : 2,
                  v = c == 1          ? 255
                      : desc.binarise ? 0
                                      : 20 * c + 2 * at;
        assert_int_equal((int)(x[0] * 255 + 0.5f), v);
      }
    assert_true(seen >= 18);
    assert_null(lcl_dataset_file(s.train, -1));
    assert_null(lcl_dataset_file(s.train, s.train->count));
    lcl_splits_close(&s);
  }
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .synthetic_train = 10 }, &s), LCL_OK);
  assert_null(lcl_dataset_file(s.train, 0));
  lcl_splits_close(&s);
}

static void append(lcl_log_level level, const char *text, void *user) {
  (void)level;
  strncat(user, text, 999 - strlen(user));
}

static void classes_have_the_same_number_in_every_part(void **state) {
  (void)state;
  static const char *const file[] = { "train/cat", "train/dog", "train/eel", "val/eel",
                                      "test/ape",  "test/cat",  "test/eel" };
  for (size_t k = 0; k < sizeof file / sizeof *file; k++) write_some(file[k], k < 3 ? 4 : 10);
  lcl_splits s;
  char got[1000] = "";
  lcl_log_set(append, got);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .image_size = 8 }, &s), LCL_OK);
  lcl_log_set(NULL, NULL);
  assert_non_null(strstr(got, "test: class ape has no training example"));
  assert_null(strstr(got, "valid: class ape")); /* which has none of it either */
  assert_int_equal(s.train->count, 12);
  assert_int_equal(s.valid->count, 10); /* val is the validation part */
  const lcl_dataset *part[3] = { s.train, s.valid, s.test };
  static const int expected[3][4] = { { 4, 4, 4, 0 }, { 0, 0, 10, 0 }, { 10, 0, 10, 10 } };
  static const char *const names[4] = { "cat", "dog", "eel", "ape" };
  for (int p = 0; p < 3; p++) {
    int count[4] = { 0 };
    assert_int_equal(part[p]->classes, 4);
    for (int64_t i = 0; i < part[p]->count; i++) count[part[p]->labels[i]]++;
    for (int c = 0; c < 4; c++) {
      assert_int_equal(count[c], expected[p][c]);
      assert_string_equal(part[p]->class_names[c], names[c]);
    }
  }
  lcl_splits_close(&s);
  write_png("valid/cat/1.png", 8, 8, 1, 1, 1);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .image_size = 8 }, &s),
                   LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "holds val and valid"));
}

/* Also where the test part is split from train. */
static void classes_of_a_validation_part_alone(void **state) {
  (void)state;
  static const char *const file[] = { "train/cat", "train/dog", "train/eel", "val/cat", "val/eel" };
  for (size_t k = 0; k < sizeof file / sizeof *file; k++) write_some(file[k], 10);
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .image_size = 8 }, &s), LCL_OK);
  int count[3] = { 0 };
  assert_int_equal(s.valid->classes, 3);
  for (int64_t i = 0; i < s.valid->count; i++) count[s.valid->labels[i]]++;
  assert_int_equal(count[0], 10);
  assert_int_equal(count[1], 0);
  assert_int_equal(count[2], 10);
  assert_int_equal(s.test->count + s.train->count, 30);
  lcl_splits_close(&s);
}

static void image_layouts(void **state) {
  (void)state;
  write_some("val/cat", 10);
  expect_no_training("val/cat/0.png");
  write_some("train/cat", 10);
  expect_parts(NULL, 8, 10, 2);
  write_png("cat.1.png", 8, 8, 1, 1, 1);
  write_png("train/dog.1.png", 8, 8, 1, 1, 1);
  temp_write(dir, "train/cat/a.gif", "x", 1);
  temp_write(dir, "train/cat/deep/a.png", "x", 1);
  write_png("evaluate/cat/1.png", 8, 8, 1, 1, 1);
  expect_parts("cat.1.png, evaluate/, train/dog.1.png, train/cat/a.gif, train/cat/deep/", 8, 10, 2);
}

/* Folders of parts are found in any case; they are no classes. */
static void images_without_classes(void **state) {
  (void)state;
  write_some("Train", 10);
  write_some("TEST", 10);
  expect_refused("TEST/0.png holds images that have no class");
  write_some("Train/cat", 10);
  write_some("TEST/cat", 10);
  expect_parts("TEST/0.png, TEST/1.png, TEST/2.png, TEST/3.png, TEST/4.png and 15 more", 8, 2, 10);
  assert_int_equal(symlink("nowhere", path_of("Train/cat/a.png")), 0);
  expect_refused("cannot open");
}

static int64_t files_in(const char *path) {
  DIR *d = opendir(path);
  int64_t n = 0;
  for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) n += *e->d_name != '.';
  if (d) closedir(d);
  return n;
}

/* What is written is read again, the same bytes; by class, in the order in which they were. */
static void same_images(const lcl_dataset *a, const lcl_dataset *b) {
  int64_t at = 0;
  assert_int_equal(a->count, b->count);
  assert_int_equal(a->channels, b->channels);
  for (int32_t c = 0; c < a->classes; c++)
    for (int64_t i = 0; i < a->count; i++) {
      if (a->labels[i] != c) continue;
      assert_int_equal(b->labels[at], c);
      assert_memory_equal(a->pixels + a->offset[i], b->pixels + b->offset[at],
                          lcl_dataset_elements(a));
      at++;
    }
  assert_int_equal(at, a->count);
}

static void written_images(void **state) {
  (void)state;
  char out[300], again[400];
  lcl_splits s, r;
  snprintf(out, sizeof out, "%s/written/", dir);
  lcl_data_desc desc = {
    .path = "synthetic:animals", .valid = -1, .synthetic_train = 30, .synthetic_test = 10
  };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_int_equal(lcl__data_write_images(&s, out, NULL), LCL_OK);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = out, .valid = -1 }, &r), LCL_OK);
  assert_string_equal(r.train->class_names[0], "cat");
  same_images(s.train, r.train);
  same_images(s.test, r.test);
  lcl_splits_close(&r);
  assert_int_equal(lcl__data_write_images(&s, out, NULL), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "is there already"));
  lcl_splits_close(&s);
  const int64_t before = files_in(dir);
  snprintf(again, sizeof again, "%s/features", dir);
  static const char *const no_images[] = { "synthetic:features", "synthetic:birds" };
  for (size_t i = 0; i < LCL_COUNT(no_images); i++) {
    desc.path = no_images[i];
    assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
    assert_int_equal(lcl__data_write_images(&s, again, NULL), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), "1 or 3 channels"));
    lcl_splits_close(&s);
  }
  for (uint64_t nth = 0; nth < 200; nth += 13) { /* nothing stays of what fails on its way */
    lcl_status st = lcl_data_open(
        &(lcl_data_desc) { .synthetic_train = 20, .synthetic_test = 5, .valid = -1 }, &s);
    assert_int_equal(st, LCL_OK);
    lcl__test_fail_alloc((int64_t)nth);
    assert_int_not_equal(lcl__data_write_images(&s, again, NULL), LCL_OK);
    lcl__test_fail_alloc(-1);
    lcl_splits_close(&s);
    assert_int_equal(files_in(dir), before);
  }
}

/* What is known of a set is known of its copies, and of sets that are joined. */
static void names_and_sampling_stay(void **state) {
  (void)state;
  static const char *const names[] = { "ant", "bee", "cow" };
  for (int c = 0; c < 3; c++) write_some(names[c], 2);
  lcl_splits s;
  lcl_data_desc desc = { .path = dir, .valid = -1, .test_share = -1, .image_size = 4, .reduce = 2 };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  for (int c = 0; c < 3; c++) assert_string_equal(s.train->class_names[c], names[c]);
  lcl_splits_close(&s);
  desc.classes = 3; /* of a model that numbers them the other way round */
  desc.class_names = (const char *const[]) { "cow", "bee", "ant" };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_int_equal(s.train->labels[0], 2);
  lcl_splits_close(&s);
  desc = (lcl_data_desc) { .path = dir, .valid = -1, .image_size = 4, .types = 2, .seed = 1 };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_int_equal(s.train->classes, 2);
  assert_string_not_equal(s.train->class_names[0], s.train->class_names[1]);
  lcl_splits_close(&s);
  desc = (lcl_data_desc) { .path = dir, .image_size = 4, .binarise = LCL_BINARISE_DYNAMIC };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  lcl_dataset *all, *small;
  const lcl_dataset *both[] = { s.train, s.train };
  assert_int_equal(lcl_dataset_concat(both, 2, "all", &all), LCL_OK);
  assert_int_equal(lcl_dataset_shrink(s.train, 2, &small), LCL_OK);
  assert_true(all->bernoulli && small->bernoulli);
  lcl_dataset_close(all);
  both[1] = s.valid;
  assert_int_equal(lcl_dataset_concat(both, 2, "all", &all), LCL_OK);
  assert_false(all->bernoulli);
  lcl_dataset_close(all);
  lcl_dataset_close(small);
  lcl_splits_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(image_folders),
    TEST(image_names_and_parts),
    TEST(examples_know_their_files),
    TEST(classes_have_the_same_number_in_every_part),
    TEST(classes_of_a_validation_part_alone),
    TEST(image_layouts),
    TEST(images_without_classes),
    TEST(written_images),
    TEST(names_and_sampling_stay),
  };
  return cmocka_run_group_tests_name("readers_images", tests, NULL, NULL);
}
