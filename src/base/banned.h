/* Functions that are not used here; the compiler includes this file before every one of ours. The headers that declare them
 * come first, so that their own declarations stay whole.
 *
 * strcpy and strcat write without a bound, strncpy leaves strings unterminated, the ato* family hides errors, strtok keeps
 * state, alloca takes stack that nobody bounds. Use struct buf, and base/parse.h. */
#pragma once

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BANNED(function) the_function_##function##_is_banned

#undef strcpy
#define strcpy(to, from) BANNED(strcpy)
#undef strcat
#define strcat(to, from) BANNED(strcat)
#undef strncpy
#define strncpy(to, from, size) BANNED(strncpy)
#undef strncat
#define strncat(to, from, size) BANNED(strncat)
#undef sprintf
#define sprintf(...) BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf)
#undef gets
#define gets(to) BANNED(gets)
#undef strtok
#define strtok(text, separators) BANNED(strtok)
#undef atoi
#define atoi(text) BANNED(atoi)
#undef atol
#define atol(text) BANNED(atol)
#undef atoll
#define atoll(text) BANNED(atoll)
#undef alloca
#define alloca(size) BANNED(alloca)
