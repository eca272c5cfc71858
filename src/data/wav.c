/* RIFF/WAVE files from memory. */
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
  if (n < 16) return lcl__fail(LCL_ERR_FORMAT, "WAV file: its format chunk is too short");
  f->code = (int)little(p, 2);
  f->channels = (int)little(p + 2, 2);
  uint32_t rate = little(p + 4, 4);
  f->bits = (int)little(p + 14, 2);
  if (f->code == WAVE_EXTENSIBLE && n >= 26) f->code = (int)little(p + 24, 2);
  bool pcm = f->code == WAVE_PCM &&
             (f->bits == 8 || f->bits == 16 || f->bits == 24 || f->bits == 32);
  bool real = f->code == WAVE_FLOAT && f->bits == 32;
  if (!pcm && !real)
    return lcl__fail(
        LCL_ERR_UNSUPPORTED,
        "WAV format %d with %d bits is not read: 8, 16, 24, 32-bit PCM or 32-bit float", f->code,
        f->bits);
  if (f->channels < 1 || f->channels > 64 || rate < 1 || rate > 1000000)
    return lcl__fail(LCL_ERR_FORMAT, "WAV file: %d channels at %u Hz make no sense", f->channels,
                     rate);
  const int block = (int)little(p + 12, 2), expected = f->channels * f->bits / 8;
  if (block != expected)
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "WAV file: blocks of %d bytes; %d were expected for %d channels of %d bits",
                     block, expected, f->channels, f->bits);
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

/* Whether another chunk can begin here: four letters (or padding) and a size that fits. */
static bool is_chunk(const uint8_t *p, size_t n) {
  for (int i = 0; i < 4; i++)
    if (p[i] && (p[i] < 32 || p[i] > 126)) return false;
  return little(p + 4, 4) <= n - 8;
}

/* Samples beyond the size that the header gives, or in a second chunk, would be lost in silence. */
static lcl_status check_rest(const uint8_t *p, size_t size, size_t left) {
  const size_t at = size + (size & 1);
  if (at + 8 > left) return LCL_OK;
  const bool unpadded = (size & 1) && is_chunk(p + size, left - size);
  if (!unpadded && !is_chunk(p + at, left - at))
    return lcl__fail(LCL_ERR_FORMAT,
                     "WAV file: %zu bytes of samples announced, but %zu more follow that are no "
                     "chunk",
                     size, left - size);
  if (memcmp(p + (unpadded ? size : at), "data", 4) == 0)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "WAV file: one chunk of samples was expected, not two");
  return LCL_OK;
}

static lcl_status decode(const uint8_t *p, size_t n, const wave_format *f, lcl_wav *out) {
  size_t width = (size_t)f->bits / 8, frame = width * (size_t)f->channels, count = n / frame;
  if (!count) return lcl__fail(LCL_ERR_FORMAT, "WAV file: no samples");
  out->rate = f->rate;
  out->n = (int64_t)count;
  out->samples = lcl__alloc(count * sizeof *out->samples);
  if (!out->samples) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < count; i++) {
    float sum = 0;
    for (int c = 0; c < f->channels; c++) sum += sample_value(p + i * frame + (size_t)c * width, f);
    out->samples[i] = sum / (float)f->channels;
  }
  return LCL_OK;
}

lcl_status lcl__wav_parse(const uint8_t *data, size_t n, lcl_wav *out) {
  wave_format format = { 0 };
  memset(out, 0, sizeof *out);
  if (n < 12 || memcmp(data, "RIFF", 4) || memcmp(data + 8, "WAVE", 4))
    return lcl__fail(LCL_ERR_FORMAT, "not a WAV file: it must start with RIFF....WAVE");
  for (size_t at = 12; at + 8 <= n;) {
    size_t size = little(data + at + 4, 4), left = n - at - 8;
    const uint8_t *body = data + at + 8;
    if (memcmp(data + at, "data", 4) == 0) {
      if (!format.channels)
        return lcl__fail(LCL_ERR_FORMAT, "WAV file: samples come before their format");
      if (size > left)
        return lcl__fail(LCL_ERR_FORMAT, "WAV file: %zu bytes of samples announced, %zu there",
                         size, left);
      LCL_TRY(check_rest(body, size, left));
      return decode(body, size, &format, out);
    }
    if (size > left) break;
    if (memcmp(data + at, "fmt ", 4) == 0) LCL_TRY(parse_format(body, size, &format));
    at += 8 + size + (size & 1);
  }
  return lcl__fail(LCL_ERR_FORMAT, "WAV file: no samples found");
}
