/* Builds one program: from the disk cache if it has it, else with the driver's compiler. Runs on
 * worker threads. */
#include "device/program.h"

#include "base/text.h"
#include "device/cache.h"

/* Some drivers compile only when a kernel object is made: do that now, so that the saved binary is
 * complete. */
static void touch_kernels(cl_program program) {
  cl_uint n = 0;
  if (clCreateKernelsInProgram(program, 0, NULL, &n) != CL_SUCCESS || !n) return;
  cl_kernel *kernels = lcl__alloc(n * sizeof *kernels);
  if (!kernels) return;
  if (clCreateKernelsInProgram(program, n, kernels, NULL) == CL_SUCCESS)
    for (cl_uint i = 0; i < n; i++) clReleaseKernel(kernels[i]);
  lcl__free(kernels);
}

/* Some drivers compile everything once more, in a more general form, when they are asked for a
 * binary, and have a cache of their own besides (PoCL: 21 s instead of 9 s for the first training
 * step on two cores). Asking them costs more than it brings. This is measured with the first
 * program that is saved, and remembered in the cache like a refusal. */
static const char dear[] = "binaries are dear";

static bool always_save(void) {
  static atomic_flag told = ATOMIC_FLAG_INIT;
  const char *wish = getenv("LATENTCL_CACHE_BINARIES");
  const bool always = wish && strcmp(wish, "always") == 0;
  if (wish && *wish && !always && !atomic_flag_test_and_set(&told))
    lcl__logf(LCL_LOG_WARN, "LATENTCL_CACHE_BINARIES is always or not set, not '%s'", wish);
  return always;
}

static bool binaries_are_dear(const lcl_build_job *job) {
  char key[33];
  lcl_cache_kind kind;
  void *data;
  size_t n;
  if (always_save()) return false;
  if (!lcl__driver_key(job->ctx, dear, key) || !lcl__cache_get(key, &kind, &data, &n)) return false;
  lcl__free(data);
  return true;
}

static void save(lcl_build_job *job, double build_seconds) {
  size_t n = 0;
  if (!lcl__cache_on() || binaries_are_dear(job)) return;
  const double start = lcl__now();
  if (clGetProgramInfo(job->program, CL_PROGRAM_BINARY_SIZES, sizeof n, &n, NULL) != CL_SUCCESS ||
      !n)
    return;
  unsigned char *binary = lcl__alloc(n);
  if (!binary) return;
  if (clGetProgramInfo(job->program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) ==
      CL_SUCCESS) {
    lcl__cache_put(job->key, LCL_CACHE_BINARY, binary, n);
    job->wrote_cache = true;
  }
  lcl__free(binary);
  const double seconds = lcl__now() - start;
  if (seconds < 0.1 || seconds < 0.25 * build_seconds || always_save()) return;
  static const char why[] = "the driver compiles again when it is asked for a binary";
  char key[33];
  if (!lcl__driver_key(job->ctx, dear, key)) return;
  lcl__cache_put(key, LCL_CACHE_REFUSED, why, sizeof why - 1);
  lcl__logf(LCL_LOG_INFO, "%s: %s (%.2f s); further binaries are left to its own cache",
            job->ctx->caps.name, why, seconds);
}

/* True when the cache decided: a program, or a remembered refusal. */
static bool load(lcl_build_job *job) {
  lcl_cache_kind kind;
  void *data;
  size_t n;
  if (!lcl__cache_get(job->key, &kind, &data, &n)) return false;
  if (kind == LCL_CACHE_REFUSED) {
    job->from_cache = true;
    job->refused = true;
    job->status = lcl__fail(
        LCL_ERR_BUILD, "%s\n(remembered from an earlier run; `latentcl cache clear` tries again)",
        (char *)data);
    lcl__free(data);
    return true;
  }
  cl_int err, of_binary = CL_SUCCESS;
  const unsigned char *bytes = data;
  cl_program program = clCreateProgramWithBinary(job->ctx->cl, 1, &job->ctx->device, &n, &bytes,
                                                 &of_binary, &err);
  lcl__free(data);
  if (err == CL_SUCCESS && of_binary == CL_SUCCESS)
    err = clBuildProgram(program, 1, &job->ctx->device, job->options, NULL, NULL);
  else if (err == CL_SUCCESS)
    err = of_binary;
  if (err != CL_SUCCESS) {
    lcl__logf(LCL_LOG_INFO,
              "%s: the driver does not take the cached binary (%s), it is built again", job->name,
              lcl__cl_error_name(err));
    if (program) clReleaseProgram(program);
    return false;
  }
  job->program = program;
  job->from_cache = true;
  return true;
}

