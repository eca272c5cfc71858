/* latentcl data: what is in a data set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli.h"
#include "data/array.h"
#include "data/image.h"
#include "latentcl/data.h"

typedef struct summary {
  double mean, deviation, lowest, highest;
} summary;

/* Over every value of a part, in [0,1]. */
static lcl_status summarise(const lcl_dataset *ds, summary *s) {
  size_t n = lcl_dataset_elements(ds);
  float *x = malloc(n * sizeof *x);
  if (!x) return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  double sum = 0, squares = 0;
  *s = (summary) { .lowest = INFINITY, .highest = -INFINITY };
  for (int64_t i = 0; i < ds->count; i++) {
    lcl_dataset_example(ds, i, x);
    double row = 0, row2 = 0;
    for (size_t k = 0; k < n; k++) {
      row += x[k];
      row2 += (double)x[k] * x[k];
      s->lowest = fmin(s->lowest, x[k]);
      s->highest = fmax(s->highest, x[k]);
    }
    sum += row;
    squares += row2;
  }
  free(x);
  double count = (double)ds->count * (double)n;
  s->mean = sum / count;
  s->deviation = sqrt(fmax(squares / count - s->mean * s->mean, 0));
  return LCL_OK;
}

static int64_t count_unlabelled(const lcl_dataset *ds) {
  int64_t n = 0;
  for (int64_t i = 0; ds->labels && i < ds->count; i++) n += ds->labels[i] < 0;
  return n;
}

static int print_part(const lcl_dataset *ds) {
  summary s;
  if (summarise(ds, &s) != LCL_OK) return cli_error();
  cli_print("%s\n  %lld examples of %d x %d x %d", ds->name, (long long)ds->count, ds->channels,
            ds->height, ds->width);
  cli_print(", %s%s\n", ds->pixels ? "bytes" : "floats",
            ds->bernoulli ? ", sampled as 0 or 1 at each presentation" : "");
  printf("  values          %g to %g in the file; %g to %g, mean %.4f, deviation %.4f as used\n",
         (double)ds->raw_min, (double)ds->raw_max, s.lowest, s.highest, s.mean, s.deviation);
  const int64_t unlabelled = count_unlabelled(ds);
  if (!ds->labels || unlabelled == ds->count) {
    printf("  labels          %s\n", ds->labels ? "none (every label is -1)" : "none");
    return CLI_OK;
  }
  int64_t *counts = malloc((size_t)ds->classes * sizeof *counts);
  if (!counts || lcl_dataset_class_counts(ds, counts) != LCL_OK) {
    free(counts);
    return cli_fail("out of memory");
  }
  printf("  %d classes     ", ds->classes);
  for (int c = 0; c < ds->classes && c < 20; c++) {
    char buf[16];
    cli_print("%s%s: %lld", c ? ", " : " ", lcl__class_name(ds, c, buf), (long long)counts[c]);
  }
  cli_print("%s", ds->classes > 20 ? ", ..." : "");
  if (unlabelled) cli_print(", unlabelled: %lld", (long long)unlabelled);
  cli_print("\n");
  free(counts);
  return CLI_OK;
}

static int print_parts(const lcl_splits *s) {
  const lcl_dataset *part[] = { s->train, s->valid, s->test };
  int code = CLI_OK;
  cli_print("format: %s\n", s->format);
  for (int i = 0; i < 3 && code == CLI_OK; i++)
    if (part[i]) code = print_part(part[i]);
  return code;
}

