/* The cache on disk: built programs above all.
 *
 * One file an entry, named by the key: a hash of everything its content depends on. An entry holds
 * the driver's binary, the driver's refusal, or a note: what else takes long to find out. All are
 * behind a header with a checksum. Entries are written to a temporary file and renamed,
 * so that many processes can share a folder; whatever does not verify, or another user could have
 * written, counts as absent. */
#ifndef LCL_DEVICE_CACHE_H
#define LCL_DEVICE_CACHE_H

#include "base/base.h"

typedef enum lcl_cache_kind {
  LCL_CACHE_BINARY = 1,
  LCL_CACHE_REFUSED = 2,
  LCL_CACHE_NOTE = 3
} lcl_cache_kind;

/* Format of the entries; part of every key, so that a new format never meets old entries. */
enum { LCL_CACHE_FORMAT = 1 };

/* The folder: LATENTCL_CACHE, else $XDG_CACHE_HOME/latentcl, else ~/.cache/latentcl. False when the
 * cache is off (LATENTCL_CACHE=off) or no folder can be named; dir is appended to. */
bool lcl__cache_dir(lcl_str *dir);
/* Whether there is one. */
bool lcl__cache_on(void);

/* True with the entry's content (lcl__free) when it is there and whole; marks it as used now. */
bool lcl__cache_get(const char *key, lcl_cache_kind *kind, void **data, size_t *n);
/* The content of a note (lcl__free), with a zero behind it; NULL when there is none. */
void *lcl__cache_note(const char *key, size_t *n);
/* Best effort: a folder that cannot be written is reported in the log, once. */
void lcl__cache_put(const char *key, lcl_cache_kind kind, const void *data, size_t n);
/* Deletes the entries used longest ago until the folder is below the limit
 * (LATENTCL_CACHE_SIZE=256m). */
void lcl__cache_prune(void);

typedef struct lcl_cache_use {
  size_t entries, programs, refused, foreign; /* whole entries; binaries and refusals among them;
                                                 files that are no entry of this version */
  uint64_t bytes, limit;
} lcl_cache_use;
lcl_status lcl__cache_stat(lcl_cache_use *use);
/* Deletes every entry; *removed counts them. Other files in the folder stay. */
lcl_status lcl__cache_clear(size_t *removed);

#endif
