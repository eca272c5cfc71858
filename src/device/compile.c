/* Builds one program: from the disk cache if it has it, else with the driver's compiler. Runs on worker
 * threads. */
#include "device/program.h"

#include "device/cache.h"

/* Some drivers compile only when a kernel object is made: do that now, so that the saved binary is complete.
 */
static void touch_kernels(cl_program program) {
  cl_uint n = 0;
  if (clCreateKernelsInProgram(program, 0, NULL, &n) != CL_SUCCESS || !n) return;
  cl_kernel *kernels = lcl_alloc(n * sizeof *kernels);
  if (!kernels) return;
  if (clCreateKernelsInProgram(program, n, kernels, NULL) == CL_SUCCESS)
    for (cl_uint i = 0; i < n; i++) clReleaseKernel(kernels[i]);
  lcl_free(kernels);
}

static void save(lcl_build_job *job) {
  size_t n = 0;
  if (clGetProgramInfo(job->program, CL_PROGRAM_BINARY_SIZES, sizeof n, &n, NULL) != CL_SUCCESS || !n) return;
  unsigned char *binary = lcl_alloc(n);
  if (!binary) return;
  if (clGetProgramInfo(job->program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS) {
    lcl_cache_put(job->key, LCL_CACHE_BINARY, binary, n);
    job->wrote_cache = true;
  }
  lcl_free(binary);
}

/* True when the cache decided: a program, or a remembered refusal. */
static bool load(lcl_build_job *job) {
  lcl_cache_kind kind;
  void *data;
  size_t n;
  if (!lcl_cache_get(job->key, &kind, &data, &n)) return false;
  if (kind == LCL_CACHE_REFUSED) {
    job->from_cache = true;
    job->status =
        lcl_fail(LCL_ERR_BUILD, "%s\n(remembered from an earlier run; `latentcl cache clear` tries again)",
                 (char *)data);
    lcl_free(data);
    return true;
  }
  cl_int err, of_binary = CL_SUCCESS;
  const unsigned char *bytes = data;
  cl_program program =
      clCreateProgramWithBinary(job->ctx->cl, 1, &job->ctx->device, &n, &bytes, &of_binary, &err);
  lcl_free(data);
  if (err == CL_SUCCESS && of_binary == CL_SUCCESS)
    err = clBuildProgram(program, 1, &job->ctx->device, job->options, NULL, NULL);
  else if (err == CL_SUCCESS)
    err = of_binary;
  if (err != CL_SUCCESS) {
    lcl_logf(LCL_LOG_INFO, "%s: the driver does not take the cached binary (%s), it is built again",
             job->name, lcl_cl_error_name(err));
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
  if (clGetProgramBuildInfo(program, job->ctx->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &n) != CL_SUCCESS || !n)
    return NULL;
  char *log = lcl_alloc(n + 1);
  if (log &&
      clGetProgramBuildInfo(program, job->ctx->device, CL_PROGRAM_BUILD_LOG, n, log, NULL) != CL_SUCCESS)
    *log = 0;
  return log;
}

static lcl_status compile(lcl_build_job *job) {
  cl_int err;
  const char *text = job->text;
  size_t n = strlen(text);
  cl_program program = clCreateProgramWithSource(job->ctx->cl, 1, &text, &n, &err);
  if (err != CL_SUCCESS) return lcl_cl_fail(job->ctx, err, job->name);
  err = clBuildProgram(program, 1, &job->ctx->device, job->options, NULL, NULL);
  if (err == CL_SUCCESS) {
    job->program = program;
    touch_kernels(program);
    save(job);
    return LCL_OK;
  }
  char *log = build_log(job, program);
  clReleaseProgram(program);
  lcl_status status;
  if (err == CL_BUILD_PROGRAM_FAILURE || err == CL_COMPILE_PROGRAM_FAILURE ||
      err == CL_LINK_PROGRAM_FAILURE) {
    status = lcl_fail(LCL_ERR_BUILD, "%s: the driver of %s refused it:\n%s", job->name, job->ctx->caps.name,
                      log && *log ? log : "(no build log)");
    lcl_cache_put(job->key, LCL_CACHE_REFUSED, lcl_error_message(), strlen(lcl_error_message()));
    job->wrote_cache = true;
  } else {
    status = lcl_cl_fail(job->ctx, err, job->name);
  }
  lcl_free(log);
  return status;
}

void lcl_build_one(lcl_build_job *job) {
  job->status = LCL_OK;
  if (!load(job)) job->status = compile(job);
  if (job->status != LCL_OK) job->message = lcl_strdup(lcl_error_message());
}
