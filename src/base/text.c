/* Numbers without a locale; text escaped for HTML and for terminals. */
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>

/* ---- numbers ---- */

locale_t lcl__c_locale(void) {
  static _Atomic(locale_t) c_locale;
  locale_t c = atomic_load(&c_locale), none = (locale_t)0;
  if (!c) {
    c = newlocale(LC_ALL_MASK, "C", none);
    if (c && !atomic_compare_exchange_strong(&c_locale, &none, c)) {
      freelocale(c);
      c = none;
    }
  }
  return c ? uselocale(c) : uselocale((locale_t)0);
}

double lcl__strtod(const char *text, char **end) {
  const locale_t before = lcl__c_locale();
  const double v = strtod(text, end);
  const int err = errno;
  uselocale(before);
  errno = err;
  return v;
}

int lcl__vsnprintf(char *buf, size_t size, const char *fmt, va_list args) {
  const locale_t before = lcl__c_locale();
  const int n = vsnprintf(buf, size, fmt, args);
  uselocale(before);
  return n;
}

int lcl__snprintf(char *buf, size_t size, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  const int n = lcl__vsnprintf(buf, size, fmt, args);
  va_end(args);
  return n;
}

/* No blanks, no hexadecimal: strtod takes both, strtoll the first. */
static bool only(const char *characters, const char *text) {
  return !text[strspn(text, characters)];
}

bool lcl__parse_number(const char *text, double *out) {
  char *end = NULL;
  const double v = lcl__strtod(text, &end);
  if (end == text || *end || !isfinite(v) || !only("+-.0123456789eE", text)) return false;
  if (v == 0 && strcspn(text, "123456789") < strcspn(text, "eE")) return false; /* too small */
  *out = v;
  return true;
}

bool lcl__parse_whole(const char *text, int64_t *out) {
  char *end = NULL;
  errno = 0;
  const long long v = strtoll(text, &end, 10);
  if (end == text || *end || errno || !only("+-0123456789", text)) return false;
  *out = v;
  return true;
}

int lcl__parse_list(const char *text, const char *separators, int64_t lo, int64_t hi, int64_t *out,
                    int max) {
  for (int n = 0; n < max; n++, text++) {
    char item[24];
    const size_t length = strcspn(text, separators);
    if (length >= sizeof item) return -1;
    snprintf(item, sizeof item, "%.*s", (int)length, text);
    if (!lcl__parse_whole(item, &out[n]) || out[n] < lo || out[n] > hi) return -1;
    text += length;
    if (!*text) return n + 1;
  }
  return -1;
}

bool lcl__list_inside(const char *interval, const char *separators, bool whole, const char *text) {
  for (;; text++) {
    char item[64];
    const size_t length = strcspn(text, separators);
    int64_t i;
    double v;
    if (length >= sizeof item) return false;
    snprintf(item, sizeof item, "%.*s", (int)length, text);
    if (whole ? !lcl__parse_whole(item, &i) : !lcl__parse_number(item, &v)) return false;
    if (!lcl__inside(interval, whole ? (double)i : v)) return false;
    text += length;
    if (!*text) return true;
  }
}

bool lcl__inside(const char *interval, double v) {
  char *end;
  if (!interval) return true;
  const double lo = lcl__strtod(interval + 1, &end), hi = lcl__strtod(end + 1, &end);
  return (*interval == '(' ? v > lo : v >= lo) && (*end == ')' ? v < hi : v <= hi);
}

bool lcl__parse_bytes(const char *text, uint64_t *bytes) {
  char *end;
  if (*text < '0' || *text > '9') return false;
  errno = 0;
  const unsigned long long v = strtoull(text, &end, 10);
  static const char units[] = "kKmMgG";
  const char *unit = *end ? strchr(units, *end) : NULL;
  const unsigned shift = unit ? 10 * (unsigned)((unit - units) / 2 + 1) : 0;
  if (errno || end[unit != NULL] || v > UINT64_MAX >> shift) return false;
  *bytes = (uint64_t)v << shift;
  return true;
}

static int lower(unsigned char c) {
  return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

int lcl__ncasecmp(const char *a, const char *b, size_t n) {
  for (; n; n--, a++, b++) {
    const int x = lower((unsigned char)*a), y = lower((unsigned char)*b);
    if (x != y || !x) return x - y;
  }
  return 0;
}

int lcl__casecmp(const char *a, const char *b) {
  return lcl__ncasecmp(a, b, SIZE_MAX);
}

bool lcl__contains(const char *text, const char *part) {
  const size_t n = strlen(part);
  while (*text && lcl__ncasecmp(text, part, n) != 0) text++;
  return *text || n == 0;
}

/* Letters to insert, delete or replace to get from a to b (b at most 63 letters). */
static size_t edit_distance(const char *a, const char *b) {
  size_t row[64], n = strlen(b);
  if (n > 63) return n;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 1; a[i - 1]; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = LCL_MIN(replaced, LCL_MIN(row[j], row[j - 1]) + 1);
    }
  }
  return row[n];
}

