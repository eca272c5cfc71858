/** @file
 * Data sets: opening, splitting, preprocessing, augmenting and batching. Everything runs on the
 * host.
 *
 * A data set is a list of examples of one shape C,H,W (features: 1,1,F; sound: 1,1,samples) with an
 * optional class label each. Its storage is shared: subsets and splits are views that keep the
 * storage alive, so every set that was opened is closed, in any order. The bytes of a file stay
 * bytes until a batch is made of them.
 *
 * The value of an element is raw * scale + bias, in [0,1] for images. Preprocessing (#lcl_prep)
 * starts from these values.
 *
 * Threads: a data set and a prep are not changed after they were made, so that several threads may
 * read one at once. Opening views of one storage, closing them, and a batcher are for one thread at
 * a time. */
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

/** A list of examples. Read its fields; do not write them. */
typedef struct lcl_dataset {
  const char *name;               /**< "mnist train", ... */
  int64_t count;                  /**< examples */
  int channels;                   /**< C of an example */
  int height;                     /**< H of an example */
  int width;                      /**< W of an example */
  int classes;                    /**< 0: no labels */
  const char *const *class_names; /**< one for each class, or NULL: "0", "1", ... */
  const uint8_t *pixels;          /**< raw bytes; exactly one of pixels and values is set */
  const float *values;            /**< raw floats */
  const int64_t *offset;          /**< where example i starts, in elements of pixels or values */
  const int32_t *labels; /**< one for each example, 0 to classes - 1, -1: none; NULL: no labels */
  float scale;           /**< value = raw * scale + bias */
  float bias;            /**< see scale */
  float raw_min;         /**< smallest raw element of the file that this comes from */
  float raw_max;         /**< largest raw element */
  bool bernoulli;        /**< values are probabilities: a batch holds samples of 0 or 1 (dynamic
                            binarisation) */
  bool any_range; /**< features, not images: values are as they come, in no particular range */
  void *impl;     /**< private */
} lcl_dataset;

/** Closes a data set. The storage is freed with its last view.
 *
 * @param ds  the data set; NULL is allowed */
LCL_API void lcl_dataset_close(lcl_dataset *ds);

/** Elements of one example.
 *
 * @param ds  the data set
 * @return channels * height * width */
LCL_API size_t lcl_dataset_elements(const lcl_dataset *ds);

/** The file that an example was read from, where each has one of its own (folders of images).
 *
 * @param ds  the data set
 * @param i   0 to count - 1
 * @return its path in the folder of the data, as "train/cat/1.png", until the last view of the data
 *   is closed; NULL: it has none, or there is no example i */
LCL_API const char *lcl_dataset_file(const lcl_dataset *ds, int64_t i);

/** One example as floats: raw * scale + bias, without preprocessing or binarisation.
 *
 * @param ds   the data set
 * @param i    0 to count - 1
 * @param out  receives lcl_dataset_elements() numbers in the order C,H,W
 * @return #LCL_ERR_ARGUMENT when there is no example i */
LCL_API lcl_status lcl_dataset_example(const lcl_dataset *ds, int64_t i, float *out);

/** How many examples each class has; those without a label are not counted.
 *
 * @param ds      the data set
 * @param counts  receives ds->classes numbers
 * @return #LCL_ERR_ARGUMENT when the set has no labels */
LCL_API lcl_status lcl_dataset_class_counts(const lcl_dataset *ds, int64_t *counts);

/** A view of some examples.
 *
 * @param ds     the data set
 * @param index  n positions in ds; repeats are allowed
 * @param n      at least 1
 * @param out    receives the view; lcl_dataset_close() ends it
 * @return #LCL_ERR_ARGUMENT for an index outside the set */
LCL_API lcl_status lcl_dataset_subset(const lcl_dataset *ds, const int64_t *index, int64_t n,
                                      lcl_dataset **out);

/** Two views: all but n_rest examples, and these. Both keep the order of the file.
 *
 * @param ds      the data set
 * @param n_rest  size of the second view, 1 to count - 1
 * @param random  a random choice of examples; false: the last ones
 * @param seed    of the choice
 * @param part    receives the first view; lcl_dataset_close() ends it
 * @param rest    receives the second view, likewise
 * @return #LCL_ERR_ARGUMENT when n_rest is outside its range */
