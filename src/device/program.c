/* Programs of a context: each (source, options) is built once, several at a time on host threads.
 */
#include "device/program.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/text.h"
#include "device/cache.h"

void lcl__programs_free(lcl_programs *programs) {
  for (size_t i = 0; i < programs->built.n; i++) {
    if (programs->built.data[i].program) clReleaseProgram(programs->built.data[i].program);
    lcl__free(programs->built.data[i].refusal);
  }
  lcl__free(programs->built.data);
  *programs = (lcl_programs) { 0 };
}

lcl_build_stats lcl__context_build_stats(const lcl_context *ctx) {
  return ctx->programs.stats;
}

/* ---- the text of a program ---- */

enum { MAX_DEPTH = 8, MAX_TEXT = 16 << 20 };

static lcl_status add_file(lcl_str *out, const char *file, int depth);

/* The file that a line of the form #include "packed.cl" names, into file. */
static lcl_status included_name(const char *from, char file[64]) {
  size_t n = strcspn(from, "\"\n");
  if (n == 0 || n >= 64 || from[n] != '"')
    return lcl__fail(LCL_ERR_FORMAT, "#include expects \"FILE\" with a name of 1 to 63 characters");
  memcpy(file, from, n);
  file[n] = 0;
  return LCL_OK;
}

/* Lines of the form #include "packed.cl" are replaced by that file: drivers know no folder to look
 * in. */
static lcl_status add_text(lcl_str *out, const char *name, const char *text, int depth) {
  static const char include[] = "#include \"";
  int line = 1;
  lcl__str_add(out, "#line 1 \"%s\"\n", name);
  for (const char *end; *text; text = *end ? end + 1 : end, line++) {
    end = text + strcspn(text, "\n");
    if (strncmp(text, include, sizeof include - 1) == 0) {
      char file[64];
      lcl_status status = included_name(text + sizeof include - 1, file);
      if (status == LCL_OK) status = add_file(out, file, depth + 1);
      if (status != LCL_OK) return lcl__fail_prefix(status, "%s:%d", name, line);
      lcl__str_add(out, "#line %d \"%s\"\n", line + 1, name);
    } else {
      lcl__str_add(out, "%.*s\n", (int)(end - text), text);
    }
    if (out->n > MAX_TEXT)
      return lcl__fail(LCL_ERR_FORMAT,
                       "%s: the kernels are larger than %d MiB with what they include", name,
                       MAX_TEXT >> 20);
  }
  return LCL_OK;
}

static lcl_status add_file(lcl_str *out, const char *file, int depth) {
  const char *folder = getenv("LATENTCL_KERNELS");
  if (depth > MAX_DEPTH)
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s includes itself, or files include each other more than %d deep", file,
                     MAX_DEPTH);
  if (!folder || !*folder) {
    const char *text = lcl__embedded_source(file);
    if (!text) return lcl__fail(LCL_ERR_ARGUMENT, "there is no kernel file %s", file);
    return add_text(out, file, text, depth);
  }
  lcl_str path = { 0 };
  void *text = NULL;
  size_t n;
  lcl__str_add(&path, "%s/%s", folder, file);
  lcl_status status = lcl__str_ok(&path) ? lcl__file_read(path.data, MAX_TEXT, &text, &n)
                                         : LCL_ERR_HOST_MEMORY;
  if (status != LCL_OK)
    lcl__fail_prefix(status, "LATENTCL_KERNELS");
  else if (memchr(text, 0, n))
    status = lcl__fail(LCL_ERR_FORMAT, "LATENTCL_KERNELS: %s is not a text: it has zero bytes",
                       path.data);
  else
    status = add_text(out, path.data, text, depth);
  lcl__free(text);
  lcl__str_free(&path);
  return status;
}

