/* A data set as folders of PNG files, which lcl_data_open() takes. */
#include <errno.h>
#include <unistd.h>

#include "base/folder.h"
#include "data/array.h"
#include "data/data_internal.h"
#include "data/image.h"

static lcl_status check(const lcl_dataset *ds) {
  char number[16];
  /* A height of 1 is a sound's or a vector's; PNG would cut its numbers to 256 levels. */
  if (ds->any_range || !ds->labels || ds->height == 1 || (ds->channels != 1 && ds->channels != 3))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "%s: only images with 1 or 3 channels and labels become PNG files, not "
                     "features or sound",
                     ds->name);
  for (int64_t i = 0; i < ds->count; i++)
    if (ds->labels[i] < 0)
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: example %lld has no label, and so no folder",
                       ds->name, (long long)i);
  for (int32_t c = 0; c < ds->classes; c++) {
    const char *name = lcl__class_name(ds, c, number);
    if (!*name || *name == '.' || strchr(name, '/'))
      return lcl__fail(LCL_ERR_ARGUMENT, "%s: a folder cannot be named after the class \"%s\"",
                       ds->name, name);
  }
  return LCL_OK;
}

static lcl_status make_folders(const lcl_dataset *ds, const char *folder) {
  char number[16];
  lcl_status status = LCL_OK;
  for (int32_t c = 0; c < ds->classes && status == LCL_OK; c++) {
    lcl_str path = { 0 };
    lcl__str_add(&path, "%s/%s", folder, lcl__class_name(ds, c, number));
    status = lcl__str_ok(&path) ? lcl__mkdirs(path.data) : LCL_ERR_HOST_MEMORY;
    lcl__str_free(&path);
  }
  return status;
}

/* values, image: room for one example. */
static lcl_status write_one(const lcl_dataset *ds, int64_t i, const char *folder, float *values,
                            lcl_image *image) {
  const int plane = ds->height * ds->width;
  LCL_TRY(lcl_dataset_example(ds, i, values));
  for (int k = 0; k < plane; k++)
    for (int c = 0; c < ds->channels; c++)
      image->data[k * ds->channels + c] = lcl__pixel(values[c * plane + k]);
  uint8_t *data;
  size_t n;
  char number[16];
  lcl_str path = { 0 };
  LCL_TRY(lcl__png_encode(image, &data, &n));
  lcl__str_add(&path, "%s/%s/%06lld.png", folder, lcl__class_name(ds, ds->labels[i], number),
               (long long)i);
  const lcl_status status = lcl__str_ok(&path) ? lcl__file_replace(path.data, data, n)
                                               : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&path);
  lcl__free(data);
  return status;
}

static lcl_status write_part(const lcl_dataset *ds, const char *folder, const char *part,
                             int (*interrupted)(void)) {
  lcl_str path = { 0 };
  const size_t each = lcl_dataset_elements(ds);
  lcl_image image = { ds->width, ds->height, ds->channels, lcl__alloc(each) };
  float *values = lcl__alloc(each * sizeof *values);
  lcl__str_add(&path, "%s/%s", folder, part);
  lcl_status status = image.data && values && lcl__str_ok(&path) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) status = make_folders(ds, path.data);
  for (int64_t i = 0; i < ds->count && status == LCL_OK; i++)
    status = interrupted && interrupted() ? lcl__fail(LCL_ERR_IO, "stopped; no image is kept")
                                          : write_one(ds, i, path.data, values, &image);
  lcl__free(values);
  lcl__str_free(&path);
  lcl__image_free(&image);
  return status;
}

lcl_status lcl__data_write_images(const lcl_splits *splits, const char *folder,
                                  int (*interrupted)(void)) {
  const lcl_dataset *part[] = { splits->train, splits->valid, splits->test };
  static const char *const name[] = { "train", "valid", "test" };
  lcl_str temp = { 0 };
  if (lcl__file_exists(folder))
    return lcl__fail(LCL_ERR_ARGUMENT, "%s is there already; images go into a new folder", folder);
  for (int i = 0; i < 3; i++)
    if (part[i]) LCL_TRY(check(part[i]));
  size_t n = strlen(folder);
  while (n > 1 && folder[n - 1] == '/') n--; /* beside the folder, not in it */
  lcl__str_add(&temp, "%.*s.%ld.tmp", (int)n, folder, (long)getpid());
  if (!lcl__str_ok(&temp)) return LCL_ERR_HOST_MEMORY;
  lcl_status status = LCL_OK;
  for (int i = 0; i < 3 && status == LCL_OK; i++)
    if (part[i]) status = write_part(part[i], temp.data, name[i], interrupted);
  if (status == LCL_OK && rename(temp.data, folder) != 0)
    status = lcl__fail(LCL_ERR_IO, "cannot rename %s: %s", temp.data, strerror(errno));
  if (status != LCL_OK) lcl__folder_remove(temp.data);
  lcl__str_free(&temp);
  return status;
}