LCL_API lcl_status lcl_dataset_split(const lcl_dataset *ds, int64_t n_rest, bool random,
                                     uint64_t seed, lcl_dataset **part, lcl_dataset **rest);

/** A view of the same number of random examples of every class, without repeats.
 *
 * @param ds           a data set with labels
 * @param n_per_class  examples of each class, at least 1
 * @param seed         of the choice
 * @param choice       0, 1, 2, ... are different choices of the same seed: the three random subsets
 *   of the semantic-noise tables are 0 to 2
 * @param out          receives the view; lcl_dataset_close() ends it
 * @return #LCL_ERR_ARGUMENT without labels, or when a class has too few examples */
LCL_API lcl_status lcl_dataset_per_class(const lcl_dataset *ds, int64_t n_per_class, uint64_t seed,
                                         uint32_t choice, lcl_dataset **out);

/** A copy of all examples of several sets, in order. It has labels only if all of them have.
 *
 * @param sets  n data sets of one shape and number of classes
 * @param n     at least 1
 * @param name  of the result
 * @param out   receives it; lcl_dataset_close() ends it
 * @return #LCL_ERR_ARGUMENT or #LCL_ERR_SHAPE when the sets do not agree */
LCL_API lcl_status lcl_dataset_concat(const lcl_dataset *const *sets, int n, const char *name,
                                      lcl_dataset **out);

/** A data set of bytes in memory, which are copied: value = byte / 255, or the byte itself where
 * none is above 1.
 *
 * @param name      of the set
 * @param pixels    count x C x H x W bytes
 * @param labels    count classes, 0 to classes - 1; NULL: none
 * @param count     examples, at least 1
 * @param channels  C
 * @param height    H
 * @param width     W
 * @param classes   0 without labels
 * @param out       receives the set; lcl_dataset_close() ends it
 * @return #LCL_ERR_ARGUMENT for sizes or labels outside their range */
LCL_API lcl_status lcl_dataset_from_u8(const char *name, const uint8_t *pixels,
                                       const int32_t *labels, int64_t count, int channels,
                                       int height, int width, int classes, lcl_dataset **out);

/** A data set of floats in memory, which are copied.
 *
 * @param name      of the set
 * @param values    count x C x H x W numbers, in [0,1] for images
 * @param labels    count classes, 0 to classes - 1; NULL: none
 * @param count     examples, at least 1
 * @param channels  C
 * @param height    H
 * @param width     W
 * @param classes   0 without labels
 * @param out       receives the set; lcl_dataset_close() ends it
 * @return #LCL_ERR_ARGUMENT for sizes or labels outside their range */
LCL_API lcl_status lcl_dataset_from_f32(const char *name, const float *values,
                                        const int32_t *labels, int64_t count, int channels,
                                        int height, int width, int classes, lcl_dataset **out);

/** A copy whose images are smaller: each pixel is the mean of a square of pixels (Omniglot's 105
 * become 21 with factor 5).
 *
 * @param ds      the data set
 * @param factor  side of a square; height and width must be multiples of it
 * @param out     receives the copy; lcl_dataset_close() ends it
 * @return #LCL_ERR_ARGUMENT when factor does not divide the sides */
LCL_API lcl_status lcl_dataset_shrink(const lcl_dataset *ds, int factor, lcl_dataset **out);

/** The built-in digits: pen strokes with a random affine map, thickness and elastic distortion,
 * 1x28x28, 10 classes. They are made on all processors.
 *
 * @param seed   example i of a seed is the same whatever first and count are
 * @param first  number of the first example, at least 0
 * @param count  1 to 10,000,000
 * @param out    receives the set; lcl_dataset_close() ends it
 * @return #LCL_ERR_ARGUMENT for numbers outside their range */
LCL_API lcl_status lcl_dataset_synthetic(uint64_t seed, int64_t first, int64_t count,
                                         lcl_dataset **out);

/* ---- opening what is on disk ---- */

/** How the values of images become 0 or 1. */
typedef enum lcl_binarise {
  LCL_BINARISE_NONE,     /**< they stay as they are */
  LCL_BINARISE_STATIC,   /**< the files are 0/1 already (binarized MNIST); else an error */
  LCL_BINARISE_FIXED,    /**< one Bernoulli sample with p = value, by seed, when opened */
  LCL_BINARISE_DYNAMIC,  /**< training part: a new sample at each presentation; validation and test:
                            one fixed sample */
  LCL_BINARISE_THRESHOLD /**< value > 0.5 */
} lcl_binarise;