static lcl_status whole_text(const lcl_source *source, lcl_str *out) {
  LCL_TRY(add_file(out, "common.cl", 0));
  if (source->file)
    LCL_TRY(add_file(out, source->file, 0));
  else if (source->text)
    lcl__str_add(out, "#line 1 \"generated.cl\"\n%s\n", source->text);
  else
    return lcl__fail(LCL_ERR_ARGUMENT, "a program needs a kernel file or a text");
  return lcl__str_ok(out) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* Without warnings, which some drivers' compilers count on standard error. Denormals count as zero:
 * what decays towards zero (a weight under decay, a moment without gradient) would pass through
 * them, where a processor works a hundred times slower. */
static void all_options(const lcl_caps *caps, const lcl_source *source, lcl_str *out) {
  lcl__str_add(out,
               "-w -cl-std=CL1.2 -cl-mad-enable -cl-denorms-are-zero -DLCL_PANEL=%d -DLCL_VEC=%u",
               caps->packed, LCL_MAX(caps->preferred_float, 4u));
  if (source->options && *source->options) lcl__str_add(out, " %s", source->options);
}

bool lcl__driver_key(const lcl_context *ctx, const char *what, char key[33]) {
  const lcl_caps *c = &ctx->caps;
  lcl_str all = { 0 };
  char platform[128] = "";
  clGetPlatformInfo(ctx->platform, CL_PLATFORM_VERSION, sizeof platform, platform, NULL);
  lcl__str_add(&all, "%d\n%s\n%s\n%s\n%s\n%s\n%s\n%s", LCL_CACHE_FORMAT, c->name, c->vendor,
               c->driver, c->version, c->platform, platform, what);
  const bool ok = lcl__str_ok(&all);
  if (ok) lcl__hash_hex(all.data, all.n, key);
  lcl__str_free(&all);
  return ok;
}

/* Everything the binary depends on. */
static bool make_key(const lcl_context *ctx, const char *text, const char *options, char key[33]) {
  lcl_str all = { 0 };
  lcl__str_add(&all, "%s\n%s", options, text);
  const bool ok = lcl__str_ok(&all) && lcl__driver_key(ctx, all.data, key);
  lcl__str_free(&all);
  return ok;
}

/* ---- jobs ---- */

typedef struct job_list {
  lcl_build_job *data;
  size_t n, cap;
  atomic_size_t next;
} job_list;

static void free_job(lcl_build_job *job) {
  if (job->program) clReleaseProgram(job->program);
  lcl__free(job->name);
  lcl__free(job->text);
  lcl__free(job->options);
  lcl__free(job->message);
}

static lcl_status prepare(lcl_context *ctx, const lcl_source *source, lcl_build_job *job) {
  lcl_str text = { 0 }, options = { 0 }, name = { 0 };
  *job = (lcl_build_job) { .ctx = ctx };
  lcl_status status = whole_text(source, &text);
  all_options(&ctx->caps, source, &options);
  const char *extra = source->options && *source->options ? source->options : "no options";
  lcl__str_add(&name, "%s (%s)", source->file ? source->file : "generated.cl", extra);
  if (status == LCL_OK && (!lcl__str_ok(&options) || !lcl__str_ok(&name)))
    status = LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK && !make_key(ctx, text.data, options.data, job->key))
    status = LCL_ERR_HOST_MEMORY;
  if (status != LCL_OK) {
    lcl__str_free(&text);
    lcl__str_free(&options);
    lcl__str_free(&name);
    return status;
  }
  job->text = text.data;
  job->options = options.data;
  job->name = name.data;
  return LCL_OK;
}

static lcl_program_entry *find(lcl_programs *programs, const char *key) {
  for (size_t i = 0; i < programs->built.n; i++)
    if (memcmp(programs->built.data[i].key, key, 32) == 0) return &programs->built.data[i];
  return NULL;
}

static void *work(void *arg) {
  job_list *jobs = arg;
  for (size_t i; (i = atomic_fetch_add(&jobs->next, 1)) < jobs->n;) lcl__build_one(&jobs->data[i]);
  return NULL;
}

