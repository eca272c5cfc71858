#include "cli_ranks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/ranks.h"

enum { MOST_DEVICES = 64 };

/* ---- launchers ---- */

/* What Open MPI, MPICH and their like, and Slurm tell the processes that they start. */
static int from_launcher(const char *const *names, int otherwise) {
  for (; *names; names++) {
    const char *text = getenv(*names);
    if (text && *text) return atoi(text);
  }
  return otherwise;
}

static int started_together(void) {
  static const char *const names[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", NULL },
                           *const slurm[] = { "SLURM_STEP_NUM_TASKS", NULL };
  const int n = from_launcher(names, 0);
  if (n > 0) return n;
  return getenv("PMIX_RANK") ? from_launcher(slurm, 1) : 1;
}

bool cli_speaks(void) {
  static const char *const names[] = { "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", NULL };
  return started_together() == 1 || from_launcher(names, 0) == 0;
}

void cli_ranks_begin(void) {
  if (!cli_speaks()) cli_mute();
}

/* ---- devices ---- */

/* Entry number i of a list "A,B"; false: there is none. */
static bool entry(const char *list, int i, char *out, size_t size) {
  while (i-- > 0 && list)
    if ((list = strchr(list, ','))) list++;
  if (!list || !*list || *list == ',') return false;
  snprintf(out, size, "%.*s", (int)strcspn(list, ","), list);
  return true;
}

/* The ranks of a machine take its GPUs in turn; CPUs are all in the one device. */
static void next_gpu(int local, char *out, size_t size) {
  lcl_device all[MOST_DEVICES];
  size_t n, gpus = 0;
  const lcl_device *chosen = NULL;
  if (lcl_devices(all, MOST_DEVICES, &n) != LCL_OK) return;
  if (n > MOST_DEVICES) n = MOST_DEVICES;
  for (size_t i = 0; i < n; i++)
    if (all[i].chosen) chosen = &all[i];
  if (!chosen || strcmp(chosen->kind, "GPU") != 0) return;
  for (int pass = 0; pass < 2; pass++) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
      if (strcmp(all[i].kind, "GPU") != 0 || strcmp(all[i].platform, chosen->platform) != 0)
        continue;
      if (pass == 1 && at == (size_t)local % gpus) snprintf(out, size, "%s", all[i].selector);
      at++;
    }
    gpus = at;
  }
}

static lcl_status choose(cli_ranks *r, const lcl_context_desc *desc) {
  const int local = lcl_ranks_local(r->ranks);
  snprintf(r->device, sizeof r->device, "%s", desc->device ? desc->device : "");
  if (r->devices) {
    if (entry(r->devices, local, r->device, sizeof r->device)) return LCL_OK;
    return lcl_fail(LCL_ERR_NO_DEVICE, "--devices %s has no device for process %d of this machine",
                    r->devices, local + 1);
  }
  if (r->ranks && !*r->device) next_gpu(local, r->device, sizeof r->device);
  return LCL_OK;
}

/* PoCL's cache of kernels has a race between processes that begin at once: each has its own. */
static void own_pocl_cache(int local) {
  const char *given = getenv("POCL_CACHE_DIR"), *cache = getenv("XDG_CACHE_HOME"),
             *home = getenv("HOME");
  char path[4096];
  if (local == 0) return;
  if (given && *given)
    snprintf(path, sizeof path, "%s/rank%d", given, local);
  else if (cache && *cache)
    snprintf(path, sizeof path, "%s/pocl/rank%d", cache, local);
  else
    snprintf(path, sizeof path, "%s/.cache/pocl/rank%d", home ? home : "", local);
  setenv("POCL_CACHE_DIR", path, 1);
}

/* ---- starting anew ---- */

static int count(const char *list) {
  char one[256];
  int n = 0;
  while (n < MOST_DEVICES && entry(list, n, one, sizeof one)) n++;
  return n;
}

/* Nothing between two commas would end the list there. */
static bool is_list(const char *list) {
  for (;;) {
    const size_t n = strcspn(list, ",");
    if (n == 0) return false;
    if (!list[n]) return true;
    list += n + 1;
  }
}

/* Under Open MPI's launcher, which returns only where it cannot be started. */
static int start_anew(int n, int argc, char **argv) {
  char self[4096], number[16];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  const char **all = calloc((size_t)argc + 10, sizeof *all);
  int k = 0;
  if (length < 0 || !all) return cli_fail("out of memory");
  self[length] = 0;
  snprintf(number, sizeof number, "%d", n);
  const char *launcher[] = { "mpirun", "-n", number, "--oversubscribe", "--bind-to", "none", self };
  for (size_t i = 0; i < sizeof launcher / sizeof *launcher; i++) all[k++] = launcher[i];
  for (int i = 0; i < argc; i++) all[k++] = argv[i];
  if (geteuid() == 0) { /* who starts this as root starts that as root */
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  }
  fflush(stdout);
  execvp(all[0], (char *const *)all);
  free(all);
  return cli_fail("--devices starts a process a device with Open MPI's mpirun: %s (Debian: "
                  "openmpi-bin)",
                  strerror(errno));
}

/* ---- joining ---- */

int cli_ranks_join(cli_ranks *r, int argc, char **argv, const lcl_context_desc *desc,
                   lcl_context **ctx) {
  const int started = started_together(), listed = r->devices ? count(r->devices) : 1;
  *ctx = NULL;
  if (r->devices && desc->device)
    return cli_usage("%s: --device is for one process, --devices for several: not both", argv[0]);
  if (r->devices && !is_list(r->devices))
    return cli_usage("%s: --devices: expected a list of devices as 0:0,0:1, not '%s'", argv[0],
                     r->devices);
  if (!LCL_HAVE_MPI && (started > 1 || listed > 1)) /* says so */
    return lcl_ranks_create(NULL, &r->ranks) == LCL_OK ? CLI_FAILED : cli_error();
  if (started == 1 && listed > 1) return start_anew(listed, argc, argv);
  if (started > 1 && lcl_ranks_create(NULL, &r->ranks) != LCL_OK) return cli_error();
  lcl_context_desc own = *desc;
  own_pocl_cache(lcl_ranks_local(r->ranks));
  lcl_status s = choose(r, desc);
  own.device = *r->device ? r->device : NULL;
  if (s == LCL_OK) s = lcl_context_create(&own, ctx);
  s = lcl__ranks_agree(r->ranks, s);
  if (s == LCL_OK) return -1;
  cli_error();
  if (*ctx) lcl_context_destroy(*ctx);
  cli_ranks_leave(r);
  return CLI_FAILED;
}

void cli_ranks_leave(cli_ranks *r) {
  lcl_ranks_destroy(r->ranks);
  r->ranks = NULL;
}
