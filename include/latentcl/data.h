/* Data sets: opening, splitting, preprocessing, augmenting and batching.
 *
 * A data set is a list of examples of one shape C,H,W (features: 1,1,F; sound: 1,1,samples) with an
 * optional class label each. Its storage is shared: subsets and splits are views that keep the
 * storage alive, so closing is always by pairs (open/close) and in any order. The bytes of a file
 * stay bytes until a batch is made of them.
 *
 * value of an element in [0,1] = raw * scale + bias. Preprocessing (lcl_prep) starts from these
 * values. */
#ifndef LATENTCL_DATA_H
#define LATENTCL_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latentcl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- data sets ---- */

typedef struct lcl_dataset {
  const char *name; /* "mnist train", ... */
  int64_t count;
  int channels, height, width;
  int classes;                    /* 0: no labels */
  const char *const *class_names; /* classes of them, or NULL: "0", "1", ... */
  const uint8_t *pixels;          /* raw elements: exactly one of pixels and values is set */
  const float *values;
  const int64_t *offset; /* where example i starts, counted in elements of pixels or values */
  const int32_t *labels; /* count of them, or NULL */
  float scale, bias;
  float raw_min, raw_max; /* smallest and largest raw element of the file this comes from */
  bool bernoulli;         /* values are probabilities: a batch holds a fresh draw of 0 or 1 (dynamic
                             binarisation) */
  bool any_range; /* features, not pictures: values are as they come, in no particular range */
  void *impl;
} lcl_dataset;

LCL_API void lcl_dataset_close(lcl_dataset *ds); /* NULL is fine */

/* Elements of one example: channels*height*width. */
LCL_API size_t lcl_dataset_elements(const lcl_dataset *ds);

/* Example i as floats in [0,1] (raw*scale + bias), C,H,W order; no preprocessing, no draw. */
LCL_API lcl_status lcl_dataset_example(const lcl_dataset *ds, int64_t i, float *out);

/* How many examples each class has; counts has ds->classes elements. */
LCL_API lcl_status lcl_dataset_class_counts(const lcl_dataset *ds, int64_t *counts);

/* View of the examples index[0..n) (repeats allowed). */
LCL_API lcl_status lcl_dataset_subset(const lcl_dataset *ds, const int64_t *index, int64_t n,
                                      lcl_dataset **out);

/* The first count-held examples and the last `held` ones; random: a random choice of `held` ones
 * (the order of the file is kept within both parts). */
LCL_API lcl_status lcl_dataset_split(const lcl_dataset *ds, int64_t held, bool random,
                                     uint64_t seed, lcl_dataset **part, lcl_dataset **rest);

/* n_per_class random examples of every class, without repeats. draw 0, 1, 2, ... are different
 * choices of the same seed: the "three random subsets" of the semantic-noise tables are draws 0..2.
 * An error when a class has too few. */
LCL_API lcl_status lcl_dataset_per_class(const lcl_dataset *ds, int64_t n_per_class, uint64_t seed,
                                         uint32_t draw, lcl_dataset **out);

/* All examples of the n sets in order; shapes and classes must agree. Copies. Labels only if all
 * have them. */
LCL_API lcl_status lcl_dataset_concat(const lcl_dataset *const *sets, int n, const char *name,
                                      lcl_dataset **out);

/* From the caller's memory (copied): u8 pixels in 0..255 or f32 values in [0,1]; labels may be NULL
 * (classes 0). */
LCL_API lcl_status lcl_dataset_from_u8(const char *name, const uint8_t *pixels,
                                       const int32_t *labels, int64_t count, int channels,
                                       int height, int width, int classes, lcl_dataset **out);
LCL_API lcl_status lcl_dataset_from_f32(const char *name, const float *values,
                                        const int32_t *labels, int64_t count, int channels,
                                        int height, int width, int classes, lcl_dataset **out);

/* Area average over factor x factor blocks (Omniglot 105 -> 21: factor 5). Sides must be divisible.
 * Copies. */