static cJSON *part_json(const lcl_dataset *ds) {
  summary s;
  const int shape[3] = { ds->channels, ds->height, ds->width };
  cJSON *o = cJSON_CreateObject();
  cJSON_AddStringToObject(o, "name", ds->name);
  cJSON_AddNumberToObject(o, "count", (double)ds->count);
  cJSON_AddItemToObject(o, "shape", cJSON_CreateIntArray(shape, 3));
  cJSON_AddNumberToObject(o, "classes", ds->classes);
  if (ds->labels) cJSON_AddNumberToObject(o, "unlabelled", (double)count_unlabelled(ds));
  cJSON_AddNumberToObject(o, "raw_min", ds->raw_min);
  cJSON_AddNumberToObject(o, "raw_max", ds->raw_max);
  if (summarise(ds, &s) == LCL_OK) {
    cJSON_AddNumberToObject(o, "mean", s.mean);
    cJSON_AddNumberToObject(o, "deviation", s.deviation);
  }
  int64_t *counts = ds->labels ? malloc((size_t)ds->classes * sizeof *counts) : NULL;
  if (counts && lcl_dataset_class_counts(ds, counts) == LCL_OK) {
    cJSON *names = cJSON_AddArrayToObject(o, "class_names");
    cJSON *list = cJSON_AddArrayToObject(o, "class_counts");
    for (int c = 0; c < ds->classes; c++) {
      char buf[16];
      cJSON_AddItemToArray(names, cJSON_CreateString(lcl__class_name(ds, c, buf)));
      cJSON_AddItemToArray(list, cJSON_CreateNumber((double)counts[c]));
    }
  }
  free(counts);
  return o;
}

static int print_json(const lcl_splits *s) {
  const lcl_dataset *part[] = { s->train, s->valid, s->test };
  static const char *const name[] = { "train", "valid", "test" };
  cJSON *o = cJSON_CreateObject();
  cJSON_AddStringToObject(o, "format", s->format);
  for (int i = 0; i < 3; i++)
    if (part[i]) cJSON_AddItemToObject(o, name[i], part_json(part[i]));
  return cli_print_json(o);
}

/* A row of examples for each class (at most 20 classes), or 10 rows of the first ones. */
static int write_sheet(const lcl_dataset *ds, const char *path) {
  enum { COLUMNS = 16, ROWS = 20 };
  size_t each = lcl_dataset_elements(ds);
  const bool labelled = ds->labels && ds->classes > 0;
  int rows = labelled ? (ds->classes < ROWS ? ds->classes : ROWS) : 10, filled[ROWS] = { 0 };
  lcl_grid_desc grid = { rows * COLUMNS, COLUMNS, ds->channels, ds->height, ds->width, 2, 1, 80 };
  if (ds->height == 1 || ds->width == 1)
    return cli_fail("--sheet shows images; these examples are vectors");
  if (grid.height < 40) grid.zoom = 2;
  float *x = calloc((size_t)grid.n * each, sizeof *x);
  if (!x) return cli_fail("out of memory");
  for (int64_t i = 0; i < ds->count; i++) {
    int row = labelled ? ds->labels[i] : (int)(i / COLUMNS);
    if (row < 0 || row >= rows || filled[row] == COLUMNS) continue;
    lcl_dataset_example(ds, i, x + ((size_t)row * COLUMNS + (size_t)filled[row]++) * each);
  }
  const char *captions[ROWS];
  char number[ROWS][16];
  for (int r = 0; r < rows; r++) captions[r] = lcl__class_name(ds, r, number[r]);
  grid.title = ds->name;
  grid.captions = labelled ? captions : NULL;
  lcl_status status = lcl__image_grid_png(&grid, x, path);
  free(x);
  if (status != LCL_OK) return cli_error();
  if (!cli_is_stdout(path)) cli_print("contact sheet of '%s' written to %s\n", ds->name, path);
  return CLI_OK;
}

static int write_images(const lcl_splits *s, const char *folder) {
  cli_catch_stop();
  if (lcl__data_write_images(s, folder, cli_stopped) != LCL_OK) {
    cli_error();
    return cli_stopped() ? cli_stop_code() : CLI_FAILED;
  }
  cli_print("images written to %s\n", folder);
  return CLI_OK;
}

static bool parse_binarise(const char *text, lcl_binarise *out) {
  static const char *const names[] = { "none", "static_files", "fixed_draw", "dynamic",
                                       "threshold" };
  for (int i = 0; i < 5; i++) {
    if (strcmp(text, names[i]) != 0) continue;
    *out = (lcl_binarise)i;
    return true;
  }
  return false;
}