/* The driver's log; names of .cl files and their lines are in it because of #line. */
static char *build_log(const lcl_build_job *job, cl_program program) {
  size_t n = 0;
  if (clGetProgramBuildInfo(program, job->ctx->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &n) !=
          CL_SUCCESS ||
      !n)
    return NULL;
  char *log = lcl__alloc(n + 1);
  if (log && clGetProgramBuildInfo(program, job->ctx->device, CL_PROGRAM_BUILD_LOG, n, log, NULL) !=
                 CL_SUCCESS)
    *log = 0;
  return log;
}

/* ---- refusals ---- */

/* Whether the compiler says what is wrong with the source, and not with the machine. */
static bool blames_source(const char *log) {
  static const char *const machine[] = { "memory",
                                         "bad_alloc",
                                         "no space",
                                         "disk",
                                         "quota",
                                         "killed",
                                         "signal",
                                         "crash",
                                         "timed out",
                                         "timeout",
                                         "unavailable",
                                         "interrupted",
                                         "read-only",
                                         "permission",
                                         "cannot create",
                                         "cannot write",
                                         "unable to", /* rename, open, execute, allocate */
                                         "invalid loc",
                                         "no such file",
                                         "too many open files",
                                         "input/output error" };
  for (size_t i = 0; i < LCL_COUNT(machine); i++)
    if (lcl__contains(log, machine[i])) return false;
  return lcl__contains(log, "error");
}

/* Whether the compiler works at all at this moment. */
static bool compiles_anything(const lcl_build_job *job) {
  const char *text = "__kernel void nothing(__global int *x) { x[0] = 0; }\n";
  size_t n = strlen(text);
  cl_int err;
  cl_program program = clCreateProgramWithSource(job->ctx->cl, 1, &text, &n, &err);
  if (err != CL_SUCCESS) return false;
  err = clBuildProgram(program, 1, &job->ctx->device, "", NULL, NULL);
  clReleaseProgram(program);
  return err == CL_SUCCESS;
}

/* A refusal is remembered only when trying again cannot help: a compiler that ran out of memory or
 * disk, or was killed, fails with the same code as one that met an error in the source. */
static lcl_status refuse(lcl_build_job *job, const char *log) {
  job->refused = log && blames_source(log) && compiles_anything(job);
  lcl__fail(LCL_ERR_BUILD, "%s: the driver of %s refused it:\n%s", job->name, job->ctx->caps.name,
            log && *log ? log : "(no build log)");
  if (job->refused) {
    lcl__cache_put(job->key, LCL_CACHE_REFUSED, lcl_error_message(), strlen(lcl_error_message()));
    job->wrote_cache = true;
  }
  return LCL_ERR_BUILD;
}

static cl_program build(const lcl_build_job *job, cl_int *err) {
  const char *text = job->text;
  const size_t n = strlen(text);
  cl_program program = clCreateProgramWithSource(job->ctx->cl, 1, &text, &n, err);
  if (*err == CL_SUCCESS)
    *err = clBuildProgram(program, 1, &job->ctx->device, job->options, NULL, NULL);
  return program;
}

static bool refuses(cl_int err) {
  return err == CL_BUILD_PROGRAM_FAILURE || err == CL_COMPILE_PROGRAM_FAILURE ||
         err == CL_LINK_PROGRAM_FAILURE;
}

static lcl_status compile(lcl_build_job *job) {
  cl_int err;
  double start = lcl__now();
  cl_program program = build(job, &err);
  if (refuses(err)) { /* perhaps another process was at the compiler's files: it is asked again */
    clReleaseProgram(program);
    start = lcl__now();
    program = build(job, &err);
  }
  if (err == CL_SUCCESS) {
    job->program = program;
    touch_kernels(program);
    save(job, lcl__now() - start);
    return LCL_OK;
  }
  char *log = refuses(err) ? build_log(job, program) : NULL;
  if (program) clReleaseProgram(program);
  const lcl_status status = refuses(err) ? refuse(job, log)
                                         : lcl__cl_fail(job->ctx, err, job->name);
  lcl__free(log);
  return status;
}

void lcl__build_one(lcl_build_job *job) {
  job->status = LCL_OK;
  if (!load(job)) job->status = compile(job);
  if (job->status != LCL_OK) job->message = lcl__strdup(lcl_error_message());
}