LCL_API lcl_status lcl_dataset_shrink(const lcl_dataset *ds, int factor, lcl_dataset **out);

/* Built-in digits: pen strokes with random affine map, thickness and elastic distortion, 28x28
 * grey, 10 classes. Example i of a seed is the same whatever the count; examples
 * first..first+count-1 are made, on all processors. */
LCL_API lcl_status lcl_dataset_synthetic(uint64_t seed, int64_t first, int64_t count,
                                         lcl_dataset **out);

/* ---- opening what is on disk ---- */

typedef enum lcl_binarise {
  LCL_BINARISE_NONE,
  LCL_BINARISE_STATIC,  /* the files are already 0/1 (binarized MNIST); anything else is an error */
  LCL_BINARISE_FIXED,   /* one Bernoulli draw with p = value, by seed, made when opened */
  LCL_BINARISE_DYNAMIC, /* training part: a new draw at each presentation; validation and test: one
                         * fixed draw
                         */
  LCL_BINARISE_THRESHOLD /* value > 0.5 */
} lcl_binarise;

/* Zero everywhere is a good default. */
typedef struct lcl_data_desc {
  const char *path; /* folder, see below; NULL: the built-in synthetic digits; "synthetic:KIND":
                       built-in digits, objects (3x32x32, 10 classes), animals (3x48x48, 2),
                       features (2048 numbers, 10) or birds (sound, 10) */
  int64_t valid; /* examples held out of the training part; 0: a fifth, at most 10000, or the set's
                    own validation     files; -1: none */
  bool split_random; /* hold out a random choice by seed instead of the last ones */
  bool merge; /* train = everything there is (clustering); valid and test stay views of the parts */
  uint64_t seed; /* of the split, the fixed draw and the synthetic digits */
  lcl_binarise binarise;
  int64_t synthetic_train,
      synthetic_test; /* default 10000, 2000 (digits), else 5000, 1000; `valid` as the test part */
  int image_size;   /* folders of pictures: shorter side scaled to this, centre crop (default 48) */
  bool grey;        /* folders of pictures: luma instead of RGB */
  int segment_ms;   /* folders of sound: length of an example (default 500) ... */
  float overlap;    /* ... and overlap of neighbours (default 0.9) */
  float test_share; /* folders without a test part: share held out as test, by recording (default
                       0.2) */
  int types;  /* > 0: the training part is so many of its classes, chosen at random by seed; there
                 are no others */
  int copies; /* each example so often, all but the first turned, scaled and moved a little by seed
                 (0: once); the training part, or all that is merged */
  int reduce; /* area average over squares of this side (0: as they are) */
  const char *prefer; /* where a folder has several image files for a part: take the one whose name
                         has this, e.g. "images105" or "short" */
} lcl_data_desc;

typedef struct lcl_splits {
  lcl_dataset *train, *valid, *test; /* valid and test may be NULL */
  const char *format; /* "synthetic", "idx", "cifar10", "cifar100", "pictures", "sound", "npy" */
} lcl_splits;

/* Recognised in path, in this order (each file plain or with .gz):
 *   idx       train*images*idx*, train*labels*idx* with t10k*, test* or evaluation* and valid*
 * (MNIST, USPS, Omniglot...) cifar10   data_batch_1.bin .. data_batch_5.bin, test_batch.bin,
 * optional batches.meta.txt cifar100  train.bin, test.bin (fine labels) npy       features.npy (N,F
 * or N,C,H,W; f32 or u8) with labels.npy; or train_features.npy, test_features.npy ... sound one
 * folder a class, of WAV files (8/16/24/32-bit PCM or float; channels averaged) pictures  one
 * folder a class, or files named CLASS.NUMBER.jpg (Dogs vs Cats), of PNG and JPEG files; with
 * train/ and test/ above that, those are the parts */
LCL_API lcl_status lcl_data_open(const lcl_data_desc *desc, lcl_splits *out);
LCL_API void lcl_splits_close(lcl_splits *splits);

/* ---- preprocessing ---- */