void lcl__nearest_try(lcl_nearest *n, const char *name) {
  const size_t length = strlen(n->typed), d = edit_distance(n->typed, name);
  if (d > LCL_MIN(3, length / 2) || (n->name && d >= n->distance)) return;
  n->name = name;
  n->distance = d;
}

const char *lcl__nearest_hint(const lcl_nearest *n, const char *before, char buf[96]) {
  *buf = 0;
  if (n->name) snprintf(buf, 96, " (did you mean %s%.60s?)", before, n->name);
  return buf;
}

const char *lcl__grouped(int64_t n, char buf[32]) {
  char digits[24];
  const int length = snprintf(digits, sizeof digits, "%lld", (long long)n);
  char *to = buf;
  for (int i = 0; i < length; i++) {
    if (i > (n < 0) && (length - i) % 3 == 0) *to++ = ',';
    *to++ = digits[i];
  }
  *to = 0;
  return buf;
}

void lcl__capitalise(char *text) {
  if (*text >= 'a' && *text <= 'z') *text = (char)(*text - ('a' - 'A'));
}

/* ---- characters ---- */

/* Bytes of the UTF-8 character at p and its code point; 0: p starts none. */
static int decode(const unsigned char *p, const unsigned char *end, uint32_t *code) {
  static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
  const int n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
  if (n == 0 || end - p < n) return 0;
  uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);
  for (int i = 1; i < n; i++) {
    if (p[i] >> 6 != 2) return 0;
    c = c << 6 | (p[i] & 0x3f);
  }
  if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0;
  *code = c;
  return n;
}

