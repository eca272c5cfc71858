/* Tuning records as they were before parameters had names; see tuning.h. */
#include "ops/tuning.h"

#include <stdio.h>

/* Positions of an old record, and the algorithms by their old numbers. */
enum { ALGORITHM, VECTOR, KC_CAPACITY, KC, PANELS_N, PANELS_M, GROUP, VECTORS, SPLIT_K, LAST, OLD };
enum { PACKED, DIRECT, TILED, CLBLAST, NHWC };
static const char *const conv_names[] = { "implicit-gemm",  "winograd",    "fft",
                                          "im2col-clblast", "few-channel", "direct-nhwc" };

static bool values_of(const cJSON *record, int v[OLD]) {
  const cJSON *values = cJSON_GetObjectItemCaseSensitive(record, "values");
  if (!cJSON_IsArray(values) || cJSON_GetArraySize(values) != OLD) return false;
  for (int i = 0; i < OLD; i++) v[i] = cJSON_GetArrayItem(values, i)->valueint;
  return true;
}

static void add(cJSON *record, const char *name, int value) {
  cJSON_AddNumberToObject(record, name, value);
}

static void add_packed(cJSON *r, const int v[OLD]) {
  add(r, "vector", v[VECTOR]);
  add(r, "kc_capacity", v[KC_CAPACITY]);
  add(r, "kc", v[KC]);
  add(r, "panels_n", v[PANELS_N]);
  add(r, "panels_m", v[PANELS_M]);
  add(r, "split_k", v[SPLIT_K]);
  add(r, "channels_last", v[LAST]);
}

static void add_nhwc(cJSON *r, const int v[OLD]) {
  add(r, "vector", v[VECTOR]);
  add(r, "tiles", v[PANELS_N]);
  add(r, "filter_pairs", v[PANELS_M]);
}

/* The tile of a tiled GEMM's record that has the side of the work-group instead: it was square. A
 * side that no kernel had makes a tile that none has. */
static void square_tile(cJSON *r) {
  const double group = lcl__json_number(r, "group"), vectors = lcl__json_number(r, "vectors");
  const double side = group == 8 || group == 16 ? 4 * group * vectors : -1;
  cJSON_DeleteItemFromObjectCaseSensitive(r, "group");
  cJSON_AddNumberToObject(r, "tile_m", side);
  cJSON_AddNumberToObject(r, "tile_n", side);
}

/* A GEMM's record; NULL where today's GEMM has no such algorithm. */
static cJSON *named_gemm(const int v[OLD]) {
  if (v[ALGORITHM] != PACKED && v[ALGORITHM] != TILED && v[ALGORITHM] != CLBLAST) return NULL;
  cJSON *r = cJSON_CreateObject();
  cJSON_AddStringToObject(r, "algorithm",
                          v[ALGORITHM] == PACKED  ? "packed"
                          : v[ALGORITHM] == TILED ? "tiled"
                                                  : "clblast");
  if (v[ALGORITHM] == PACKED) add_packed(r, v);
  if (v[ALGORITHM] == TILED) {
    add(r, "group", v[GROUP]);
    add(r, "vectors", v[VECTORS]);
    add(r, "split_k", v[SPLIT_K]);
    square_tile(r);
  }
  return r;
}

/* The GEMM that computed the convolution of a key, whose record says what became of it: from one
 * key to the other. */
static bool gemm_key(const char *key, char out[160]) {
  long long n, c, h, w, o, kh, kw, sh, sw, pad[4], dh, dw, groups;
  char pass[24];
  if (sscanf(key,
             "%23s %lldx%lldx%lldx%lld %lldx%lldx%lld step %lld,%lld pad %lld,%lld,%lld,%lld "
             "dilation %lld,%lld groups %lld",
             pass, &n, &c, &h, &w, &o, &kh, &kw, &sh, &sw, &pad[0], &pad[1], &pad[2], &pad[3], &dh,
             &dw, &groups) != 17 ||
      groups < 1 || sh < 1 || sw < 1)
    return false;
  const long long oh = (h + pad[0] + pad[1] - dh * (kh - 1) - 1) / sh + 1,
                  ow = (w + pad[2] + pad[3] - dw * (kw - 1) - 1) / sw + 1;
  int used = 0;
  if (strcmp(pass, "conv2d") == 0) {
    snprintf(out, 160,
             "gemm %lldx%lldx%lld b%lld an patches %lldx%lldx%lldx%lld taps %lldx%lld step "
             "%lld,%lld dilation %lld,%lld",
             o / groups, n * oh * ow, kh * kw * (c / groups), groups, n, c / groups, h, w, kh, kw,
             sh, sw, dh, dw);
  } else if (strcmp(pass, "conv2d_input_grad") == 0) {
    used = snprintf(out, 160,
                    "gemm %lldx%lldx%lld b%lld an patches %lldx%lldx%lldx%lld taps %lldx%lld step "
                    "1,1 dilation %lld,%lld",
                    c / groups, n * h * w, kh * kw * (o / groups), groups, n, o / groups, oh, ow,
                    kh, kw, -dh, -dw);
    if (LCL_MAX(sh, sw) > 1) snprintf(out + used, 160 - (size_t)used, " parts %lld,%lld", sh, sw);
  } else {
    return false;
  }
  return true;
}

/* A convolution's record. Its GEMM had algorithms that today are the convolution's own: without
 * that GEMM's record it is not known what was measured. */
static cJSON *named_conv(const cJSON *old, const char *key, const int v[OLD]) {
  char gemm[160];
  int g[OLD] = { PACKED };
  if (v[ALGORITHM] < 0 || v[ALGORITHM] >= (int)LCL_COUNT(conv_names)) return NULL;
  if (v[ALGORITHM] == 0 && gemm_key(key, gemm) &&
      !values_of(cJSON_GetObjectItemCaseSensitive(old, gemm), g))
    return NULL;
  cJSON *r = cJSON_CreateObject();
  cJSON_AddStringToObject(r, "algorithm",
                          g[ALGORITHM] == NHWC     ? "direct-nhwc"
                          : g[ALGORITHM] == DIRECT ? "direct"
                                                   : conv_names[v[ALGORITHM]]);
  if (g[ALGORITHM] == NHWC) add_nhwc(r, g);
  return r;
}

lcl_status lcl__tuning_convert(cJSON *entries) {
  cJSON *old = cJSON_Duplicate(entries, true);
  const cJSON *record;
  if (!old) return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  cJSON_ArrayForEach(record, old) {
    int v[OLD];
    const char *key = record->string;
    cJSON *named = !values_of(record, v)            ? NULL
                   : strncmp(key, "conv2d", 6) == 0 ? named_conv(old, key, v)
                                                    : named_gemm(v);
    cJSON_DeleteItemFromObjectCaseSensitive(entries, key);
    if (!named) continue;
    cJSON_AddNumberToObject(named, "seconds", lcl__json_number(record, "seconds"));
    cJSON_AddItemToObject(entries, key, named);
  }
  cJSON_Delete(old);
  return LCL_OK;
}

void lcl__tuning_convert_tiles(cJSON *entries) {
  cJSON *record;
  cJSON_ArrayForEach(record, entries) {
    if (strcmp(lcl__json_word(record, "algorithm"), "tiled") == 0 &&
        cJSON_HasObjectItem(record, "group"))
      square_tile(record);
  }
}
