#include "gateway/webhook_check.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "gateway/placeholder.h"
#include "gateway/target.h"
#include "io/url.h"

enum { WEBHOOK_PATH_BYTES_MAX = 1024 };

#define EXAMPLE_BODY "{\"body\": {\"to\": \"{{phone}}\", \"text\": \"{{body}}\"}}"
#define EXAMPLE_MEDIA "{\"media\": {\"body\": {\"to\": \"{{phone}}\", \"file\": \"{{media.url}}\", \"caption\": \"{{body}}\"}}}"

static bool is_object(const struct json_value *value) {
    return value && json_type(value) == JSON_OBJECT;
}

const char *webhook_method(const struct json_value *account) {
    static const char *const methods[] = {"POST", "PUT", "PATCH"};
    const char *method = json_text_at(account, "method");

    if (!json_at(account, "method"))
        return methods[0];
    for (size_t i = 0; method && i < ELEMENTSOF(methods); i++)
        if (strcmp(method, methods[i]) == 0)
            return methods[i];
    return NULL;
}

const struct json_value *webhook_form(const struct json_value *account, const struct message *message) {
    const struct json_value *media = message->media ? json_at(account, "media") : NULL;

    return media ? media : account;
}

/* name: of the member, which may be absent. */
static int check_path(const struct sender *sender, const char *name, struct buf *reterr) {
    const char *path = json_text_at(sender->account, name);

    if (!json_at(sender->account, name))
        return 0;
    if (!path || path[0] != '/' || strlen(path) > WEBHOOK_PATH_BYTES_MAX || strpbrk(path, " \"<>\\^`{|}#") ||
        !text_is_header_safe(path) || text_length(path) != strlen(path)) {
        (void) buf_printf(reterr, "account: \"%s\" is not a path. It begins with /, has no spaces and no placeholders, for "
                          "example {\"path\": \"/send-message\"}.", name);
        return -EINVAL;
    }
    if (strchr(sender->base_url, '?')) {
        (void) buf_printf(reterr, "base_url: the URL has a query (?), but account.%s must follow it. Put the query at the end "
                          "of account.%s.", name, name);
        return -EINVAL;
    }
    return 0;
}

static int check_url(const struct sender *sender, struct buf *reterr) {
    const char *fault;
    int r;

    if (url_check(sender->base_url, &fault) < 0) {
        (void) buf_printf(reterr, "base_url: the URL %s. Set it to the webhook's, for example "
                          "https://n8n.example.org/webhook/alerts.", fault);
        return -EINVAL;
    }
    r = check_path(sender, "path", reterr);
    return r < 0 ? r : check_path(sender, "media.path", reterr);
}

