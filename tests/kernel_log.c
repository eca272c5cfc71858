/* Loaded in front of a test (LD_PRELOAD): notes the name of every kernel that is enqueued, and
 * appends the names to the file that LCL_KERNEL_LOG names when the process ends; a file that is
 * older than the program itself is replaced. tests/kernels_ran.py reads them. */
#define _GNU_SOURCE
#pragma GCC diagnostic ignored                                                                     \
    "-Wpedantic" /* dlsym gives functions as void*, which POSIX allows and C does not */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_NAMES = 1024 };
static char *names[MAX_NAMES];
static int n_names;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void note(const char *name) {
  pthread_mutex_lock(&lock);
  int i = 0;
  while (i < n_names && strcmp(names[i], name) != 0) i++;
  if (i == n_names && n_names < MAX_NAMES) names[n_names++] = strdup(name);
  pthread_mutex_unlock(&lock);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint n_wait, const cl_event *wait, cl_event *event) {
  static cl_int (*real)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                        const size_t *, cl_uint, const cl_event *, cl_event *);
  if (!real) real = dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
  if (!real) return CL_INVALID_OPERATION;
  char name[256] = "";
  cl_int err = real(queue, kernel, dims, offset, global, local, n_wait, wait, event);
  if (err == CL_SUCCESS &&
      clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL) == CL_SUCCESS)
    note(name);
  return err;
}

__attribute__((destructor)) static void write_names(void) {
  const char *path = getenv("LCL_KERNEL_LOG");
  struct stat log, program;
  const bool old = path && stat(path, &log) == 0 && stat("/proc/self/exe", &program) == 0 &&
                   log.st_mtime < program.st_mtime;
  FILE *f = path && n_names ? fopen(path, old ? "w" : "a") : NULL;
  if (!f) return;
  for (int i = 0; i < n_names; i++) fprintf(f, "%s\n", names[i]);
  fclose(f);
}
