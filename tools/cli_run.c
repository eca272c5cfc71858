#include "cli_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "models/build.h"

enum { MAX_OWN = 24, MAX_SET = 160, N_CHOICES = CLI_N_CHOICES + 1 };

/* ---- options of a model, for --help ---- */

/* Settings for the built-in digits, for those common options that are settings; NULL: the model
 * does not take these data. */
static lcl_model *for_digits(const lcl_model_class *cls) {
  const lcl_model_data digits = {
    .channels = 1, .height = 28, .width = 28, .classes = 10, .train = 8000, .name = "synthetic"
  };
  lcl_options *o;
  lcl_model *m = NULL;
  if (lcl_model_options(cls, &o) != LCL_OK) return NULL;
  if (lcl_model_create(cls, o, &digits, &m) != LCL_OK) m = NULL;
  lcl_options_destroy(o);
  return m;
}

static void print_option(const lcl_option *o, const char *value) {
  static const char *const types[] = { "whole number", "number",        "true|false", "",
                                       "text",         "whole numbers", "numbers" };
  const bool choice = o->type == LCL_OPTION_CHOICE;
  printf("  %-20s %s", o->name, choice ? o->allowed : types[o->type]);
  if (!choice && o->allowed) printf(" in %s", o->allowed);
  if (*value) printf("  (%s)", value);
  printf("\n      %s%s%s\n", o->when ? o->when : "", o->when ? ": " : "", o->help);
}

static void print_model_options(const lcl_model_class *cls) {
  size_t n;
  const lcl_option *common = lcl_common_options(&n);
  printf("\nOptions of %s, each as --set NAME=VALUE (type, then the default in brackets):\n",
         cls->name);
  for (size_t i = 0; i < cls->n_options; i++) print_option(&cls->options[i], cls->options[i].value);
  lcl_model *m = for_digits(cls);
  char text[32];
  printf("\nOptions of every model, the same way (defaults of %s for the built-in digits; other "
         "data\nmay have others, and no default is the model's own choice):\n",
         cls->name);
  for (size_t i = 0; i < n; i++) {
    const char *value = common[i].value;
    double number;
    if (!*value && m) value = lcl__setting_text(&m->settings, common[i].name, text);
    /* A schedule that is not in use has steps of 0, which nobody can ask for. */
    if (lcl__parse_number(value, &number) && !lcl__inside(common[i].allowed, number)) value = "";
    print_option(&common[i], value);
  }
  lcl_model_destroy(m);
}

static const lcl_model_class *named_model(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    for (size_t k = 0; k < lcl_model_count(); k++)
      if (strcmp(argv[i], lcl_model_at(k)->name) == 0) return lcl_model_at(k);
  return NULL;
}

/* ---- parsing ---- */

/* Short forms of the common options: --epochs 5 is --set epochs=5. */
static const struct {
  const char *flag, *option, *help, *metavar;
} shorts[] = {
  { "epochs", "epochs", "passes over the training images" },
  { "batch", "batch", "examples in a step" },
  { "lr", "lr", "initial learning rate" },
  { "precision", "precision", "f16: operands of products in half precision (f32)", "f32|f16" },
  { "labels-per-class", "labels_per_class", "labelled examples of each class; 0: all" },
  { "subset", "subset", "which random choice of those: 0, 1, 2, ..." },
  { "augment", "augment",
    "random changes of training images beside the model's own, as shift=2,rotate=10,scale=0.1,"
    "crop=0.2,mirror,cutout=8; false: none at all",
    "LIST" },
  { "class-weights", "class_weights",
    "in the cross-entropy: balanced, or a number for each class, as 1,2.5,1", "LIST" },
};
enum { N_SHORTS = sizeof shorts / sizeof *shorts };

static int check_options(const cli_model_args *m) {
  const lcl_model_class *cls;
  lcl_options *o;
  if (!m->model) return -1;
  if (lcl_model_find(m->model, &cls) != LCL_OK) return cli_usage("%s", lcl_error_message());
  if (lcl_model_options(cls, &o) != LCL_OK) return cli_error();
  int code = -1;
  for (size_t i = 0; i < m->n_set && code < 0; i++)
    if (lcl_options_set_pair(o, m->set[i]) != LCL_OK) code = cli_usage("%s", lcl_error_message());
  lcl_options_destroy(o);
  return code;
}

