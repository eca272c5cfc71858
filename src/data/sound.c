/* Sound: RIFF/WAVE files, one folder a class; examples are overlapping windows of the recordings. */
#include <math.h>

#include "base/philox.h"
#include "data/data_internal.h"

enum { WAVE_PCM = 1, WAVE_FLOAT = 3, WAVE_EXTENSIBLE = 0xFFFE };

typedef struct wave_format {
  int code, channels, rate, bits;
} wave_format;

static uint32_t little(const uint8_t *p, int bytes) {
  uint32_t v = 0;
  for (int i = 0; i < bytes; i++) v |= (uint32_t)p[i] << (8 * i);
  return v;
}

static lcl_status parse_format(const uint8_t *p, size_t n, wave_format *f) {
  if (n < 16) return lcl_fail(LCL_ERR_FORMAT, "WAV file: its format chunk is too short");
  f->code = (int)little(p, 2);
  f->channels = (int)little(p + 2, 2);
  uint32_t rate = little(p + 4, 4);
  f->bits = (int)little(p + 14, 2);
  if (f->code == WAVE_EXTENSIBLE && n >= 26) f->code = (int)little(p + 24, 2);
  bool pcm = f->code == WAVE_PCM && (f->bits == 8 || f->bits == 16 || f->bits == 24 || f->bits == 32);
  bool real = f->code == WAVE_FLOAT && f->bits == 32;
  if (!pcm && !real)
    return lcl_fail(LCL_ERR_UNSUPPORTED,
                    "WAV format %d with %d bits is not read: 8, 16, 24, 32-bit PCM or 32-bit float", f->code,
                    f->bits);
  if (f->channels < 1 || f->channels > 64 || rate < 1 || rate > 1000000)
    return lcl_fail(LCL_ERR_FORMAT, "WAV file: %d channels at %u Hz make no sense", f->channels, rate);
  f->rate = (int)rate;
  return LCL_OK;
}

static float sample_value(const uint8_t *p, const wave_format *f) {
  if (f->code == WAVE_FLOAT) {
    uint32_t bits = little(p, 4);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
  }
  if (f->bits == 8) return ((float)p[0] - 128) / 128;
  uint32_t raw = little(p, f->bits / 8) << (32 - f->bits);
  return (float)((int32_t)raw / 2147483648.0);
}

static lcl_status decode(const uint8_t *p, size_t n, const wave_format *f, lcl_wav *out) {
  size_t width = (size_t)f->bits / 8, frame = width * (size_t)f->channels, count = n / frame;
  if (!count) return lcl_fail(LCL_ERR_FORMAT, "WAV file: no samples");
  out->rate = f->rate;
  out->n = (int64_t)count;
  out->samples = lcl_alloc(count * sizeof *out->samples);
  if (!out->samples) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < count; i++) {
    float sum = 0;
    for (int c = 0; c < f->channels; c++) sum += sample_value(p + i * frame + (size_t)c * width, f);
    out->samples[i] = sum / (float)f->channels;
  }
  return LCL_OK;
}

lcl_status lcl_wav_parse(const uint8_t *data, size_t n, lcl_wav *out) {
  wave_format format = { 0 };
  memset(out, 0, sizeof *out);
  if (n < 12 || memcmp(data, "RIFF", 4) || memcmp(data + 8, "WAVE", 4))
    return lcl_fail(LCL_ERR_FORMAT, "not a WAV file: it must start with RIFF....WAVE");
  for (size_t at = 12; at + 8 <= n;) {
    size_t size = little(data + at + 4, 4), left = n - at - 8;
    const uint8_t *body = data + at + 8;
    if (memcmp(data + at, "data", 4) == 0) {
      if (!format.channels) return lcl_fail(LCL_ERR_FORMAT, "WAV file: samples come before their format");
      if (size > left)
        return lcl_fail(LCL_ERR_FORMAT, "WAV file: %zu bytes of samples announced, %zu there", size, left);
      return decode(body, size, &format, out);
    }
    if (size > left) break;
    if (memcmp(data + at, "fmt ", 4) == 0) LCL_TRY(parse_format(body, size, &format));
    at += 8 + size + (size & 1);
  }
  return lcl_fail(LCL_ERR_FORMAT, "WAV file: no samples found");
}

