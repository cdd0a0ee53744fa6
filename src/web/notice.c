#include "web/notice.h"

#include <string.h>

#define SPACE " \t\r\n"

bool notice_word(const char *text, char ret[static NOTICE_DETAIL_BYTES + 1]) {
    size_t size;

    text += strspn(text, SPACE);
    size = strlen(text);
    while (size > 0 && strchr(SPACE, text[size - 1]))
        size--;
    if (size == 0 || size > NOTICE_DETAIL_BYTES)
        return false;
    memcpy(ret, text, size);
    ret[size] = '\0';
    return true;
}
