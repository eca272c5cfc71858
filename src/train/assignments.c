/* Clusters, hash codes and features of every example, by a run's network or by a baseline, as .npy
 * and CSV. */
#include "base/folder.h"
#include "base/npy.h"
#include "models/clusters.h"
#include "nn/evaluate.h"
#include "train/arrays.h"

enum { BITS = 16 };

typedef struct job {
  const lcl_assignment_desc *d;
  lcl_run_folder *run;
  lcl_session *s;
  lcl_dataset *ds;
  const char *method;
  lcl_metrics *metrics;         /* never NULL */
  char path[2][LCL_PREFIX + 4]; /* the array, and a line an example */
} job;

static const char *const cluster_methods[] = { "model", "k-means", "k-means-features", NULL };
static const char *const code_methods[] = { "model", "pca-itq", "spectral", NULL };

/* NULL: there is no choice. */
static lcl_status check_method(const char *const *methods, const char *method) {
  lcl_str list = { 0 };
  bool known = !methods;
  for (int i = 0; methods && methods[i]; i++) {
    known |= strcmp(methods[i], method) == 0;
    lcl__str_add(&list, "%s%s", i ? ", " : "", methods[i]);
  }
  const lcl_status st = known ? LCL_OK
                              : lcl__fail(LCL_ERR_ARGUMENT,
                                          "there is no method \"%s\"; there are: %s", method,
                                          list.data ? list.data : "");
  lcl__str_free(&list);
  return st;
}

lcl_status lcl__assignment_prefix(const lcl_run_folder *run, const lcl_assignment_desc *d,
                                  const char *name, char prefix[LCL_PREFIX]) {
  /* What a baseline found does not take the place of what the model learnt. */
  const bool baseline = d->method && strcmp(d->method, "model") != 0;
  const int n = d->prefix ? snprintf(prefix, LCL_PREFIX, "%s", d->prefix)
                          : snprintf(prefix, LCL_PREFIX, "%s/%s%s%.40s", lcl__run_path(run), name,
                                     baseline ? "-" : "", baseline ? d->method : "");
  return n < LCL_PREFIX ? LCL_OK
                        : lcl__fail(LCL_ERR_ARGUMENT, "the name of the output is too long");
}

static lcl_status begin(job *j, lcl_run_folder *run, const lcl_assignment_desc *d, const char *name,
                        const char *const *methods, lcl_metrics *metrics) {
  *j = (job) { .d = d, .run = run, .s = lcl__run_session(run), .metrics = metrics };
  j->method = d->method ? d->method : "model";
  LCL_TRY(check_method(methods, j->method));
  memset(metrics, 0, sizeof *metrics);
  if (d->k > 0 && strcmp(j->method, "model") == 0)
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "%s: how many is a choice of the baselines; the model's is that of its training", name);
  LCL_TRY(lcl__session_split(j->s, d->split ? d->split : "all", &j->ds));
  if (j->ds->count < 1) return lcl__fail(LCL_ERR_ARGUMENT, "there are no examples in this split");
  lcl_metrics_set(metrics, "n", (double)j->ds->count);
  char prefix[LCL_PREFIX];
  LCL_TRY(lcl__assignment_prefix(run, d, name, prefix));
  snprintf(j->path[0], sizeof j->path[0], "%s.npy", prefix);
  snprintf(j->path[1], sizeof j->path[1], "%s.csv", prefix);
  const char *folder = lcl__run_path(run), *out[] = { j->path[0], j->path[1] };
  return lcl__check_run_outputs(out, LCL_COUNT(out), &folder, 1, j->s);
}

/* Scores compare the examples that have a label; the others are counted. */
static bool scored(const job *j) {
  const int64_t known = lcl__session_known(j->ds);
  if (j->ds->labels && known < j->ds->count)
    lcl_metrics_set(j->metrics, "unlabelled", (double)(j->ds->count - known));
  return known > 0;
}

static int64_t width_of(const job *j) {
  const lcl_model_data *d = &j->s->model->data;
  return d->channels * d->height * d->width;
}