/* ---- a folder of recordings ---- */

typedef struct recording {
  int64_t start, n; /* in the joined signal */
  int32_t label;
} recording;

typedef struct collection {
  struct {
    recording *data;
    size_t n, cap;
  } list;
  float *signal;
  size_t n, cap;
  int rate;
} collection;

static lcl_status add_file(collection *c, const char *path, int32_t label) {
  uint8_t *data;
  size_t n;
  lcl_wav wav;
  LCL_TRY(lcl_gz_read(path, LCL_DATA_MAX_BYTES, &data, &n));
  lcl_status status = lcl_wav_parse(data, n, &wav);
  lcl_free(data);
  if (status != LCL_OK) return lcl_fail_prefix(status, "%s", path);
  if (c->rate && wav.rate != c->rate)
    status = lcl_fail(LCL_ERR_FORMAT,
                      "%s has %d samples a second, the files before it %d: resample them to one rate", path,
                      wav.rate, c->rate);
  c->rate = wav.rate;
  if (status == LCL_OK && !lcl_grow((void **)&c->signal, &c->cap, c->n + (size_t)wav.n, sizeof *c->signal))
    status = LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    memcpy(c->signal + c->n, wav.samples, (size_t)wav.n * sizeof *c->signal);
    recording r = { (int64_t)c->n, wav.n, label };
    c->n += (size_t)wav.n;
    if (!LCL_PUSH(&c->list, r)) status = LCL_ERR_HOST_MEMORY;
  }
  lcl_free(wav.samples);
  return status;
}

static lcl_status add_class(collection *c, const char *folder, const char *name, int32_t label, bool *any) {
  lcl_str sub = { 0 }, path = { 0 };
  lcl_names files = { 0 };
  *any = false;
  lcl_str_add(&sub, "%s/%s", folder, name);
  lcl_status status =
      lcl_str_ok(&sub) ? lcl_list_folder(sub.data, LCL_ENTRY_FILE, &files) : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < files.n && status == LCL_OK; i++) {
    if (!lcl_name_ends(files.data[i], ".wav")) continue;
    lcl_str_free(&path);
    path = (lcl_str) { 0 };
    lcl_str_add(&path, "%s/%s", sub.data, files.data[i]);
    *any = true;
    status = lcl_str_ok(&path) ? add_file(c, path.data, label) : LCL_ERR_HOST_MEMORY;
  }
  lcl_names_free(&files);
  lcl_str_free(&sub);
  lcl_str_free(&path);
  return status;
}

/* part[i]: 0 train, 1 valid, 2 test; in each class the recordings are dealt out in a random order. */
static lcl_status deal(const collection *c, int classes, double test, double valid, uint64_t seed,
                       uint8_t *part) {
  uint32_t n = (uint32_t)c->list.n, *order = lcl_alloc(n * sizeof *order);
  if (!order) return LCL_ERR_HOST_MEMORY;
  lcl_philox_permutation(seed, lcl_philox_stream("data.recordings"), 0, order, n);
  for (int k = 0; k < classes; k++) {
    int64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < n; i++) total += c->list.data[i].label == k;
    int64_t n_test = llrint((double)total * test), n_valid = llrint((double)total * valid);
    if (test > 0 && n_test == 0 && total > 1) n_test = 1;
    if (valid > 0 && n_valid == 0 && total - n_test > 1) n_valid = 1;
    for (uint32_t i = 0; i < n; i++) {
      if (c->list.data[order[i]].label != k) continue;
      part[order[i]] = seen < n_test ? 2 : seen < n_test + n_valid ? 1 : 0;
      seen++;
    }
  }
  lcl_free(order);
  return LCL_OK;
}

