/* Event files of TensorBoard: records (TFRecord) of a length, its masked CRC-32C, a protocol-buffer
 * message and its CRC, with the messages of TensorFlow's event.proto and summary.proto. Five kinds
 * of fields are all there is of protocol buffers in them, so they are written here; a library would
 * make the option depend on how LatentCL was built. CRC-32C is not zlib's polynomial. */
#include "train/events.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- protocol buffers ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 }; /* wire types */

static void put_varint(lcl_str *s, uint64_t v) {
  char byte[10];
  size_t n = 0;
  for (; v >= 0x80; v >>= 7) byte[n++] = (char)(v | 0x80);
  byte[n++] = (char)v;
  lcl__str_append(s, byte, n);
}

static void put_key(lcl_str *s, int field, int wire) {
  put_varint(s, (uint64_t)(field << 3 | wire));
}

/* The low n bytes, least significant first. */
static void put_little(lcl_str *s, uint64_t v, int n) {
  char byte[8];
  for (int i = 0; i < n; i++) byte[i] = (char)(v >> (8 * i));
  lcl__str_append(s, byte, (size_t)n);
}

static void put_bits(lcl_str *s, double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  put_little(s, bits, 8);
}

static void put_double(lcl_str *s, int field, double v) {
  put_key(s, field, FIXED64);
  put_bits(s, v);
}

static void put_float(lcl_str *s, int field, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  put_key(s, field, FIXED32);
  put_little(s, bits, 4);
}

static void put_number(lcl_str *s, int field, int64_t v) {
  put_key(s, field, VARINT);
  put_varint(s, (uint64_t)v);
}

static void put_bytes(lcl_str *s, int field, const void *data, size_t n) {
  put_key(s, field, BYTES);
  put_varint(s, n);
  lcl__str_append(s, data, n);
}

/* A message inside, which is freed. */
static void put_message(lcl_str *s, int field, lcl_str *inner) {
  put_bytes(s, field, inner->data ? inner->data : "", inner->n);
  s->failed |= inner->failed;
  lcl__str_free(inner);
}

/* ---- records ---- */

