/* LATENTCL_DISABLE: one parser for the environment variable and for lcl_context_desc.disable. */
#include "device/internal.h"

#include <ctype.h>

typedef struct feature {
  const char *name;
  size_t offset; /* of the bool in lcl_caps */
} feature;

#define FEATURE(name)                                                                              \
  { #name, offsetof(lcl_caps, name) }
static const feature features[] = {
  FEATURE(fp16),         FEATURE(fp64),           FEATURE(subgroups),
  FEATURE(out_of_order), FEATURE(command_buffer), FEATURE(clblast),
  FEATURE(clfft),        FEATURE(panel),          FEATURE(unified_memory),
};

/* "32k", "1m" or plain bytes. */
static bool parse_bytes(const char *text, size_t *out) {
  char *end;
  if (!isdigit((unsigned char)*text)) return false;
  unsigned long long value = strtoull(text, &end, 10);
  unsigned shift = 0;
  if (*end == 'k' || *end == 'K')
    shift = 10, end++;
  else if (*end == 'm' || *end == 'M')
    shift = 20, end++;
  if (*end || value > SIZE_MAX >> shift) return false;
  *out = (size_t)value << shift;
  return true;
}

static lcl_status disable_one(lcl_caps *caps, const char *word, const char *where) {
  for (size_t i = 0; i < LCL_COUNT(features); i++)
    if (strcmp(word, features[i].name) == 0) {
      *(bool *)((char *)caps + features[i].offset) = false;
      return LCL_OK;
    }
  size_t bytes;
  if (strncmp(word, "local_mem=", 10) == 0 && parse_bytes(word + 10, &bytes)) {
    caps->local_mem = LCL_MIN(caps->local_mem, bytes);
    return LCL_OK;
  }
  if (strncmp(word, "vector=", 7) == 0 && parse_bytes(word + 7, &bytes) && bytes >= 1) {
    caps->preferred_float = (unsigned)LCL_MIN((size_t)caps->preferred_float, bytes);
    return LCL_OK;
  }
  return lcl_fail(
      LCL_ERR_ARGUMENT,
      "%s: unknown feature '%s'; known are fp16, fp64, subgroups, out_of_order, command_buffer, "
      "clblast, clfft, "
      "panel, unified_memory, local_mem=BYTES (32k, 1m) and vector=FLOATS (8)",
      where, word);
}

lcl_status lcl_caps_disable(lcl_caps *caps, const char *list, const char *where) {
  while (list && *list) {
    size_t n = strcspn(list, ",");
    char word[64];
    const char *from = list, *to = list + n;
    while (from < to && isspace((unsigned char)*from)) from++;
    while (to > from && isspace((unsigned char)to[-1])) to--;
    snprintf(word, sizeof word, "%.*s", (int)LCL_MIN(to - from, 63), from);
    if (*word) LCL_TRY(disable_one(caps, word, where));
    list += n + (list[n] == ',');
  }
  return LCL_OK;
}