static lcl_status cut(const collection *c, const lcl_dataset *all, const uint8_t *part, uint8_t which,
                      const char *name, int width, int hop, lcl_dataset **out) {
  struct {
    int64_t *data;
    size_t n, cap;
  } start = { 0 };
  struct {
    int32_t *data;
    size_t n, cap;
  } label = { 0 };
  bool ok = true;
  for (size_t i = 0; i < c->list.n; i++) {
    const recording *r = &c->list.data[i];
    if (part[i] != which) continue;
    for (int64_t at = 0; at + width <= r->n && ok; at += hop)
      ok = LCL_PUSH(&start, r->start + at) && LCL_PUSH(&label, r->label);
  }
  lcl_status status = ok ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (ok && start.n)
    status = lcl_dataset_windows(all, name, start.data, label.data, (int64_t)start.n, width, out);
  lcl_free(start.data);
  lcl_free(label.data);
  return status;
}

static lcl_status make_parts(const lcl_data_desc *desc, collection *c, lcl_names *classes, lcl_splits *out) {
  double overlap = desc->overlap > 0 ? desc->overlap : 0.9,
         test = desc->test_share > 0 ? desc->test_share : 0.2;
  int width = (int)lrint(c->rate * (desc->segment_ms > 0 ? desc->segment_ms : 500) / 1000.0);
  int hop = (int)LCL_MAX(lrint(width * (1 - overlap)), 1L);
  if (overlap >= 1 || test >= 1 || width < 1)
    return lcl_fail(LCL_ERR_ARGUMENT,
                    "sound: overlap and test share must be below 1 and segments at least 1 sample");
  /* The joined signal is a set of single samples; the parts are windows on it. */
  lcl_raw raw = { (int64_t)c->n, 1, 1, 1, NULL, c->signal, NULL, (int)classes->n, classes->data };
  c->signal = NULL;
  memset(classes, 0, sizeof *classes);
  raw.labels = lcl_alloc((size_t)raw.count * sizeof *raw.labels);
  uint8_t *part = lcl_alloc(c->list.n);
  int n_classes = raw.classes;
  lcl_dataset *all = NULL;
  lcl_status status = LCL_ERR_HOST_MEMORY;
  if (raw.labels && part)
    status = lcl_raw_to_dataset(&raw, "sound", &all);
  else
    lcl_raw_free(&raw);
  double valid = desc->valid < 0 ? 0 : (1 - test) / 5;
  if (status == LCL_OK) status = deal(c, n_classes, test, valid, desc->seed, part);
  if (status == LCL_OK) status = cut(c, all, part, 0, "train", width, hop, &out->train);
  if (status == LCL_OK) status = cut(c, all, part, 1, "valid", width, hop, &out->valid);
  if (status == LCL_OK) status = cut(c, all, part, 2, "test", width, hop, &out->test);
  if (status == LCL_OK && !out->train)
    status =
        lcl_fail(LCL_ERR_FORMAT, "%s: no recording is as long as a segment of %d samples", desc->path, width);
  lcl_dataset_close(all);
  lcl_free(part);
  return status;
}

lcl_status lcl_open_sound(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  collection c = { 0 };
  lcl_names folders, classes = { 0 };
  LCL_TRY(lcl_list_folder(desc->path, LCL_ENTRY_FOLDER, &folders));
  lcl_status status = LCL_OK;
  for (size_t i = 0; i < folders.n && status == LCL_OK; i++) {
    bool any;
    status = add_class(&c, desc->path, folders.data[i], (int32_t)classes.n, &any);
    if (status != LCL_OK || !any) continue;
    if (LCL_PUSH(&classes, folders.data[i]))
      folders.data[i] = NULL;
    else
      status = LCL_ERR_HOST_MEMORY;
  }
  if (status == LCL_OK && c.list.n) {
    *found = true;
    out->format = "sound";
    status = make_parts(desc, &c, &classes, out);
  }
  lcl_names_free(&folders);
  lcl_names_free(&classes);
  lcl_free(c.list.data);
  lcl_free(c.signal);
  return status;
}