/* All prepared examples; lcl__free. */
static lcl_status examples(const job *j, float **x) {
  size_t rows, bytes;
  *x = NULL;
  if (!lcl__mul_size((size_t)j->ds->count, (size_t)width_of(j), &rows) ||
      !lcl__mul_size(rows, sizeof(float), &bytes))
    return lcl__fail(LCL_ERR_HOST_MEMORY, "these examples do not fit into memory");
  *x = lcl__alloc(bytes);
  return *x ? lcl__session_examples(j->s, j->ds, 0, j->ds->count, *x) : LCL_ERR_HOST_MEMORY;
}

static lcl_status write_both(const job *j, lcl_npy_type type, int rank, const int64_t *dim,
                             const void *data, const lcl_str *csv) {
  if (!lcl__str_ok(csv)) return LCL_ERR_HOST_MEMORY;
  LCL_TRY(lcl__npy_write(j->path[0], type, rank, dim, data));
  return lcl__file_write_atomic(j->path[1], csv->data, csv->n);
}

static void end_head(lcl_str *csv, const lcl_dataset *ds) {
  if (ds->labels) lcl__csv_class_head(csv, ds, "label");
  lcl__str_add(csv, "\n");
}

static void end_line(lcl_str *csv, const lcl_dataset *ds, int64_t i) {
  if (ds->labels) lcl__csv_class(csv, ds, ds->labels[i]);
  lcl__str_add(csv, "\n");
}

/* ---- clusters ---- */

static lcl_status by_model(const job *j, int32_t *cluster, int *clusters) {
  lcl_outputs o;
  if (!(j->s->cls->can & LCL_CAN_CLUSTER))
    return lcl__fail(
        LCL_ERR_UNSUPPORTED,
        "%s learns no clusters; k-means works on any run (method k-means or k-means-features)",
        j->s->cls->name);
  LCL_TRY(lcl__run_outputs(j->run, j->ds, "", &o));
  lcl_status st = LCL_OK;
  if (!o.prediction)
    st = lcl__fail(LCL_ERR_UNSUPPORTED,
                   "this run learnt codes, not clusters; k-means-features clusters those");
  for (int64_t i = 0; st == LCL_OK && i < o.n; i++) {
    cluster[i] = o.prediction[i];
    *clusters = LCL_MAX(*clusters, o.prediction[i] + 1);
  }
  lcl__outputs_free(&o);
  return st;
}

static lcl_status by_kmeans(const job *j, bool features, int32_t *cluster, int *clusters) {
  lcl_outputs o = { 0 };
  float *x = NULL;
  int64_t width = width_of(j);
  *clusters = j->d->k > 0 ? j->d->k : j->s->model->data.classes;
  if (*clusters < 2)
    return lcl__fail(LCL_ERR_ARGUMENT, "k-means needs to know how many clusters, two or more%s",
                     j->d->k > 0 ? "" : "; the data have no classes");
  lcl_status st = features ? lcl__run_outputs(j->run, j->ds, "", &o) : examples(j, &x);
  if (st == LCL_OK && features && !o.features)
    st = lcl__fail(LCL_ERR_UNSUPPORTED, "%s gives no features", j->s->cls->name);
  if (st == LCL_OK && features) width = o.width;
  if (st == LCL_OK)
    st = lcl__kmeans(
        j->s->ctx, features ? o.features : x, j->ds->count, (int)width,
        &(lcl_kmeans_desc) {
            .k = *clusters, .seed = j->d->seed, .progress = j->d->progress, .user = j->d->user },
        cluster, NULL, NULL);
  lcl__free(x);
  lcl__outputs_free(&o);
  return st;
}

static lcl_status find_clusters(const job *j, int32_t *cluster, int *clusters) {
  if (strcmp(j->method, "model") == 0) return by_model(j, cluster, clusters);
  if (strcmp(j->method, "k-means") == 0) return by_kmeans(j, false, cluster, clusters);
  return by_kmeans(j, true, cluster, clusters);
}

