/* Layer 0: text on its way in and out. Numbers are read and written with a decimal point whatever
 * locale the process has, and names from outside are escaped by the function that writes them. */
#ifndef LCL_TEXT_H
#define LCL_TEXT_H

#include <locale.h>

#include "base/base.h"

/* Switches the calling thread to the C locale; uselocale() with what it returns switches back. */
locale_t lcl__c_locale(void);
/* strtod and snprintf in the C locale. */
double lcl__strtod(const char *text, char **end);
int lcl__snprintf(char *buf, size_t size, const char *fmt, ...) LCL_PRINTF(3, 4);
int lcl__vsnprintf(char *buf, size_t size, const char *fmt, va_list args);
/* The whole text as one finite number, or as a whole number; false where it is neither. */
bool lcl__parse_number(const char *text, double *out);
bool lcl__parse_whole(const char *text, int64_t *out);
/* A list of 1 to max whole numbers in [lo,hi], as "1200-1200" with any of its separators: how many,
 * -1 where it is none. */
int lcl__parse_list(const char *text, const char *separators, int64_t lo, int64_t hi, int64_t *out,
                    int max);
/* Whether a text is such a list, however long, with each number in an interval as lcl__inside() has
 * it; whole: of whole numbers. */
bool lcl__list_inside(const char *interval, const char *separators, bool whole, const char *text);
/* Whether v lies in an interval as mathematicians write it, "(0,1]"; NULL is the whole line. */
bool lcl__inside(const char *interval, double v);
/* "4096", "32k", "1m" or "2g"; false where it is neither, or too much. */
bool lcl__parse_bytes(const char *text, uint64_t *bytes);
/* As strcasecmp and strncasecmp, for ASCII letters only. */
int lcl__casecmp(const char *a, const char *b);
int lcl__ncasecmp(const char *a, const char *b, size_t n);
bool lcl__contains(const char *text, const char *part); /* in any case */

/* Of names that were tried, the one a mistyped name is likely to mean. */
typedef struct lcl_nearest {
  const char *typed, *name; /* NULL: none is near */
  size_t distance;
} lcl_nearest;
void lcl__nearest_try(lcl_nearest *n, const char *name);
/* " (did you mean NAME?)", with what comes before a name, or "", in buf. */
const char *lcl__nearest_hint(const lcl_nearest *n, const char *before, char buf[96]);

/* "50,000" into buf; returns buf. */
const char *lcl__grouped(int64_t n, char buf[32]);

void lcl__capitalise(char *text); /* its first letter, of ASCII */

bool lcl__is_utf8(const char *text);
/* A copy of printed JSON, of at most 6 times its length, that any reader and terminal takes: bytes
 * that are not UTF-8 become U+FFFD, DEL and the control characters beyond it \uNNNN. */
void lcl__json_visible(char *copy, const char *text);

/* Adds a field of a CSV file (RFC 4180): quoted where it holds a comma, a quote or a line end. */
void lcl__str_csv(lcl_str *s, const char *field);

/* As lcl__str_add, with each text argument (%s) escaped for HTML and SVG, in elements and quoted
 * attributes; fmt itself is markup. */
void lcl__str_html(lcl_str *s, const char *fmt, ...) LCL_PRINTF(2, 3);

/* As lcl__str_add, with each text argument made safe for a terminal: bytes that are not UTF-8,
 * control characters and those that turn the direction of writing become \xNN. */
void lcl__str_visible(lcl_str *s, const char *fmt, ...) LCL_PRINTF(2, 3);
void lcl__str_vvisible(lcl_str *s, const char *fmt, va_list args);
/* The same for one text that is written already, in at most size bytes. lines: line ends stay. */
void lcl__visible(char *buf, size_t size, const char *text, bool lines);

#endif