/** What to open, and how. Zero everywhere is a good default. */
typedef struct lcl_data_desc {
  /** A folder (see lcl_data_open()); NULL: the built-in digits. "synthetic:KIND": built-in digits,
   * objects (3x32x32, 10 classes), animals (3x48x48, 2), features (2048 numbers, 10) or birds
   * (sound, 10). */
  const char *path;
  /** Examples to split from the training part for validation; 0: a fifth, at most 10000, or the
   * set's own validation files; -1: none. */
  int64_t valid;
  bool split_random; /**< split a random choice by seed instead of the last examples (image folders
                        and arrays, which come sorted by class, are always split so) */
  bool split_last;   /**< split the last examples even of those */
  bool merge; /**< train = all there is (clustering); valid and test stay views of the parts */
  /** All there is as one part, train, for a model that was trained on other data: nothing is split
   * off, image files need no class, any part may be missing; merge is implied. */
  bool whole;
  int classes; /**< > 0: classes of that model. Labels are made to number these: by name where the
                  set has names, which must be among them, else they are taken as they are. */
  const char *const *class_names; /**< their names; NULL: "0", "1", ... */
  uint64_t seed;                  /**< of the split, the fixed sample and the built-in data */
  lcl_binarise binarise;          /**< binarisation */
  int64_t synthetic_train;        /**< built-in data: examples (0: 10000 digits, else 5000) */
  int64_t synthetic_test; /**< (0: 2000 digits, else 1000); validation has as many by default */
  int image_size;         /**< image folders: shorter side scaled to this, centre crop (0: 48) */
  bool grey;              /**< image folders: luma instead of RGB */
  int segment_ms;         /**< sound: length of an example in milliseconds (0: 500) */
  float overlap;          /**< sound: share that neighbours have in common (0: 0.9) */
  float test_share; /**< folders without a test part: share split as test (0: 0.2; below 0: none;
                       of sound a fifth is then for validation) */
  int types;  /**< > 0: the training part is this many of its classes, chosen at random by seed, and
                 there are no other parts */
  int copies; /**< each example so often, all but the first turned, scaled and moved a little by
                 seed (0: once); the training part, or all that is merged */
  int reduce; /**< mean over squares of this side (0: as they are) */
  /** Which parts there are: "train", "test" (it becomes the training part), or "all"; with `types`,
   * "all" chooses among the classes of all of them. NULL: all, but with `types` the training part
   * alone. */
  const char *parts;
  /** Only these classes, by name or number with commas between, "cat,dog"; they become 0, 1, ... in
   * that order. NULL: all. */
  const char *only;
  /** Where a folder has several image files for a part: take the one whose name has this, e.g.
   * "images105". NULL: no preference. */
  const char *prefer;
} lcl_data_desc;

/** The parts of a data set. */
typedef struct lcl_splits {
  lcl_dataset *train; /**< training part */
  lcl_dataset *valid; /**< validation part, or NULL */
  lcl_dataset *test;  /**< test part, or NULL */
  /** "synthetic", "idx", "cifar10", "cifar100", "images", "sound" or "npy". */
  const char *format;
} lcl_splits;

/** Opens a data set. What the folder holds is recognised, in this order; IDX and CIFAR files may be
 * gzipped (.gz):
 *
 * - idx: train*images*idx*, train*labels*idx* with t10k*, test* or evaluation*, and valid* (MNIST,
 *   USPS, Omniglot, ...)
 * - cifar10: data_batch_1.bin to data_batch_5.bin, test_batch.bin, perhaps batches.meta.txt
 * - cifar100: train.bin, test.bin (fine labels)
 * - npy: features.npy (N,F or N,C,H,W; f32 or u8) with labels.npy; or train_features.npy,
 *   test_features.npy, ...
 * - sound: one folder a class, of WAV files (8/16/24/32-bit PCM or float; channels averaged)
 * - images: one folder a class, or files named CLASS.NUMBER.jpg, of PNG and JPEG files; with
 *   train/ and test/ above that, those are the parts
 *
 * @param desc  what to open
 * @param out   receives the parts, empty on failure; lcl_splits_close() ends them
 * @return #LCL_ERR_IO or #LCL_ERR_FORMAT with the file and what was expected; #LCL_ERR_ARGUMENT for
 *   an option or a class that does not fit the data */
