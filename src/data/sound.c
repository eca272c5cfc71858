/* Folders of WAV files, one folder a class. */
#include "data/recordings.h"

static lcl_status add_file(lcl_recordings *c, const char *path, int32_t label) {
  uint8_t *data;
  size_t n;
  lcl_wav wav;
  LCL_TRY(lcl_gz_read(path, LCL_DATA_MAX_BYTES, &data, &n));
  lcl_status status = lcl_wav_parse(data, n, &wav);
  lcl_free(data);
  if (status != LCL_OK) return lcl_fail_prefix(status, "%s", path);
  if (c->rate && wav.rate != c->rate)
    status = lcl_fail(
        LCL_ERR_FORMAT,
        "%s has %d samples a second, the files before it %d: resample them to one rate", path,
        wav.rate, c->rate);
  c->rate = wav.rate;
  if (status == LCL_OK) status = lcl_recordings_add(c, wav.samples, wav.n, label);
  lcl_free(wav.samples);
  return status;
}

static lcl_status add_class(lcl_recordings *c, const char *folder, const char *name, int32_t label,
                            bool *any) {
  lcl_str sub = { 0 }, path = { 0 };
  lcl_names files = { 0 };
  *any = false;
  lcl_str_add(&sub, "%s/%s", folder, name);
  lcl_status status = lcl_str_ok(&sub) ? lcl_list_folder(sub.data, LCL_ENTRY_FILE, &files)
                                       : LCL_ERR_HOST_MEMORY;
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

lcl_status lcl_open_sound(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  lcl_recordings c = { 0 };
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
    status = lcl_recordings_parts(desc, &c, &classes, out);
  }
  lcl_names_free(&folders);
  lcl_names_free(&classes);
  lcl_recordings_free(&c);
  return status;
}
