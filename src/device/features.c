/* LATENTCL_DISABLE and LATENTCL_ENABLE: one parser for the environment variables and for
 * lcl_context_desc.disable. */
#include "device/internal.h"

#include "base/text.h"

typedef struct feature {
  const char *name;
  size_t offset; /* of the bool in lcl_caps */
} feature;

#define FEATURE(name)                                                                              \
  { #name, offsetof(lcl_caps, name) }
static const feature features[] = {
  FEATURE(fp16),    FEATURE(command_buffer), FEATURE(clblast),     FEATURE(clfft),
  FEATURE(overlap), FEATURE(packed),         FEATURE(host_memory),
};

static lcl_status disable_one(lcl_caps *caps, const char *word, const char *where) {
  for (size_t i = 0; i < LCL_COUNT(features); i++)
    if (strcmp(word, features[i].name) == 0) {
      *(bool *)((char *)caps + features[i].offset) = false;
      return LCL_OK;
    }
  uint64_t bytes;
  if (strncmp(word, "local_mem=", 10) == 0 && lcl__parse_bytes(word + 10, &bytes)) {
    caps->local_mem = (size_t)LCL_MIN((uint64_t)caps->local_mem, bytes);
    return LCL_OK;
  }
  if (strncmp(word, "vector=", 7) == 0 && lcl__parse_bytes(word + 7, &bytes) && bytes >= 1) {
    caps->preferred_float = (unsigned)LCL_MIN((uint64_t)caps->preferred_float, bytes);
    return LCL_OK;
  }
  return lcl__fail(
      LCL_ERR_ARGUMENT,
      "%s: unknown feature '%s'; known are fp16, command_buffer, clblast, clfft, overlap, packed, "
      "host_memory, local_mem=BYTES (32k, 1m) and vector=FLOATS (8)",
      where, word);
}

/* The next word of a comma-separated list, without blanks around it; false at its end. */
static bool next_word(const char **list, char word[64]) {
  if (!*list || !**list) return false;
  const size_t n = strcspn(*list, ",");
  const char *from = *list, *to = *list + n;
  while (from < to && strchr(" \t\n", *from)) from++;
  while (to > from && strchr(" \t\n", to[-1])) to--;
  snprintf(word, 64, "%.*s", (int)LCL_MIN(to - from, 63), from);
  *list += n + ((*list)[n] == ',');
  return true;
}

lcl_status lcl__caps_disable(lcl_caps *caps, const char *list, const char *where) {
  char word[64];
  while (next_word(&list, word))
    if (*word) LCL_TRY(disable_one(caps, word, where));
  return LCL_OK;
}

lcl_status lcl__enable_parse(const char *list, const char *where, lcl_enabled *enabled) {
  char word[64];
  *enabled = (lcl_enabled) { 0 };
  while (next_word(&list, word)) {
    if (!*word) continue;
    if (strcmp(word, "overlap") == 0) {
      enabled->overlap = true;
      continue;
    }
    const lcl_family found = strcmp(word, "packed") == 0  ? LCL_FAMILY_PACKED
                             : strcmp(word, "tiled") == 0 ? LCL_FAMILY_TILED
                                                          : LCL_FAMILY_MEASURED;
    if (found == LCL_FAMILY_MEASURED)
      return lcl__fail(
          LCL_ERR_ARGUMENT,
          "%s: unknown feature '%s'; known are packed (kernels for CPUs), tiled (kernels "
          "for GPUs) and overlap (uploads beside kernels)",
          where, word);
    if (enabled->family != LCL_FAMILY_MEASURED && enabled->family != found)
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: packed and tiled exclude each other", where);
    enabled->family = found;
  }
  return LCL_OK;
}