/* Options of one format are refused with data of another. */
static int check_format(const char *format, int64_t size, bool grey, const char *prefer) {
  const bool images = strcmp(format, "images") == 0;
  if ((size || grey) && !images)
    return cli_usage("--%s is for folders of images; the data are %s", size ? "image-size" : "grey",
                     format);
  if (prefer && strcmp(format, "idx") != 0)
    return cli_usage("--prefer is for folders of IDX files; the data are %s", format);
  return CLI_OK;
}

static int run(int argc, char **argv) {
  const char *sheet = NULL, *images = NULL, *binarise = "none", *prefer = NULL;
  int64_t valid = 0, seed = 0, size = 0;
  bool json = false, grey = false;
  const cli_option options[] = {
    { "sheet", CLI_STRING, &sheet, "FILE", "write a PNG with examples of each class", ".png" },
    { "images", CLI_STRING, &images, "DIR",
      "write the images as PNG files, DIR/train/CLASS/NUMBER.png and DIR/test likewise, into a new "
      "folder (nothing is split for validation unless --valid is above 0)" },
    { "valid", CLI_INT, &valid, "N",
      "examples split for validation (0: a fifth, at most 10000; -1: none)", "[-1,inf)" },
    { "seed", CLI_INT, &seed, "N", "of the synthetic digits and of random splits", "[0,inf)" },
    { "binarise", CLI_STRING, &binarise, "MODE",
      "none, static_files, fixed_draw, dynamic, threshold" },
    { "prefer", CLI_STRING, &prefer, "WORD",
      "of several image files take the one with WORD in its name" },
    { "image-size", CLI_INT, &size, "N", "image folders: side of the square (48)", "[1,4096]" },
    { "grey", CLI_FLAG, &grey, NULL, "image folders: luma instead of RGB" },
    { "json", CLI_FLAG, &json, NULL, "machine-readable output" },
    { 0 },
  };
  int at,
      code = cli_parse(
          argc, argv, options, "data [PATH] [OPTIONS]",
          "Describes the data set in the folder PATH, or the built-in synthetic digits: parts, "
          "sizes, classes and the range of values. Formats: IDX (MNIST), CIFAR-10 and CIFAR-100 "
          "binary, .npy features, folders of PNG or JPEG images, folders of WAV files. Other "
          "built-in data, for trying things out: synthetic:objects, synthetic:animals, "
          "synthetic:features, synthetic:birds.",
          &at);
  if (code >= 0) return code;
  lcl_data_desc desc = { .path = at < argc ? argv[at] : NULL,
                         .valid = images && valid == 0 ? -1 : valid,
                         .seed = (uint64_t)seed,
                         .grey = grey,
                         .image_size = (int)size,
                         .prefer = prefer };
  if (argc - at > 1) return cli_usage("data takes one folder; '%s' is one too many", argv[at + 1]);
  if (!parse_binarise(binarise, &desc.binarise))
    return cli_usage("--binarise is none, static_files, fixed_draw, dynamic or threshold, not '%s'",
                     binarise);
  lcl_splits s;
  if (json && (sheet || images))
    return cli_usage("data: --json and --%s do not go together", sheet ? "sheet" : "images");
  if (lcl__check_output(sheet) != LCL_OK) return cli_error();
  if (lcl_data_open(&desc, &s) != LCL_OK) return cli_error();
  code = check_format(s.format, size, grey, prefer);
  if (code == CLI_OK && sheet && lcl__data_check_output(desc.path, s.format, sheet) != LCL_OK)
    code = cli_error();
  if (code == CLI_OK && images) code = write_images(&s, images);
  if (code == CLI_OK && json)
    code = print_json(&s);
  else if (code == CLI_OK && !cli_is_stdout(sheet))
    code = print_parts(&s);
  if (sheet && code == CLI_OK) code = write_sheet(s.train, sheet);
  lcl_splits_close(&s);
  return code;
}

const struct lcl_command cmd_data = { "data", "describe a data set", run };
