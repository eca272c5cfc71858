/* The line that a terminal shows while something goes on. */
#define _GNU_SOURCE /* wcwidth */
#include "base/status_line.h"

#include <stdatomic.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/text.h"

static atomic_bool shown;

/* Whatever locale the process has, the terminal is taken to show UTF-8. */
static locale_t utf8_locale(void) {
  static _Atomic(locale_t) kept;
  locale_t l = atomic_load(&kept), none = (locale_t)0;
  if (l) return l;
  l = newlocale(LC_CTYPE_MASK, "C.UTF-8", none);
  if (l && !atomic_compare_exchange_strong(&kept, &none, l)) {
    freelocale(l);
    l = none;
  }
  return l;
}

size_t lcl__fit_columns(const char *text, int columns) {
  const locale_t utf8 = utf8_locale(), before = uselocale(utf8);
  size_t n = 0, left = strlen(text);
  mbstate_t state = { 0 };
  while (left > 0) {
    wchar_t c;
    size_t bytes = mbrtowc(&c, text + n, left, &state);
    const bool valid = bytes > 0 && bytes <= left;
    const int width = valid ? wcwidth(c) : 1;
    columns -= width < 0 ? 1 : width;
    if (columns < 0) break;
    if (!valid) {
      bytes = 1;
      state = (mbstate_t) { 0 };
    }
    n += bytes;
    left -= bytes;
  }
  uselocale(before);
  return n;
}

/* Asked each time: people resize their terminals. */
static int terminal_columns(void) {
  struct winsize w;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

void lcl__status_line(const char *fmt, ...) {
  char raw[512], line[1024];
  va_list args;
  if (!isatty(STDERR_FILENO)) return;
  va_start(args, fmt);
  lcl__vsnprintf(raw, sizeof raw, fmt, args);
  va_end(args);
  lcl__visible(line, sizeof line, raw, false);
  /* A full last column would move some terminals on to the next line. */
  fprintf(stderr, "\r%.*s\033[K", (int)lcl__fit_columns(line, terminal_columns() - 1), line);
  fflush(stderr);
  atomic_store(&shown, true);
}

void lcl__status_line_end(void) {
  if (!atomic_exchange(&shown, false)) return;
  fputs("\r\033[K", stderr);
  fflush(stderr);
}