static bool is_header_name(const char *name) {
    return *name && strlen(name) <= 64 &&
           name[strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&'*+-.^_`|~")] == '\0';
}

/* Headers that say where one request ends and the next begins, or to whom it goes. */
static bool is_reserved_header(const char *name) {
    static const char *const reserved[] = {
        "Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Keep-Alive", "TE", "Trailer", "Upgrade",
    };

    for (size_t i = 0; i < ELEMENTSOF(reserved); i++)
        if (strcasecmp(name, reserved[i]) == 0)
            return true;
    return false;
}

static int check_header(const char *name, const char *value, struct buf *reterr) {
    const char *fault;

    if (!is_header_name(name)) {
        (void) buf_printf(reterr, "account: \"headers\" has a name that no header can have. Use letters, digits and -, for example "
                          "{\"headers\": {\"X-Api-Key\": \"{{credential}}\"}}.");
        return -EINVAL;
    }
    if (is_reserved_header(name)) {
        (void) buf_printf(reterr, "account: \"headers\" names %s, which the HTTP client writes itself. Take it out.", name);
        return -EINVAL;
    }
    if (!value || !text_is_header_safe(value)) {
        (void) buf_printf(reterr, "account: the header %s %s. Write it as one line of text, for example {\"headers\": {\"%s\": "
                          "\"{{credential}}\"}}.", name, value ? "holds a control character" : "is not a text", name);
        return -EINVAL;
    }
    fault = placeholder_fault(value, PLACEHOLDER_IN_HEADER);
    if (*fault) {
        (void) buf_printf(reterr, "account: the header %s %s.", name, fault);
        return -EINVAL;
    }
    return 0;
}

static int check_headers(const struct sender *sender, struct buf *reterr) {
    const struct json_value *headers = json_at(sender->account, "headers");
    unsigned count = 0;

    if (headers && !is_object(headers)) {
        (void) buf_printf(reterr, "account: \"headers\" is not an object. Write it as, for example, {\"headers\": "
                          "{\"X-Api-Key\": \"{{credential}}\"}}.");
        return -EINVAL;
    }
    for (const struct json_value *h = headers ? json_first(headers) : NULL; h; h = json_next(h), count++)
        if (check_header(json_key(h), json_type(h) == JSON_STRING ? json_text(h) : NULL, reterr) < 0)
            return -EINVAL;
    if (count >= REQUEST_HEADERS_MAX) { /* one is the Content-Type */
        (void) buf_printf(reterr, "account: \"headers\" has more than %d entries. Take some out.", REQUEST_HEADERS_MAX - 1);
        return -EINVAL;
    }
    if (placeholder_is_used(headers, "{{credential}}") &&
        (!sender->secret || !*sender->secret || !text_is_header_safe(sender->secret))) {
        (void) buf_printf(reterr, "credential: %s, but a header uses {{credential}}. Store the key as a secret, and set the "
                          "sender's credential to the secret's name, for example 'webhook_key'.",
                          sender->secret && *sender->secret ? "it holds a control character" : "there is none");
        return -EINVAL;
    }
    return 0;
}

/* The fault in the first string of the value that has one, or "". */
static const char *body_fault(const struct json_value *value) {
    const char *fault = "";

    if (json_type(value) == JSON_STRING)
        return placeholder_fault(json_text(value), PLACEHOLDER_IN_BODY);
    if (json_type(value) != JSON_ARRAY && json_type(value) != JSON_OBJECT)
        return fault;
    for (const struct json_value *v = json_first(value); v && !*fault; v = json_next(v))
        fault = body_fault(v);
    return fault;
}

/* "2xx", a status, or a list of statuses. */
static bool is_status(const struct json_value *value) {
    const char *text = json_text(value);
    int64_t status;

    if (json_type(value) == JSON_STRING && strlen(text) == 3 && strchr("2345", text[0]) && strcmp(text + 1, "xx") == 0)
        return true;
    return json_int_at(value, "", &status) == 0 && status >= 200 && status <= 599;
}

static bool is_status_list(const struct json_value *value) {
    if (!value || json_type(value) != JSON_ARRAY)
        return !value || is_status(value);
    for (const struct json_value *v = json_first(value); v; v = json_next(v))
        if (!is_status(v))
            return false;
    return json_first(value) != NULL;
}

static int check_answers(const struct json_value *account, struct buf *reterr) {
    const struct json_value *success = json_at(account, "success"), *rejected = json_at(account, "rejected");
    const struct json_value *equals = json_at(success, "equals"), *path = json_at(success, "path");

    if ((success && !is_object(success)) || !is_status_list(json_at(success, "status")) || (equals && !is_object(equals)) ||
        (path && (json_type(path) != JSON_STRING || text_is_blank(json_text(path))))) {
        (void) buf_printf(reterr, "account: \"success\" can't be read. Write it as, for example, {\"success\": {\"status\": [200, "
                          "201], \"path\": \"messageId\", \"equals\": {\"success\": true}}}; each part may be left out.");
        return -EINVAL;
    }
    if ((rejected && !is_object(rejected)) || !is_status_list(json_at(rejected, "status"))) {
        (void) buf_printf(reterr, "account: \"rejected\" can't be read. Write it as, for example, {\"rejected\": {\"status\": "
                          "[400, 422]}}.");
        return -EINVAL;
    }
    return 0;
}

/* name: of the member, which must be there. */
static int check_body(const struct json_value *account, const char *name, const char *example, struct buf *reterr) {
    const struct json_value *body = json_at(account, name);
    const char *fault;

    if (!body) {
        (void) buf_printf(reterr, "account: \"%s\" is missing. It is the JSON to send, with placeholders, for example %s.", name,
                          example);
        return -EINVAL;
    }
    fault = body_fault(body);
    if (!*fault)
        return 0;
    (void) buf_printf(reterr, "account: \"%s\" %s.", name, fault);
    return -EINVAL;
}

static int check_media(const struct json_value *account, struct buf *reterr) {
    if (!json_at(account, "media"))
        return 0;
    if (check_body(account, "media.body", EXAMPLE_MEDIA, reterr) < 0)
        return -EINVAL;
    if (placeholder_is_used(json_at(account, "media.body"), "{{media.url}}"))
        return 0;
    (void) buf_printf(reterr, "account: \"media.body\" does not name {{media.url}}. It says how media are sent, for example "
                      EXAMPLE_MEDIA ".");
    return -EINVAL;
}

int webhook_check(const struct sender *sender, struct buf *reterr) {
    if (check_body(sender->account, "body", EXAMPLE_BODY, reterr) < 0 || check_media(sender->account, reterr) < 0)
        return -EINVAL;
    if (!webhook_method(sender->account)) {
        (void) buf_printf(reterr, "account: \"method\" is none of POST, PUT and PATCH. Set it to one of them, or leave it out for "
                          "POST.");
        return -EINVAL;
    }
    if (check_url(sender, reterr) < 0 || check_headers(sender, reterr) < 0 || check_answers(sender->account, reterr) < 0)
        return -EINVAL;
    return 0;
}