static lcl_status write_clusters(const job *j, const int32_t *cluster) {
  lcl_str csv = { 0 };
  lcl__csv_example_head(&csv, j->ds);
  lcl__str_add(&csv, ",cluster");
  end_head(&csv, j->ds);
  for (int64_t i = 0; i < j->ds->count; i++) {
    lcl__csv_example(&csv, j->ds, i);
    lcl__str_add(&csv, ",%d", (int)cluster[i]);
    end_line(&csv, j->ds, i);
  }
  lcl_status st = write_both(j, LCL_NPY_I32, 1, (int64_t[]) { j->ds->count }, cluster, &csv);
  lcl__str_free(&csv);
  return st;
}

static lcl_status assign_clusters(lcl_run_folder *run, const lcl_assignment_desc *desc,
                                  lcl_metrics *metrics) {
  job j;
  int clusters = 1;
  LCL_TRY(begin(&j, run, desc, "clusters", cluster_methods, metrics));
  int32_t *cluster = lcl__alloc((size_t)j.ds->count * sizeof *cluster);
  lcl_status st = cluster ? find_clusters(&j, cluster, &clusters) : LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK && scored(&j)) {
    double accuracy;
    st = lcl__cluster_accuracy(j.ds->labels, cluster, j.ds->count, j.ds->classes, clusters,
                               &accuracy, NULL);
    if (st == LCL_OK) lcl_metrics_set(j.metrics, "accuracy_percent", 100 * accuracy);
  }
  if (st == LCL_OK) st = write_clusters(&j, cluster);
  lcl__free(cluster);
  return st;
}

/* The run's folder belongs to this process while the files are made in it. */
static lcl_status locked(lcl_run_folder *run, const lcl_assignment_desc *desc, lcl_metrics *metrics,
                         lcl_status (*assign)(lcl_run_folder *, const lcl_assignment_desc *,
                                              lcl_metrics *)) {
  lcl_metrics none;
  int lock = -1;
  if (!desc->prefix) LCL_TRY(lcl__folder_lock(lcl__run_path(run), &lock));
  const lcl_status st = assign(run, desc, metrics ? metrics : &none);
  lcl__folder_unlock(lock);
  return st;
}

lcl_status lcl_run_cluster(lcl_run_folder *run, const lcl_assignment_desc *desc,
                           lcl_metrics *metrics) {
  LCL_NEED(run, desc);
  return locked(run, desc, metrics, assign_clusters);
}

/* ---- codes ---- */

static lcl_status codes_by_model(const job *j, uint64_t *codes, int *bits) {
  lcl_outputs o;
  if (!(j->s->cls->can & LCL_CAN_HASH))
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "%s learns no codes; the methods pca-itq and spectral work on any run",
                     j->s->cls->name);
  LCL_TRY(lcl__run_outputs(j->run, j->ds, "", &o));
  lcl_status st = LCL_OK;
  if (o.prediction || !o.features || o.width > 64)
    st = lcl__fail(LCL_ERR_UNSUPPORTED,
                   "this run learnt clusters, not codes (train it with task=hash)");
  else
    lcl__pack_codes(o.features, o.n, (int)(*bits = (int)o.width), 0.5f, codes);
  lcl__outputs_free(&o);
  return st;
}

static lcl_status find_codes(const job *j, uint64_t *codes, int *bits) {
  const bool itq = strcmp(j->method, "pca-itq") == 0;
  float *x;
  if (strcmp(j->method, "model") == 0) return codes_by_model(j, codes, bits);
  *bits = j->d->k > 0 ? j->d->k : BITS;
  if (*bits > 64) return lcl__fail(LCL_ERR_ARGUMENT, "%d bits: at most 64 are possible", *bits);
  lcl_status st = examples(j, &x);
  int64_t n = j->ds->count;
  if (st == LCL_OK && itq) st = lcl__pca_itq(x, n, (int)width_of(j), *bits, j->d->seed, codes);
  if (st == LCL_OK && !itq) st = lcl__spectral_hash(x, n, (int)width_of(j), *bits, codes);
  lcl__free(x);
  return st;
}