LCL_API lcl_status lcl_data_open(const lcl_data_desc *desc, lcl_splits *out);

/** Closes the parts.
 *
 * @param splits  as opened; empty afterwards */
LCL_API void lcl_splits_close(lcl_splits *splits);

/* ---- preprocessing ---- */

/** Channels of an image. */
typedef enum lcl_colour {
  LCL_COLOUR_KEEP, /**< as they are */
  LCL_COLOUR_GREY, /**< luma .299R + .587G + .114B */
  LCL_COLOUR_YUV   /**< Y as above, U = -.14713R - .28886G + .436B, V = .615R - .51499G - .10001B */
} lcl_colour;

/** Contrast, from each example alone. */
typedef enum lcl_contrast {
  LCL_CONTRAST_NONE,        /**< as it is */
  LCL_CONTRAST_STANDARDISE, /**< each channel: minus its mean, over its standard deviation (at least
                               1e-4) */
  LCL_CONTRAST_LOCAL_Y,     /**< first channel: local contrast normalisation, 7-tap Gaussian, sigma
                               1.75, threshold 1e-4 */
  LCL_CONTRAST_GCN,         /**< minus the mean of all elements, over (Euclidean norm)/gcn_scale */
  LCL_CONTRAST_MAX_ABS,     /**< minus the mean, over the largest magnitude (sound) */
  LCL_CONTRAST_UNIT_NORM    /**< over the Euclidean norm */
} lcl_contrast;

/** Centring, with statistics of the training part. */
typedef enum lcl_centre {
  LCL_CENTRE_NONE,       /**< none */
  LCL_CENTRE_MEAN_IMAGE, /**< minus the mean image */
  LCL_CENTRE_CHANNEL,    /**< each channel: minus its mean, over its standard deviation */
  LCL_CENTRE_CHROMA,     /**< the same for all channels but the first (U and V of YUV) */
  LCL_CENTRE_ZCA         /**< minus the mean image, then ZCA whitening of all elements (at most
                            4096) */
} lcl_centre;

/** Left-right mirroring, in training only. */
typedef enum lcl_mirror {
  LCL_MIRROR_NONE,      /**< never */
  LCL_MIRROR_EACH,      /**< each example with probability 1/2 */
  LCL_MIRROR_HALF_BATCH /**< a random half of each batch */
} lcl_mirror;

/** Preprocessing, in this order: augmentation, binarisation (bernoulli sets), colour, contrast,
 * centre, gain and shift, crop, mirror, cutout. Zero everywhere: values in [0,1], nothing else.
 *
 * Augmentation changes training images alone (#lcl_batcher_desc), each by random numbers of its
 * place in the run. Moved images are interpolated; beyond their edge its pixels go on, and images
 * of zeros and ones stay that. */
typedef struct lcl_prep_desc {
  lcl_colour colour;     /**< channels */
  lcl_contrast contrast; /**< of each example */
  lcl_centre centre;     /**< by the training part */
  float gcn_scale;       /**< of #LCL_CONTRAST_GCN (0: 55) */
  float zca_eps;         /**< added to each eigenvalue (0: 1e-2 of the mean eigenvalue) */
  float gain;            /**< value * gain + shift; 0: 1. IMSAT's pixel/128 - 1 is gain 255/128 */
  float shift;           /**< see gain */
  int crop;            /**< side of the crop (0: none): random place in training, else the centre */
  lcl_mirror mirror;   /**< mirroring */
  float augment_shift; /**< moved by up to so many pixels along each axis, below the side (0: no) */
  float augment_rotate; /**< turned by up to so many degrees either way, at most 180 (0: no) */
  float augment_scale;  /**< content larger or smaller by up to this share, below 1 (0: no) */
  float augment_crop;   /**< a window at a random place whose sides are up to this share shorter,
                             enlarged to the whole image; below 1 (0: no) */
  int augment_cutout;   /**< a square of this side around a random pixel is 0 in the prepared image
                             (DeVries and Taylor 2017), at most the side (0: no) */
} lcl_prep_desc;

/** A preprocessing with the statistics it learnt. */
typedef struct lcl_prep lcl_prep;

/** Learns the statistics of a preprocessing.
 *
 * @param desc   what to do
 * @param train  the training part; not kept
 * @param out    receives the prep; lcl_prep_destroy() ends it
 * @return #LCL_ERR_ARGUMENT or #LCL_ERR_SHAPE when desc does not fit the examples */