/* CRC-32C (Castagnoli), rotated and shifted as TFRecord has it. */
static uint32_t masked_crc(const char *data, size_t n) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < n; i++) {
    crc ^= (uint8_t)data[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static lcl_status io_fail(const lcl_events *e, const char *what) {
  return lcl__fail(LCL_ERR_IO, "cannot %s %s: %s", what, e->name, strerror(errno));
}

/* One record; the message is freed. */
static lcl_status write_record(lcl_events *e, lcl_str *message) {
  lcl_str record = { 0 };
  put_little(&record, message->n, 8);
  if (lcl__str_ok(&record)) put_little(&record, masked_crc(record.data, 8), 4);
  lcl__str_append(&record, message->data ? message->data : "", message->n);
  put_little(&record, masked_crc(message->data ? message->data : "", message->n), 4);
  const bool whole = lcl__str_ok(&record) && !message->failed;
  lcl_status s = whole ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (whole && (fwrite(record.data, 1, record.n, e->file) != record.n || fflush(e->file) != 0))
    s = io_fail(e, "write");
  if (s == LCL_OK) e->bytes += (int64_t)record.n;
  lcl__str_free(&record);
  lcl__str_free(message);
  return s;
}

/* An Event begins with wall_time (1) and step (2). */
static lcl_str begin_event(int64_t step) {
  struct timespec now;
  lcl_str event = { 0 };
  clock_gettime(CLOCK_REALTIME, &now);
  put_double(&event, 1, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
  if (step) put_number(&event, 2, step);
  return event;
}

/* ---- files ---- */

/* What the earlier session wrote after its checkpoint would be there twice. The name is from a
 * file: it has to be one of ours, in this folder. */
static lcl_status cut(const char *folder, const lcl_events_before *before) {
  static const char first[] = "events.out.tfevents.";
  struct stat st;
  char path[1400];
  if (strncmp(before->name, first, sizeof first - 1) != 0 || strchr(before->name, '/'))
    return lcl__fail(LCL_ERR_FORMAT, "the checkpoint's event file must be called %s..., not \"%s\"",
                     first, before->name);
  lcl__snprintf(path, sizeof path, "%s/%s", folder, before->name);
  if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= before->bytes) return LCL_OK;
  if (truncate(path, (off_t)before->bytes) == 0) return LCL_OK;
  return lcl__fail(LCL_ERR_IO, "cannot continue %s: %s", path, strerror(errno));
}

/* A name that sorts by time, as TensorBoard reads them. */
static lcl_status create(lcl_events *e, const char *folder) {
  char host[200] = "", path[1400];
  gethostname(host, sizeof host - 1);
  for (char *c = host; *c; c++)
    if (*c == '/') *c = '_';
  for (int i = 0; i < 1000; i++) {
    lcl__snprintf(e->name, sizeof e->name, "events.out.tfevents.%010lld.%s.%ld.%d",
                  (long long)time(NULL), *host ? host : "host", (long)getpid(), i);
    lcl__snprintf(path, sizeof path, "%s/%s", folder, e->name);
    e->file = fopen(path, "wxe");
    if (e->file || errno != EEXIST) break;
  }
  if (e->file) return LCL_OK;
  return lcl__fail(LCL_ERR_IO, "cannot write %s: %s", path, strerror(errno));
}

static lcl_status write_head(lcl_events *e, const lcl_events_before *before) {
  static const char version[] = "brain.Event:2";
  lcl_str event = begin_event(0);
  put_bytes(&event, 3, version, sizeof version - 1); /* file_version */
  LCL_TRY(write_record(e, &event));
  if (!before) return LCL_OK;
  lcl_str start = { 0 };
  event = begin_event(before->step + 1);
  put_number(&start, 1, 1);       /* SessionLog.status = START: forget what is of this step on */
  put_message(&event, 7, &start); /* session_log */
  return write_record(e, &event);
}

lcl_status lcl__events_open(lcl_events *e, const char *folder, const lcl_events_before *before) {
  memset(e, 0, sizeof *e);
  if (!folder) return LCL_OK;
  if (strlen(folder) > 1000)
    return lcl__fail(LCL_ERR_ARGUMENT, "the name of TensorBoard's folder is too long");
  LCL_TRY(lcl__mkdirs(folder));
  if (before && *before->name) LCL_TRY(cut(folder, before));
  LCL_TRY(create(e, folder));
  return write_head(e, before);
}

void lcl__events_close(lcl_events *e) {
  if (e->file) fclose(e->file);
  lcl__str_free(&e->values);
  e->file = NULL;
}

lcl_status lcl__events_sync(lcl_events *e) {
  if (!e->file) return LCL_OK;
  return fdatasync(fileno(e->file)) == 0 ? LCL_OK : io_fail(e, "write");
}

/* ---- values of a summary ---- */

/* A Summary.Value: tag (1) and what it is. */
static lcl_str begin_value(const char *tag) {
  lcl_str value = { 0 };
  put_bytes(&value, 1, tag, strlen(tag));
  return value;
}

void lcl__events_scalar(lcl_events *e, const char *tag, double v) {
  if (!e->file) return;
  lcl_str value = begin_value(tag);
  put_float(&value, 2, (float)v); /* simple_value */
  put_message(&e->values, 1, &value);
}

void lcl__events_metrics(lcl_events *e, const char *group, const lcl_metrics *m) {
  char tag[96];
  for (int i = 0; i < m->n; i++) {
    if (strcmp(m->item[i].name, "n") == 0) continue;
    lcl__snprintf(tag, sizeof tag, "%s/%s", group, m->item[i].name);
    lcl__events_scalar(e, tag, m->item[i].value);
  }
}

lcl_status lcl__events_image(lcl_events *e, const char *tag, const lcl_image *image) {
  uint8_t *png;
  size_t n;
  if (!e->file) return LCL_OK;
  LCL_TRY(lcl__png_encode(image, &png, &n));
  lcl_str value = begin_value(tag), inner = { 0 };
  put_number(&inner, 1, image->height);
  put_number(&inner, 2, image->width);
  put_number(&inner, 3, image->channels); /* colorspace: 1 grey, 3 RGB */
  put_bytes(&inner, 4, png, n);           /* encoded_image_string */
  lcl__free(png);
  put_message(&value, 4, &inner);
  put_message(&e->values, 1, &value);
  return LCL_OK;
}

enum { BUCKETS = 64 };

/* Equal buckets between the smallest and the largest value. */
lcl_status lcl__events_histogram(lcl_events *e, const char *tag, const float *x, size_t n) {
  double count[BUCKETS] = { 0 }, low = INFINITY, high = -INFINITY, sum = 0, squares = 0, all = 0;
  if (!e->file) return LCL_OK;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(x[i])) continue;
    low = fmin(low, x[i]);
    high = fmax(high, x[i]);
    sum += x[i];
    squares += (double)x[i] * x[i];
    all++;
  }
  if (all == 0) return LCL_OK;
  const double width = high > low ? (high - low) / BUCKETS : 1;
  for (size_t i = 0; i < n; i++)
    if (isfinite(x[i])) count[LCL_MIN((int)((x[i] - low) / width), BUCKETS - 1)]++;
  lcl_str value = begin_value(tag), histogram = { 0 }, limits = { 0 }, counts = { 0 };
  put_double(&histogram, 1, low);
  put_double(&histogram, 2, high);
  put_double(&histogram, 3, all);
  put_double(&histogram, 4, sum);
  put_double(&histogram, 5, squares);
  for (int b = 0; b < BUCKETS; b++) {
    put_bits(&limits, low + width * (b + 1));
    put_bits(&counts, count[b]);
  }
  put_message(&histogram, 6, &limits); /* bucket_limit */
  put_message(&histogram, 7, &counts); /* bucket */
  put_message(&value, 5, &histogram);
  put_message(&e->values, 1, &value);
  return LCL_OK;
}

lcl_status lcl__events_write(lcl_events *e, int64_t step) {
  if (!e->file || !e->values.n) return LCL_OK;
  lcl_str event = begin_event(step);
  put_message(&event, 5, &e->values); /* summary; frees the values */
  return write_record(e, &event);
}