typedef enum lcl_colour {
  LCL_COLOUR_KEEP,
  LCL_COLOUR_GREY, /* luma .299R + .587G + .114B */
  LCL_COLOUR_YUV   /* Y as above, U = -.14713R - .28886G + .436B, V = .615R - .51499G - .10001B */
} lcl_colour;

/* Done to each example alone. */
typedef enum lcl_contrast {
  LCL_CONTRAST_NONE,
  LCL_CONTRAST_STANDARDISE, /* each channel: minus its mean, over its standard deviation (at least
                               1e-4) */
  LCL_CONTRAST_LOCAL_Y,  /* first channel: local contrast normalisation, 7-tap Gaussian, sigma 1.75,
                            threshold  1e-4 */
  LCL_CONTRAST_GCN,      /* minus the mean of all elements, over (Euclidean norm)/gcn_scale */
  LCL_CONTRAST_MAX_ABS,  /* minus the mean, over the largest magnitude (sound) */
  LCL_CONTRAST_UNIT_NORM /* over the Euclidean norm */
} lcl_contrast;

/* Learnt from the training part. */
typedef enum lcl_centre {
  LCL_CENTRE_NONE,
  LCL_CENTRE_MEAN_IMAGE, /* minus the mean image */
  LCL_CENTRE_CHANNEL,    /* each channel: minus its mean, over its standard deviation, over the
                            training part */
  LCL_CENTRE_CHROMA,     /* the same for all channels but the first (cifar.torch's U and V) */
  LCL_CENTRE_ZCA /* minus the mean image, then ZCA whitening of all elements (at most 4096) */
} lcl_centre;

typedef enum lcl_mirror {
  LCL_MIRROR_NONE,
  LCL_MIRROR_EACH,      /* each example left-right with probability 1/2 */
  LCL_MIRROR_HALF_BATCH /* a random half of each batch */
} lcl_mirror;

/* In this order: scale to [0,1], binary draw (bernoulli sets), colour, contrast, centre,
 * gain/shift, crop, mirror. Zero everywhere: values in [0,1], nothing else. */
typedef struct lcl_prep_desc {
  lcl_colour colour;
  lcl_contrast contrast;
  lcl_centre centre;
  float gcn_scale; /* default 55 */
  float zca_eps;   /* added to each eigenvalue (default 1e-2 of the mean eigenvalue) */
  float gain,
      shift; /* v*gain + shift; gain 0: 1. IMSAT's pixel/128 - 1 is gain 255/128, shift -1 */
  int crop;  /* side of the crop (0: none): random offset in training, centre in evaluation */
  lcl_mirror mirror; /* training only */
} lcl_prep_desc;

typedef struct lcl_prep lcl_prep;

/* Statistics are learnt from train (not kept). */
LCL_API lcl_status lcl_prep_fit(const lcl_prep_desc *desc, const lcl_dataset *train,
                                lcl_prep **out);
LCL_API void lcl_prep_destroy(lcl_prep *prep);
LCL_API lcl_prep_desc lcl_prep_describe(const lcl_prep *prep);

/* Shape of an example after preprocessing. */
LCL_API void lcl_prep_shape(const lcl_prep *prep, int *channels, int *height, int *width);

/* Range that the values have for inputs in [0,1], where it is known (false: unbounded, e.g. after
 * standardising). */
LCL_API bool lcl_prep_range(const lcl_prep *prep, float *lo, float *hi);

/* Evaluation form of one example (raw in [0,1], centre crop, no mirror): in C,H,W of the set, out
 * prepared. */
LCL_API lcl_status lcl_prep_apply(const lcl_prep *prep, const float *in, float *out);

/* What the inverse of centre, gain and shift gives, clipped to [0,1]: turns a reconstruction into a
 * picture. Colour, contrast and whitening are undone where they are linear and known; otherwise
 * each picture is stretched to [0,1]. */
LCL_API lcl_status lcl_prep_to_image(const lcl_prep *prep, const float *prepared, float *image);

/* Saving: a JSON text (lcl_data_free it) with everything but the learnt arrays, and these by name
 * ("prep.mean", ...). Loading gives back an object that does the same, bit for bit; arrays of other
 * names are ignored. */