/* Moves a terminal's cursor, colours it, or lets text look like another one. */
static bool controls(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f || c == 0x061c ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* The character at p (its bytes in *taken) as a terminal may show it; returns out's length. */
static size_t visible_character(const unsigned char *p, const unsigned char *end, bool lines,
                                size_t *taken, char out[17]) {
  uint32_t c = 0;
  const int bytes = decode(p, end, &c);
  *taken = (size_t)LCL_MAX(bytes, 1);
  if (bytes && (!controls(c) || (lines && (c == '\n' || c == '\t')))) {
    memcpy(out, p, *taken);
    return *taken;
  }
  for (size_t i = 0; i < *taken; i++) snprintf(out + 4 * i, 5, "\\x%02x", p[i]);
  return 4 * *taken;
}

void lcl__visible(char *buf, size_t size, const char *text, bool lines) {
  const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
  size_t n = 0;
  while (p < end) {
    char out[17];
    size_t taken;
    const size_t more = visible_character(p, end, lines, &taken, out);
    if (n + more >= size) break;
    memcpy(buf + n, out, more);
    n += more;
    p += taken;
  }
  buf[n] = 0;
}

bool lcl__is_utf8(const char *text) {
  const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
  uint32_t c;
  for (int bytes; p < end; p += bytes)
    if (!(bytes = decode(p, end, &c))) return false;
  return true;
}

void lcl__json_visible(char *copy, const char *text) {
  const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
  while (p < end) {
    uint32_t c = 0;
    const int bytes = decode(p, end, &c);
    if (bytes && !(c > 0x7e && controls(c))) {
      memcpy(copy, p, (size_t)bytes);
      copy += bytes;
    } else {
      memcpy(copy, "\xEF\xBF\xBD", 3);
      copy += bytes ? sprintf(copy, "\\u%04x", (unsigned)c) : 3;
    }
    p += LCL_MAX(bytes, 1);
  }
  *copy = 0;
}

void lcl__str_csv(lcl_str *s, const char *field) {
  if (!field[strcspn(field, ",\"\r\n")]) {
    lcl__str_append(s, field, strlen(field));
    return;
  }
  lcl__str_append(s, "\"", 1);
  for (; *field; field++) lcl__str_append(s, *field == '"' ? "\"\"" : field, *field == '"' ? 2 : 1);
  lcl__str_append(s, "\"", 1);
}

typedef void (*escape_fn)(lcl_str *s, const char *text, size_t n);

static void visible(lcl_str *s, const char *text, size_t n) {
  const unsigned char *p = (const unsigned char *)text, *end = p + n;
  while (p < end) {
    char out[17];
    size_t taken;
    const size_t more = visible_character(p, end, false, &taken, out);
    lcl__str_append(s, out, more);
    p += taken;
  }
}

static void html(lcl_str *s, const char *text, size_t n) {
  static const char marks[] = "<>&\"'", *const names[] = { "lt", "gt", "amp", "quot", "#39" };
  const unsigned char *p = (const unsigned char *)text, *end = p + n;
  const char *mark;
  while (p < end) {
    uint32_t c = 0;
    const int bytes = decode(p, end, &c);
    if (bytes == 0 || (controls(c) && c != '\n' && c != '\t'))
      lcl__str_add(s, "&#xFFFD;");
    else if (c < 0x80 && (mark = strchr(marks, (int)c)))
      lcl__str_add(s, "&%s;", names[mark - marks]);
    else
      lcl__str_append(s, (const char *)p, (size_t)bytes);
    p += LCL_MAX(bytes, 1);
  }
}

/* ---- formats whose text arguments are escaped ---- */

/* One conversion of a format: flags and width with the precision, length and letter. */
typedef struct conversion {
  char spec[32]; /* from '%' on, the stars filled in */
  int width, precision;
  bool left;
  char length, letter; /* 'l' for l, 'q' for ll and j, 'z' for z and t, 0 for none and h */
} conversion;

static int read_count(const char **p, va_list *args) {
  int v = 0;
  if (**p == '*') {
    ++*p;
    return va_arg(*args, int);
  }
  for (; **p >= '0' && **p <= '9'; ++*p) v = 10 * v + (**p - '0');
  return v;
}

/* Reads from the '%' at p; returns what follows the conversion. */
static const char *read_conversion(const char *p, va_list *args, conversion *c) {
  char flags[8] = "", precision[16] = "";
  size_t n = 0;
  *c = (conversion) { .precision = -1 };
  for (p++; *p && strchr("-+ #0", *p); p++) {
    c->left |= *p == '-';
    if (n < sizeof flags - 1) flags[n++] = *p;
  }
  c->width = read_count(&p, args);
  if (c->width < 0) c->left = true, c->width = -c->width;
  if (*p == '.') {
    p++;
    c->precision = read_count(&p, args);
    if (c->precision >= 0) snprintf(precision, sizeof precision, ".%d", c->precision);
  }
  const char *length = p;
  while (*p && strchr("hljztL", *p)) p++;
  const int letters = (int)(p - length);
  c->length = letters == 0 || *length == 'h'                       ? 0
              : *length == 'j' || (*length == 'l' && letters == 2) ? 'q'
              : *length == 't'                                     ? 'z'
                                                                   : *length;
  c->letter = *p;
  snprintf(c->spec, sizeof c->spec, "%%%s%s%.0d%s%.*s%c", flags,
           c->left && !strchr(flags, '-') ? "-" : "", c->width, precision, letters, length, *p);
  return *p ? p + 1 : p;
}

static void add_text(lcl_str *s, const conversion *c, const char *text, escape_fn escape) {
  lcl_str own = { 0 };
  if (!text) text = "(null)";
  escape(&own, text, c->precision < 0 ? strlen(text) : strnlen(text, (size_t)c->precision));
  const int pad = c->width - (int)LCL_MIN(own.n, (size_t)INT32_MAX);
  if (pad > 0 && !c->left) lcl__str_add(s, "%*s", pad, "");
  lcl__str_append(s, own.data ? own.data : "", own.n);
  if (pad > 0 && c->left) lcl__str_add(s, "%*s", pad, "");
  s->failed |= own.failed;
  lcl__str_free(&own);
}

static void add_number(lcl_str *s, const conversion *c, va_list *args) {
  if (strchr("aAeEfFgG", c->letter))
    lcl__str_add(s, c->spec, va_arg(*args, double));
  else if (c->letter == 'p')
    lcl__str_add(s, c->spec, va_arg(*args, void *));
  else if (c->length == 'q')
    lcl__str_add(s, c->spec, va_arg(*args, long long));
  else if (c->length == 'l')
    lcl__str_add(s, c->spec, va_arg(*args, long));
  else if (c->length == 'z')
    lcl__str_add(s, c->spec, va_arg(*args, size_t));
  else
    lcl__str_add(s, c->spec, va_arg(*args, int));
}

static void add_escaped(lcl_str *s, const char *fmt, va_list *args, escape_fn escape) {
  while (*fmt && !s->failed) {
    const size_t n = strcspn(fmt, "%");
    lcl__str_append(s, fmt, n);
    fmt += n;
    if (*fmt != '%') break;
    conversion c;
    fmt = read_conversion(fmt, args, &c);
    if (c.letter == '%')
      lcl__str_append(s, "%", 1);
    else if (c.letter == 's')
      add_text(s, &c, va_arg(*args, const char *), escape);
    else
      add_number(s, &c, args);
  }
}

void lcl__str_html(lcl_str *s, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  add_escaped(s, fmt, &args, html);
  va_end(args);
}

void lcl__str_vvisible(lcl_str *s, const char *fmt, va_list args) {
  va_list mine;
  va_copy(mine, args);
  add_escaped(s, fmt, &mine, visible);
  va_end(mine);
}

void lcl__str_visible(lcl_str *s, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  add_escaped(s, fmt, &args, visible);
  va_end(args);
}