static lcl_status write_codes(const job *j, const uint64_t *codes, int bits) {
  int64_t n = j->ds->count;
  lcl_str csv = { 0 };
  char text[65] = "";
  uint8_t *unpacked = lcl__alloc((size_t)n * (size_t)bits);
  if (!unpacked) return LCL_ERR_HOST_MEMORY;
  lcl__csv_example_head(&csv, j->ds);
  lcl__str_add(&csv, ",code");
  end_head(&csv, j->ds);
  for (int64_t i = 0; i < n; i++) {
    for (int b = 0; b < bits; b++) {
      unpacked[i * bits + b] = (codes[i] >> b) & 1;
      text[b] = (codes[i] >> b) & 1 ? '1' : '0';
    }
    /* A letter before the bits: no program takes them for a number and drops its leading zeros. */
    lcl__csv_example(&csv, j->ds, i);
    lcl__str_add(&csv, ",b%.*s", bits, text);
    end_line(&csv, j->ds, i);
  }
  lcl_status st = write_both(j, LCL_NPY_U8, 2, (int64_t[]) { n, bits }, unpacked, &csv);
  lcl__str_free(&csv);
  lcl__free(unpacked);
  return st;
}

static lcl_status assign_codes(lcl_run_folder *run, const lcl_assignment_desc *desc,
                               lcl_metrics *metrics) {
  job j;
  int bits = 0;
  LCL_TRY(begin(&j, run, desc, "codes", code_methods, metrics));
  uint64_t *codes = lcl__alloc((size_t)j.ds->count * sizeof *codes);
  lcl_status st = codes ? find_codes(&j, codes, &bits) : LCL_ERR_HOST_MEMORY;
  const lcl_model_table t = { .n = j.ds->count, .labels = j.ds->labels, .seed = j.s->seed };
  if (st == LCL_OK && scored(&j))
    st = lcl__code_score(j.s->model, &t, codes, bits, desc->queries, j.metrics);
  if (st == LCL_OK) st = write_codes(&j, codes, bits);
  lcl__free(codes);
  return st;
}

lcl_status lcl_run_hash(lcl_run_folder *run, const lcl_assignment_desc *desc,
                        lcl_metrics *metrics) {
  LCL_NEED(run, desc);
  return locked(run, desc, metrics, assign_codes);
}

/* ---- features ---- */

static lcl_status write_features(const job *j, const lcl_outputs *o) {
  lcl_str csv = { 0 };
  const lcl_dataset *predicted = lcl__csv_predicted(j->s, j->ds);
  lcl__csv_example_head(&csv, j->ds);
  if (o->prediction) lcl__csv_class_head(&csv, predicted, "prediction");
  end_head(&csv, j->ds);
  for (int64_t i = 0; i < o->n; i++) {
    lcl__csv_example(&csv, j->ds, i);
    if (o->prediction) lcl__csv_class(&csv, predicted, o->prediction[i]);
    end_line(&csv, j->ds, i);
  }
  int64_t dim[LCL_MAX_RANK + 1] = { o->n };
  for (int d = 0; d < o->row.rank; d++) dim[d + 1] = o->row.dim[d];
  const lcl_status st = write_both(j, LCL_NPY_F32, o->row.rank + 1, dim, o->features, &csv);
  lcl__str_free(&csv);
  return st;
}

static lcl_status encode(lcl_run_folder *run, const lcl_assignment_desc *desc,
                         lcl_metrics *metrics) {
  job j;
  lcl_outputs o;
  LCL_TRY(begin(&j, run, desc, "features", NULL, metrics));
  LCL_TRY(lcl__run_outputs(run, j.ds, desc->layer ? desc->layer : "", &o));
  lcl_metrics_set(metrics, "width", (double)o.width);
  const lcl_status st = o.features ? write_features(&j, &o)
                                   : lcl__fail(LCL_ERR_UNSUPPORTED, "%s gives no features",
                                               j.s->cls->name);
  lcl__outputs_free(&o);
  return st;
}

lcl_status lcl_run_encode(lcl_run_folder *run, const lcl_assignment_desc *desc,
                          lcl_metrics *metrics) {
  LCL_NEED(run, desc);
  const lcl_assignment_desc d = { .split = desc->split,
                                  .prefix = desc->prefix,
                                  .layer = desc->layer };
  return locked(run, &d, metrics, encode);
}