static void run_jobs(job_list *jobs) {
  enum { MAX_THREADS = 16 };
  pthread_t threads[MAX_THREADS];
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  /* For drivers whose compiler is not safe in threads. */
  const char *text = getenv("LATENTCL_BUILD_THREADS");
  int64_t limit;
  if (text && *text && lcl__parse_whole(text, &limit) && limit > 0)
    cores = (long)LCL_MIN((int64_t)cores, limit);
  else if (text && *text)
    lcl__logf(LCL_LOG_WARN, "LATENTCL_BUILD_THREADS wants a number of threads, not '%s'", text);
  size_t want = LCL_MIN(jobs->n, (size_t)LCL_MIN(LCL_MAX(cores, 1L), (long)MAX_THREADS)),
         started = 0;
  /* This thread works too; when no thread can be started it does everything. */
  while (started + 1 < want && pthread_create(&threads[started], NULL, work, jobs) == 0) started++;
  work(jobs);
  for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

/* Moves what the jobs made into the context; returns the first failure. */
static lcl_status collect(lcl_context *ctx, job_list *jobs) {
  lcl_status status = LCL_OK;
  bool wrote = false;
  for (size_t i = 0; i < jobs->n; i++) {
    lcl_build_job *job = &jobs->data[i];
    wrote |= job->wrote_cache;
    if (job->status == LCL_OK)
      *(job->from_cache ? &ctx->programs.stats.loaded : &ctx->programs.stats.compiled) += 1;
    else if (status == LCL_OK)
      status = lcl__fail(job->status, "%s",
                         job->message ? job->message : lcl_status_string(job->status));
    if (job->status != LCL_OK && !job->refused) continue; /* may work next time */
    lcl_program_entry entry = { .program = job->program, .refusal = job->message };
    memcpy(entry.key, job->key, sizeof entry.key);
    if (!LCL_PUSH(&ctx->programs.built, entry)) {
      if (status == LCL_OK) status = LCL_ERR_HOST_MEMORY;
      continue;
    }
    job->program = NULL;
    job->message = NULL;
  }
  if (wrote) lcl__cache_prune();
  return status;
}

static lcl_status refused(const lcl_program_entry *entry) {
  return lcl__fail(LCL_ERR_BUILD, "%s",
                   entry->refusal ? entry->refusal : "the driver refused this kernel before");
}

/* Adds a job for the source unless it is built or already among the jobs. */
static lcl_status add_job(lcl_context *ctx, const lcl_source *source, job_list *jobs) {
  lcl_build_job job;
  LCL_TRY(prepare(ctx, source, &job));
  const lcl_program_entry *entry = find(&ctx->programs, job.key);
  bool twice = false;
  for (size_t i = 0; i < jobs->n; i++) twice |= memcmp(jobs->data[i].key, job.key, 32) == 0;
  if (!entry && !twice) {
    if (LCL_PUSH(jobs, job)) return LCL_OK;
    free_job(&job);
    return LCL_ERR_HOST_MEMORY;
  }
  free_job(&job);
  ctx->programs.stats.reused++;
  return entry && !entry->program ? refused(entry) : LCL_OK;
}

/* Runs the jobs, keeps what they made, frees them. */
static lcl_status finish_jobs(lcl_context *ctx, job_list *jobs, lcl_status status) {
  double start = lcl__now();
  if (status == LCL_OK && jobs->n) {
    run_jobs(jobs);
    status = collect(ctx, jobs);
  }
  for (size_t i = 0; i < jobs->n; i++) free_job(&jobs->data[i]);
  lcl__free(jobs->data);
  ctx->programs.stats.seconds += lcl__now() - start;
  return status;
}

lcl_status lcl__programs_build(lcl_context *ctx, const lcl_source *sources, size_t n) {
  job_list jobs = { 0 };
  lcl_status status = LCL_OK;
  for (size_t i = 0; status == LCL_OK && i < n; i++) status = add_job(ctx, &sources[i], &jobs);
  return finish_jobs(ctx, &jobs, status);
}

/* The built program of a job's key; builds it first when it is not there. Takes the job over. */
static lcl_status entry_of(lcl_context *ctx, lcl_build_job *job, const lcl_program_entry **entry) {
  char key[33];
  memcpy(key, job->key, sizeof key);
  *entry = find(&ctx->programs, key);
  if (*entry) {
    ctx->programs.stats.reused++;
    free_job(job);
  } else {
    job_list jobs = { 0 };
    if (!LCL_PUSH(&jobs, *job)) return free_job(job), LCL_ERR_HOST_MEMORY;
    LCL_TRY(finish_jobs(ctx, &jobs, LCL_OK));
    *entry = find(&ctx->programs, key);
  }
  if (!*entry) return LCL_ERR_HOST_MEMORY; /* it was built, but could not be kept */
  return (*entry)->program ? LCL_OK : refused(*entry);
}

lcl_status lcl__kernel_create(lcl_context *ctx, const lcl_source *source, const char *kernel,
                              cl_kernel *out) {
  *out = NULL;
  lcl_build_job job;
  const lcl_program_entry *entry;
  LCL_TRY(prepare(ctx, source, &job));
  LCL_TRY(entry_of(ctx, &job, &entry));
  cl_int err;
  *out = clCreateKernel(entry->program, kernel, &err);
  if (err == CL_SUCCESS) return LCL_OK;
  *out = NULL;
  return lcl__fail_prefix(lcl__cl_fail(ctx, err, kernel), "%s (%s)",
                          source->file ? source->file : "generated.cl",
                          source->options && *source->options ? source->options : "no options");
}