LCL_API lcl_status lcl_prep_fit(const lcl_prep_desc *desc, const lcl_dataset *train,
                                lcl_prep **out);

/** Frees a prep.
 *
 * @param prep  the prep; NULL is allowed */
LCL_API void lcl_prep_destroy(lcl_prep *prep);

/** What a prep does.
 *
 * @param prep  the prep
 * @return its description, with defaults filled in */
LCL_API lcl_prep_desc lcl_prep_describe(const lcl_prep *prep);

/** Shape of an example after preprocessing.
 *
 * @param prep      the prep
 * @param channels  receives C
 * @param height    receives H
 * @param width     receives W */
LCL_API void lcl_prep_shape(const lcl_prep *prep, int *channels, int *height, int *width);

/** Range of prepared values for inputs in [0,1].
 *
 * @param prep  the prep
 * @param lo    receives the lower end
 * @param hi    receives the upper end
 * @return whether there is a known range; false e.g. after standardising */
LCL_API bool lcl_prep_range(const lcl_prep *prep, float *lo, float *hi);

/** Prepares one example as evaluation does: centre crop, no mirror.
 *
 * @param prep  the prep
 * @param in    values in [0,1], C,H,W of the data set
 * @param out   receives the prepared values, shape of lcl_prep_shape()
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_prep_apply(const lcl_prep *prep, const float *in, float *out);

/** Turns a reconstruction into an image: the inverse of centre, gain and shift, clipped to [0,1].
 * Colour, contrast and whitening are undone where they are linear and known; otherwise each image
 * is stretched to [0,1].
 *
 * @param prep      the prep
 * @param prepared  prepared values, shape of lcl_prep_shape()
 * @param image     receives as many values in [0,1]
 * @return #LCL_OK */
LCL_API lcl_status lcl_prep_to_image(const lcl_prep *prep, const float *prepared, float *image);

/** A learnt array of a prep, for checkpoints. */
typedef struct lcl_prep_array {
  const char *name;  /**< "prep.mean", ... */
  const float *data; /**< the numbers, owned by the prep */
  int rank;          /**< 1 to 3 */
  int64_t dim[3];    /**< rank sizes */
} lcl_prep_array;

/** A prep as text: everything but the learnt arrays.
 *
 * @param prep  the prep
 * @param json  receives the text; lcl_data_free() frees it
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_prep_to_json(const lcl_prep *prep, char **json);

/** The learnt arrays of a prep.
 *
 * @param prep  the prep
 * @param out   receives them; the data stay the prep's
 * @return how many there are, 0 to 4 */
LCL_API int lcl_prep_arrays(const lcl_prep *prep, lcl_prep_array out[4]);

/** A prep that does the same as the one that was saved, bit for bit.
 *
 * @param json    text of lcl_prep_to_json()
 * @param arrays  n arrays, copied; other names are ignored
 * @param n       how many
 * @param out     receives the prep; lcl_prep_destroy() ends it
 * @return #LCL_ERR_FORMAT when the text or an array is damaged or missing */
LCL_API lcl_status lcl_prep_from_json(const char *json, const lcl_prep_array *arrays, int n,
                                      lcl_prep **out);

/** Frees a text of lcl_prep_to_json().
 *
 * @param p  the text; NULL is allowed */
LCL_API void lcl_data_free(void *p);

/** Checks that prepared examples have the expected scale, on up to 1000 of them. The range is not
 * checked for features (any_range).
 *
 * @param ds    the data set
 * @param prep  its preprocessing; NULL: none
 * @param lo    lower end of the expected range
 * @param hi    upper end
 * @param what  name of the data in the message
 * @return #LCL_ERR_ARGUMENT when values lie outside [lo,hi] (by more than 1e-3 of its width) or
 *   fill less than a fiftieth of it; #LCL_ERR_NUMERIC for NaN or Inf */
LCL_API lcl_status lcl_range_check(const lcl_dataset *ds, const lcl_prep *prep, float lo, float hi,
                                   const char *what);

/** The same for values in memory.
 *
 * @param x     n values
 * @param n     how many; 0 is fine
 * @param lo    lower end of the expected range
 * @param hi    upper end
 * @param what  name of the data in the message
 * @return as lcl_range_check() */
