/* Data sets inside the library: shared storage, what readers give back, and the readers themselves.
 */
#ifndef LCL_DATA_INTERNAL_H
#define LCL_DATA_INTERNAL_H

#include "base/base.h"
#include "latentcl/data.h"

/* No reader takes more than this from one file, inflated. */
#define LCL_DATA_MAX_BYTES ((size_t)4 << 30)

/* What a reader makes: count examples of channels*height*width elements, one after another. */
typedef struct lcl_raw {
  int64_t count;
  int channels, height, width;
  uint8_t *pixels; /* exactly one of the two */
  float *values;
  int32_t *labels; /* count, or NULL; -1: unknown */
  int classes;
  char **class_names; /* classes of them, or NULL */
  char **files;       /* count, or NULL: see lcl_dataset_file() */
} lcl_raw;

void lcl__raw_free(lcl_raw *raw);
/* The names of ds's classes, if there are any, become raw's; number: what each class is there, -1:
 * none (NULL: itself). */
lcl_status lcl__raw_copy_names(const lcl_dataset *ds, const int32_t *number, lcl_raw *raw);
/* The file of example i of ds, if it has one, becomes that of raw's example `at`, of raw->count. */
lcl_status lcl__raw_copy_file(const lcl_dataset *ds, int64_t i, lcl_raw *raw, int64_t at);
/* Takes what raw holds, in any case. u8 data that never exceed 1 get scale 1, other u8 data 1/255,
 * floats 1. */
lcl_status lcl__raw_to_dataset(lcl_raw *raw, const char *name, lcl_dataset **out);

/* A view of n examples of ds at index, or of the windows that start at offset (with labels), on the
 * same storage. */
lcl_status lcl__dataset_view(const lcl_dataset *ds, const char *name, const int64_t *index,
                             int64_t n, lcl_dataset **out);
lcl_status lcl__dataset_windows(const lcl_dataset *ds, const char *name, const int64_t *offset,
                                const int32_t *labels, int64_t n, int width, lcl_dataset **out);
lcl_status lcl__dataset_rename(lcl_dataset *ds, const char *name);
/* Gives a set made of this process's own file reading its classes' number, where another part of it
 * has more. */
void lcl__dataset_set_classes(lcl_dataset *ds, int classes);
/* Makes the n parts of a set (some may be NULL), each read on its own, number their classes alike:
 * by name, those of the first part first. Parts without names, and parts of one storage, stay as
 * they are. */
lcl_status lcl__dataset_match_classes(lcl_dataset *const *part, int n);
/* Makes the labels of the parts number these classes (lcl_data_desc.classes); no other view of the
 * parts' storages exists yet. */
lcl_status lcl__dataset_adopt_classes(lcl_dataset *const *part, int n, const char *const *names,
                                      int n_names);
/* A copy with every element sampled 0/1 with p = value (seed, stream), or set by value > 0.5. */
lcl_status lcl__dataset_binarised(const lcl_dataset *ds, bool threshold, uint64_t seed,
                                  uint32_t stream, lcl_dataset **out);

/* Numbers the classes of a set made of this process's own file reading from `first` on. */
void lcl__dataset_shift_classes(lcl_dataset *ds, int first);
/* The classes of desc->only alone, in every part. Copies. */
lcl_status lcl__only_classes(const lcl_data_desc *desc, lcl_splits *s);
/* types, copies and reduce of desc. Copies. */
lcl_status lcl__dataset_copies(const lcl_dataset *ds, const lcl_data_desc *desc, lcl_dataset **out);

/* Whole file, inflated if it is gzip. Caller lcl__free()s. */
lcl_status lcl__gz_read(const char *path, size_t max_bytes, uint8_t **data, size_t *n);
/* The same for files whose head tells how long they are: no more is read or inflated than `wanted`
 * says after the first LCL_HEAD_BYTES (or the whole file, where it is shorter). */
enum { LCL_HEAD_BYTES = 64 };
typedef size_t (*lcl_wanted)(const uint8_t *head, size_t n);
lcl_status lcl__gz_read_wanted(const char *path, lcl_wanted wanted, uint8_t **data, size_t *n);

/* IDX from memory: dims (at most 4) and elements as u8, or as floats for the other types. */
typedef struct lcl_idx {
  int rank;
  int64_t dim[4];
  size_t count;
  uint8_t *bytes; /* exactly one of the two */
  float *values;
  bool real; /* elements are floating-point numbers */
} lcl_idx;
lcl_status lcl__idx_parse(const uint8_t *data, size_t n, lcl_idx *out);
void lcl__idx_free(lcl_idx *idx);

/* CIFAR binary records: label_bytes label bytes (the last one counts), then 3072 pixels. Appends to
 * raw. */
lcl_status lcl__cifar_parse(const uint8_t *data, size_t n, int label_bytes, int classes,
                            lcl_raw *raw);

/* WAV from memory: channels averaged, in [-1,1]. */
typedef struct lcl_wav {
  int rate;
  int64_t n;
  float *samples;
} lcl_wav;
lcl_status lcl__wav_parse(const uint8_t *data, size_t n, lcl_wav *out);

/* Sorted names in a folder (without . and ..), folders or files only. */
typedef struct lcl_names {
  char **data;
  size_t n, cap;
} lcl_names;
typedef enum lcl_entry_kind { LCL_ENTRY_FILE, LCL_ENTRY_FOLDER } lcl_entry_kind;
lcl_status lcl__list_folder(const char *path, lcl_entry_kind kind, lcl_names *out);
void lcl__names_free(lcl_names *names);
bool lcl__name_ends(const char *name, const char *suffix); /* case-insensitive */
/* Adds a copy of name (what comes before it: prefix); false: out of memory. */
bool lcl__names_add(lcl_names *names, const char *prefix, const char *name);
/* The part that a file or folder named so, in any case, belongs to: 0 training, 1 validation, 2
 * test; -1: none.
 */
int lcl__part_named(const char *name, size_t n);
/* Warns once about what lies in the folder and is not among `used` (paths in it, sorted here),
 * unless it is text about the data. */
lcl_status lcl__warn_unused(const char *folder, lcl_names *used);

/* Features (N,F), images (N,H,W) or (N,C,H,W) of a .npy file; raw is freed by the caller. */
lcl_status lcl__npy_examples(const char *path, lcl_raw *raw);
/* The readers of folders. found is false where the folder is not of that kind. */
lcl_status lcl__open_idx(const lcl_data_desc *desc, lcl_splits *out, bool *found);
lcl_status lcl__open_cifar(const lcl_data_desc *desc, lcl_splits *out, bool *found);
lcl_status lcl__open_npy(const lcl_data_desc *desc, lcl_splits *out, bool *found);
lcl_status lcl__open_sound(const lcl_data_desc *desc, lcl_splits *out, bool *found);
lcl_status lcl__open_images(const lcl_data_desc *desc, lcl_splits *out, bool *found);

/* The built-in data: desc->path is NULL, "synthetic" or "synthetic:KIND". */
lcl_status lcl__open_synthetic(const lcl_data_desc *desc, lcl_splits *out);
/* Splits desc->test_share of the training part as the test part of a set that has none. */
lcl_status lcl__split_test(const lcl_data_desc *desc, lcl_splits *s);
/* With desc->whole, the first part that there is becomes the training part where none is. */
void lcl__first_part(const lcl_data_desc *desc, lcl_splits *s);

#endif
