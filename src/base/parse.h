/* Strict parsing of numbers, durations and booleans: the whole string, or -EINVAL (not of the form) or -ERANGE (out of
 * range), and then *ret is untouched. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* A decimal integer with an optional '-'; no spaces, no '+'. */
int parse_int(const char *text, int64_t min, int64_t max, int64_t *ret) _must_check_;

/* "250 ms", "3 s", "15 min", "2 h", "1 day", "1.5 s"; a bare number is seconds. Result in microseconds. */
int parse_duration(const char *text, uint64_t max_usec, uint64_t *ret_usec) _must_check_;

/* true/false, yes/no, on/off, 1/0. */
int parse_bool(const char *text, bool *ret) _must_check_;

/* An HTTP-date in one of the three forms that RFC 9110 has a recipient accept; in seconds since 1970. */
int parse_http_date(const char *text, int64_t *ret_sec) _must_check_;

/* Retry-After as RFC 9110 has it: seconds, or an HTTP-date, against now_sec since 1970. Result in seconds, 0 for a date that has
 * passed, clamped to max_sec. */
int parse_retry_after(const char *text, int64_t now_sec, int64_t max_sec, int64_t *ret_sec) _must_check_;