typedef struct lcl_prep_array {
  const char *name;
  const float *data;
  int rank;
  int64_t dim[3];
} lcl_prep_array;
LCL_API lcl_status lcl_prep_to_json(const lcl_prep *prep, char **json);
LCL_API int lcl_prep_arrays(const lcl_prep *prep, lcl_prep_array out[4]); /* returns how many */
LCL_API lcl_status lcl_prep_from_json(const char *json, const lcl_prep_array *arrays, int n,
                                      lcl_prep **out);
LCL_API void lcl_data_free(void *p);

/* LCL_ERR_ARGUMENT with a sentence when the data do not lie in [lo,hi] (tolerance 1e-3 of hi-lo) or
 * fill so little of it (less than a fiftieth, or 0..1 where 0..255 is meant) that the scale must be
 * wrong. what names the data. Looks at up to 1000 examples. */
LCL_API lcl_status lcl_range_check(const lcl_dataset *ds, const lcl_prep *prep, float lo, float hi,
                                   const char *what);
/* The same for n values in memory. */
LCL_API lcl_status lcl_range_check_values(const float *x, size_t n, float lo, float hi,
                                          const char *what);

/* ---- batches ---- */

typedef enum lcl_batch_mode {
  LCL_BATCH_EPOCH,      /* each epoch a new random order; the last incomplete batch is dropped */
  LCL_BATCH_SEQUENTIAL, /* the whole set in its order; the last batch is filled up with its first
                           example repeated, and `valid` says how many count */
  LCL_BATCH_CYCLE, /* random orders one after another without end (labelled stream); batches may
                      span two */
  LCL_BATCH_FRESH  /* each batch is the head of a new random permutation of the whole set (IMSAT) */
} lcl_batch_mode;

typedef struct lcl_batcher_desc {
  const lcl_dataset *data; /* must outlive the batcher, as prep must */
  const lcl_prep *prep;    /* NULL: values in [0,1] */
  int batch;               /* LCL_BATCH_EPOCH and _FRESH: at most data->count */
  lcl_batch_mode mode;
  bool augment; /* random crop and mirror, dynamic binarisation; false: centre crop, fixed draw */
  uint64_t seed;
  uint32_t stream;  /* batchers of one run and seed take different streams */
  bool no_prefetch; /* make batches in the caller's thread */
} lcl_batcher_desc;

typedef struct lcl_batcher lcl_batcher;

/* Valid until the next call on the batcher. */
typedef struct lcl_batch {
  const float *x;       /* batch,C,H,W after preprocessing */
  const int32_t *label; /* batch; -1 where the set has none */
  const int32_t *index; /* batch; position in the data set */
  int valid; /* examples that count; == batch but in the last one of LCL_BATCH_SEQUENTIAL */
  bool last; /* the last batch of its epoch */
  int64_t epoch, step; /* which batch this is, both from 0 */
} lcl_batch;

/* Position: the batch that the next call gives. Batches depend on (seed, stream, epoch, step)
 * alone, so that a run which sets a saved position sees the same numbers as one that was never
 * interrupted. */
typedef struct lcl_batch_state {
  int64_t epoch, step;
} lcl_batch_state;

LCL_API lcl_status lcl_batcher_create(const lcl_batcher_desc *desc, lcl_batcher **out);
LCL_API void lcl_batcher_destroy(lcl_batcher *b);
LCL_API int64_t lcl_batcher_steps(const lcl_batcher *b); /* batches an epoch */
/* The next batch; after the last of an epoch the next epoch begins (SEQUENTIAL: the pass starts
 * again). A thread of its own prepares the one after it meanwhile. */
LCL_API lcl_status lcl_batcher_next(lcl_batcher *b, lcl_batch *out);
LCL_API lcl_batch_state lcl_batcher_state(const lcl_batcher *b);
LCL_API lcl_status lcl_batcher_seek(lcl_batcher *b, lcl_batch_state state);

#ifdef __cplusplus
}
#endif
#endif