int cli_model_parse(int argc, char **argv, const cli_option *own, const char *usage,
                    const char *about, cli_model_args *out) {
  static const char *pairs[MAX_SET];
  static char text[N_SHORTS][8192];
  const char *given[N_SHORTS] = { 0 };
  static cli_list set;
  static const cli_option choices[] = { CLI_PLUGINS, CLI_CHOICES };
  cli_option table[MAX_OWN + N_SHORTS + N_CHOICES + 6];
  int n = 0, argi;
  set.n = 0;
  table[n++] = (cli_option) { "data", CLI_STRING, &out->data, "DIR",
                              "data set (the built-in synthetic digits)" };
  table[n++] = (cli_option)CLI_DEVICE(&out->device);
  table[n++] = (cli_option) {
    "seed", CLI_INT, &out->seed, NULL, "of initial values, batches and noise", "[0,inf)"
  };
  table[n++] = (cli_option) { "set", CLI_LIST, &set, "NAME=VALUE",
                              "an option of the model; may be repeated" };
  for (int i = 0; i < N_SHORTS; i++)
    table[n++] = (cli_option) { shorts[i].flag, CLI_STRING, &given[i],
                                shorts[i].metavar ? shorts[i].metavar : "N", shorts[i].help };
  for (int i = 0; own[i].name && i < MAX_OWN; i++) table[n++] = own[i];
  for (int i = 0; i < N_CHOICES; i++) table[n++] = choices[i];
  table[n] = (cli_option) { 0 };
  int code = cli_parse(argc, argv, table, usage, about, &argi);
  const lcl_model_class *cls = code == CLI_OK ? named_model(argc, argv) : NULL;
  if (cls) print_model_options(cls);
  if (code >= 0) return code;
  if (argi < argc) out->model = argv[argi++];
  if (argi < argc)
    return cli_usage("%s: unexpected argument '%s'; see `latentcl %s --help`", argv[0], argv[argi],
                     argv[0]);
  for (int i = 0; i < N_SHORTS; i++) {
    if (!given[i]) continue;
    const int length = snprintf(text[i], sizeof text[i], "%s=%s", shorts[i].option, given[i]);
    if (length >= (int)sizeof text[i]) return cli_usage("--%s: so long a value", shorts[i].flag);
    pairs[out->n_set++] = text[i];
  }
  for (size_t i = 0; i < set.n; i++) pairs[out->n_set++] = set.item[i];
  out->set = pairs;
  return check_options(out);
}

/* ---- runs ---- */

int cli_run_parse(int argc, char **argv, const cli_option *own, const char *usage,
                  const char *about, cli_run_args *out) {
  static const cli_option choices[] = { CLI_PLUGINS, CLI_CHOICES };
  cli_option table[MAX_OWN + N_CHOICES + 4];
  int n = 0, argi;
  const char **split = NULL, *usual = NULL;
  table[n++] = (cli_option) { "data", CLI_STRING, &out->data, "DIR",
                              "where the data set that the run was trained on lies now" };
  table[n++] = (cli_option)CLI_DEVICE(&out->device);
  for (int i = 0; own[i].name && i < MAX_OWN; i++) {
    if (strcmp(own[i].name, "split") == 0) split = own[i].value;
    table[n++] = own[i];
  }
  if (split) {
    usual = *split;
    table[n++] = (cli_option) { "on", CLI_STRING, &out->on, "DIR",
                                "other data, all of it: images with or without a folder for each "
                                "class, or any data set" };
  }
  for (int i = 0; i < N_CHOICES; i++) table[n++] = choices[i];
  table[n] = (cli_option) { 0 };
  int code = cli_parse(argc, argv, table, usage, about, &argi);
  if (code >= 0) return code;
  if (argi >= argc) return cli_usage("%s: which run? Usage: latentcl %s", argv[0], usage);
  out->folders = argv + argi;
  out->n_folders = argc - argi;
  out->folder = argv[argi++];
  if (argi < argc && out->several) return -1;
  if (argi < argc) return cli_usage("%s: unexpected argument '%s'", argv[0], argv[argi]);
  if (out->on && out->data) return cli_usage("%s: --data and --on: give one of them", argv[0]);
  if (out->on && *split == usual) *split = "all";
  return -1;
}

int cli_run_open(cli_run_args *a) {
  if (lcl_context_create(&(lcl_context_desc) { .device = a->device }, &a->ctx) != LCL_OK)
    return cli_error();
  if ((a->on ? lcl_run_open_on(a->ctx, a->folder, a->on, &a->run)
             : lcl_run_open(a->ctx, a->folder, a->data, &a->run)) == LCL_OK)
    return -1;
  const int code = cli_error();
  cli_run_close(a);
  return code;
}

void cli_run_close(cli_run_args *a) {
  lcl_run_close(a->run);
  if (a->ctx) lcl_context_destroy(a->ctx);
  a->run = NULL;
  a->ctx = NULL;
}
