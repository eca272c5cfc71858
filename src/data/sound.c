/* Folders of WAV files, one folder a class. */
#include <math.h>

#include "data/recordings.h"

enum { LETTERS = 3 }; /* what follows a file of chunks begins with so many, or with zeros */

/* The file's bytes by its RIFF header; 0: it is none, or a stream's, which leaves the size open. */
static size_t riff_bytes(const uint8_t *head, size_t n) {
  uint32_t size = 0;
  if (n < 8 || memcmp(head, "RIFF", 4) != 0) return 0;
  for (int i = 3; i >= 0; i--) size = size << 8 | head[4 + i];
  return size == 0 || size == UINT32_MAX ? 0 : (size_t)size + 8;
}

static size_t wav_wanted(const uint8_t *head, size_t n) {
  const size_t bytes = riff_bytes(head, n);
  if (bytes) return LCL_MAX(n, bytes + LETTERS);
  return memcmp(head, "RIFF", 4) == 0 ? LCL_DATA_MAX_BYTES : n;
}

/* The header of a recording that was not finished may count only its first samples. */
static lcl_status check_end(const uint8_t *data, size_t n) {
  const size_t bytes = riff_bytes(data, n);
  for (size_t i = bytes; bytes && n >= bytes + LETTERS && i < bytes + LETTERS; i++)
    if (data[i] && (data[i] < 32 || data[i] > 126))
      return lcl__fail(LCL_ERR_FORMAT,
                       "WAV file: %zu bytes announced, but more follow that are no chunk", bytes);
  return LCL_OK;
}

static lcl_status check_samples(const lcl_wav *wav) {
  for (int64_t i = 0; i < wav->n; i++)
    if (!isfinite(wav->samples[i]))
      return lcl__fail(LCL_ERR_FORMAT, "sample %lld is not a finite number", (long long)i);
  return LCL_OK;
}

static lcl_status add_file(lcl_recordings *c, const char *path, int32_t label) {
  uint8_t *data;
  size_t n;
  lcl_wav wav;
  LCL_TRY(lcl__gz_read_wanted(path, wav_wanted, &data, &n));
  lcl_status status = check_end(data, n);
  if (status == LCL_OK) status = lcl__wav_parse(data, n, &wav);
  lcl__free(data);
  if (status == LCL_OK && (status = check_samples(&wav)) != LCL_OK) lcl__free(wav.samples);
  if (status != LCL_OK) return lcl__fail_prefix(status, "%s", path);
  if (c->rate && wav.rate != c->rate)
    status = lcl__fail(
        LCL_ERR_FORMAT,
        "%s has %d samples a second, the files before it %d: resample them to one rate", path,
        wav.rate, c->rate);
  c->rate = wav.rate;
  if (status == LCL_OK) status = lcl__recordings_add(c, wav.samples, wav.n, label);
  lcl__free(wav.samples);
  return status;
}

static lcl_status add_class(lcl_recordings *c, const char *folder, const char *name, int32_t label,
                            lcl_names *used, bool *any) {
  lcl_str sub = { 0 }, path = { 0 };
  lcl_names files = { 0 };
  *any = false;
  lcl__str_add(&sub, "%s/%s", folder, name);
  lcl_status status = lcl__str_ok(&sub) ? lcl__list_folder(sub.data, LCL_ENTRY_FILE, &files)
                                        : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < files.n && status == LCL_OK; i++) {
    if (!lcl__name_ends(files.data[i], ".wav")) continue;
    lcl__str_free(&path);
    path = (lcl_str) { 0 };
    lcl__str_add(&path, "%s/%s", sub.data, files.data[i]);
    *any = true;
    status = lcl__str_ok(&path) && lcl__names_add(used, "", path.data + strlen(folder) + 1)
                 ? add_file(c, path.data, label)
                 : LCL_ERR_HOST_MEMORY;
  }
  lcl__names_free(&files);
  lcl__str_free(&sub);
  lcl__str_free(&path);
  return status;
}

/* Parts are dealt out here, so that a folder train is no class but a layout that is not read. */
static lcl_status check_class(const char *folder, const char *name) {
  if (lcl__part_named(name, strlen(name)) < 0) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT,
                   "%s/%s is no class: put the classes' folders beside each other; the recordings "
                   "are dealt to the parts",
                   folder, name);
}

/* Parts with classes in them, of which no recording would be found. */
static lcl_status check_part(const char *folder, const char *name) {
  lcl_str sub = { 0 };
  lcl_names classes = { 0 }, used = { 0 };
  lcl_recordings none = { 0 };
  bool any = false;
  if (lcl__part_named(name, strlen(name)) < 0) return LCL_OK;
  lcl__str_add(&sub, "%s/%s", folder, name);
  lcl_status status = lcl__str_ok(&sub) ? lcl__list_folder(sub.data, LCL_ENTRY_FOLDER, &classes)
                                        : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < classes.n && status == LCL_OK && !any; i++)
    status = add_class(&none, sub.data, classes.data[i], 0, &used, &any);
  if (status == LCL_OK && any) status = check_class(folder, name);
  lcl__recordings_free(&none);
  lcl__names_free(&classes);
  lcl__names_free(&used);
  lcl__str_free(&sub);
  return status;
}

static lcl_status add_classes(lcl_recordings *c, const char *path, lcl_names *folders,
                              lcl_names *classes, lcl_names *used) {
  for (size_t i = 0; i < folders->n; i++) {
    bool any;
    LCL_TRY(add_class(c, path, folders->data[i], (int32_t)classes->n, used, &any));
    LCL_TRY(any ? check_class(path, folders->data[i]) : check_part(path, folders->data[i]));
    if (any && !lcl__names_add(classes, "", folders->data[i])) return LCL_ERR_HOST_MEMORY;
  }
  return LCL_OK;
}

lcl_status lcl__open_sound(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  lcl_recordings c = { 0 };
  lcl_names folders, classes = { 0 }, used = { 0 };
  LCL_TRY(lcl__list_folder(desc->path, LCL_ENTRY_FOLDER, &folders));
  lcl_status status = add_classes(&c, desc->path, &folders, &classes, &used);
  if (status == LCL_OK && c.list.n) {
    *found = true;
    out->format = "sound";
    status = lcl__recordings_parts(desc, &c, &classes, out);
    if (status == LCL_OK) status = lcl__warn_unused(desc->path, &used);
  }
  lcl__names_free(&folders);
  lcl__names_free(&classes);
  lcl__names_free(&used);
  lcl__recordings_free(&c);
  return status;
}