LCL_API lcl_status lcl_range_check_values(const float *x, size_t n, float lo, float hi,
                                          const char *what);

/* ---- batches ---- */

/** Which examples a batch holds. */
typedef enum lcl_batch_mode {
  LCL_BATCH_EPOCH,      /**< each epoch a new random order; the last incomplete batch is dropped */
  LCL_BATCH_SEQUENTIAL, /**< the whole set in its order; the last batch is filled up with its first
                           example repeated, and `valid` says how many count */
  LCL_BATCH_CYCLE, /**< random orders one after another without end (labelled stream); batches may
                      span two */
  LCL_BATCH_FRESH  /**< each batch is the head of a new random permutation of the set (IMSAT) */
} lcl_batch_mode;

/** What a batcher makes. */
typedef struct lcl_batcher_desc {
  const lcl_dataset *data; /**< must outlive the batcher */
  const lcl_prep *prep;    /**< must outlive the batcher; NULL: values as lcl_dataset_example() */
  int batch; /**< at least 1; #LCL_BATCH_EPOCH and #LCL_BATCH_FRESH: at most data->count */
  lcl_batch_mode mode; /**< which examples */
  bool augment;     /**< random crop and mirror, augmentation of prep, a new binary sample; false:
                       centre crop, fixed sample */
  uint64_t seed;    /**< of orders and augmentation */
  uint32_t stream;  /**< batchers of one run and seed take different streams */
  bool no_prefetch; /**< make batches in the caller's thread */
  /** > 0: only so many examples of each batch are made, from `first` on, those that they are in the
   * whole batch: one rank's share (lcl_ranks_share()). Not with #LCL_BATCH_SEQUENTIAL. */
  int rows;
  int first; /**< see rows */
} lcl_batcher_desc;

/** Makes batches, one ahead in a thread of its own. */
typedef struct lcl_batcher lcl_batcher;

/** A batch. Its arrays are valid until the next call on the batcher. */
typedef struct lcl_batch {
  const float *x;       /**< (batch,C,H,W) after preprocessing */
  const int32_t *label; /**< (batch); -1: none */
  const int32_t *index; /**< (batch); position in the data set */
  int valid;     /**< examples that count; batch but in the last one of #LCL_BATCH_SEQUENTIAL */
  bool last;     /**< the last batch of its epoch */
  int64_t epoch; /**< from 0 */
  int64_t step;  /**< of the epoch, from 0 */
} lcl_batch;

/** Position of a batcher: the batch that the next call gives. Batches depend on (seed, stream,
 * epoch, step) alone, so that a resumed run sees the same numbers as one that was never
 * interrupted. */
typedef struct lcl_batch_state {
  int64_t epoch; /**< from 0 */
  int64_t step;  /**< of the epoch, from 0 */
} lcl_batch_state;

/** Makes a batcher at epoch 0, step 0.
 *
 * @param desc  what it makes
 * @param out   receives the batcher; lcl_batcher_destroy() ends it
 * @return #LCL_ERR_ARGUMENT for a batch that does not fit the set; #LCL_ERR_SHAPE when prep is for
 *   examples of another shape */
LCL_API lcl_status lcl_batcher_create(const lcl_batcher_desc *desc, lcl_batcher **out);

/** Ends a batcher and its thread.
 *
 * @param b  the batcher; NULL is allowed */
LCL_API void lcl_batcher_destroy(lcl_batcher *b);

/** Batches of an epoch.
 *
 * @param b  the batcher
 * @return at least 1 */
LCL_API int64_t lcl_batcher_steps(const lcl_batcher *b);

/** The next batch. After the last of an epoch the next epoch begins.
 *
 * @param b    the batcher
 * @param out  receives the batch
 * @return #LCL_OK */
LCL_API lcl_status lcl_batcher_next(lcl_batcher *b, lcl_batch *out);

/** Where a batcher is.
 *
 * @param b  the batcher
 * @return the position of the batch that the next call gives */
LCL_API lcl_batch_state lcl_batcher_state(const lcl_batcher *b);

/** Moves a batcher.
 *
 * @param b      the batcher
 * @param state  the position of the batch that the next call gives
 * @return #LCL_ERR_ARGUMENT when it is outside an epoch */
LCL_API lcl_status lcl_batcher_seek(lcl_batcher *b, lcl_batch_state state);

#ifdef __cplusplus
}
#endif
#endif
