#include "web/notice.h"

#include <string.h>

#define SPACE " \t\r\n"

enum { NUMBER_BYTES_MAX = 16 };

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

static bool read_number(const char *chat, const char *suffix, char ret[static NUMBER_BYTES_MAX + 1]) {
    size_t digits = chat ? strspn(chat, "0123456789") : 0;

    if (digits == 0 || digits > NUMBER_BYTES_MAX || strcmp(chat + digits, suffix) != 0)
        return false;
    memcpy(ret, chat, digits);
    ret[digits] = '\0';
    return true;
}

int notice_from_text(const struct typed *typed, notice_fn on_notice, void *userdata) {
    char number[NUMBER_BYTES_MAX + 1], word[NOTICE_DETAIL_BYTES + 1];
    struct notice notice = {.what = "text", .gateway = typed->gateway, .account = typed->account,
                            .subject = number, .detail = word};

    if (!typed->account || strlen(typed->account) > NOTICE_ACCOUNT_BYTES || !typed->text ||
        !read_number(typed->chat, typed->suffix, number) || !notice_word(typed->text, word))
        return 0;
    if (json_int_at(typed->at_sec, "", &notice.at_sec) < 0)
        notice.at_sec = 0;
    return on_notice(&notice, userdata);
}
