/* The Cloud API: POST /vNN.N/{phone_number_id}/messages, GET /vNN.N/{phone_number_id}, and its /groups. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "sandbox/contract.h"

enum { TEXT_CHARACTERS_MAX = 4096, CAPTION_CHARACTERS_MAX = 1024, OPAQUE_CHARACTERS_MAX = 512, DIGITS_MIN = 7, DIGITS_MAX = 15 };

/* An error of the gateway. */
struct cloud_error {
    unsigned status;
    int64_t code;
    int64_t subcode; /* 0: none */
    const char *details;
};

struct cloud_title {
    int64_t code;
    unsigned status; /* what an error of this status is taken for, where no code was said; 0: none */
    const char *title;
};

static const struct cloud_title titles[] = {
    {0, 0, "AuthException"},
    {1, 0, "API Unknown"},
    {2, 503, "API Service"},
    {3, 0, "API Method"},
    {4, 0, "API Too Many Calls"},
    {10, 403, "Permission Denied"},
    {33, 0, "Parameter value is not valid"},
    {100, 400, "Invalid parameter"},
    {190, 401, "Access token has expired"},
    {368, 0, "Temporarily blocked for policies violations"},
    {80007, 0, "Rate limit issues"},
    {130429, 429, "Rate limit hit"},
    {130472, 0, "User's number is part of an experiment"},
    {131000, 500, "Something went wrong"},
    {131005, 0, "Access denied"},
    {131008, 0, "Required parameter is missing"},
    {131009, 0, "Parameter value is not valid"},
    {131016, 0, "Service unavailable"},
    {131021, 0, "Recipient cannot be sender"},
    {131026, 0, "Message undeliverable"},
    {131031, 0, "Account has been locked"},
    {131041, 0, "Group unknown, or not a member of it"},
    {131042, 0, "Business eligibility payment issue"},
    {131047, 0, "Re-engagement message"},
    {131048, 0, "Spam rate limit hit"},
    {131049, 0, "Meta chose not to deliver"},
    {131051, 0, "Unsupported message type"},
    {131056, 0, "(Business Account, Consumer Account) pair rate limit hit"},
    {131057, 0, "Account in maintenance mode"},
    {132000, 0, "Template Param Count Mismatch"},
    {132001, 404, "Template does not exist"},
    {132005, 0, "Template Hydrated Text Too Long"},
    {132007, 0, "Template Format Character Policy Violated"},
    {132012, 0, "Template Parameter Format Mismatch"},
    {132015, 0, "Template is Paused"},
    {132016, 0, "Template is Disabled"},
    {132018, 0, "Template parameter value invalid"},
    {133010, 0, "Phone number Not Registered"},
};

static const char *title_of(int64_t code) {
    for (size_t i = 0; i < ELEMENTSOF(titles); i++)
        if (titles[i].code == code)
            return titles[i].title;
    return "Error";
}

static int64_t code_of_status(unsigned status) {
    for (size_t i = 0; i < ELEMENTSOF(titles); i++)
        if (titles[i].status == status)
            return titles[i].code;
    return status >= 500 ? 131000 : 100;
}

static void add_headers(struct sandbox *s, const char *version, struct sandbox_reply *a) {
    char id[19];
    sandbox_new_id(s, id);
    sandbox_reply_header(a, "facebook-api-version", "%s", version);
    sandbox_reply_header(a, "x-fb-request-id", "%s", id);
    sandbox_reply_header(a, "x-fb-trace-id", "%.11s", id);
    sandbox_reply_header(a, "Cache-Control", "private, no-cache, no-store, must-revalidate");
}

static int write_error(struct sandbox *s, const struct cloud_error *e, struct sandbox_reply *a) {
    char id[19];
    sandbox_new_id(s, id);
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, e->status, JSON_PLAIN);
    _cleanup_(buf_done) struct buf message = BUF_MAX(512);
    if (!w || buf_printf(&message, "(#%lld) %s", (long long) e->code, title_of(e->code)) < 0)
        return -ENOMEM;
    if (e->status == 401)
        sandbox_reply_header(a, "WWW-Authenticate", "OAuth \"Facebook Platform\" \"invalid_token\" \"%s\"", title_of(e->code));
    json_write_object(w);
    json_write_key(w, "error");
    json_write_object(w);
    json_write_member(w, "message", buf_string(&message));
    json_write_member(w, "type", "OAuthException");
    json_write_key(w, "code");
    json_write_int(w, e->code);
    if (e->subcode) {
        json_write_key(w, "error_subcode");
        json_write_int(w, e->subcode);
    }
    if (e->code != 190) {
        json_write_key(w, "error_data");
        json_write_object(w);
        json_write_member(w, "messaging_product", "whatsapp");
        json_write_member(w, "details", e->details ? e->details : title_of(e->code));
        json_write_object_end(w);
    }
    json_write_member(w, "fbtrace_id", id);
    json_write_object_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static bool fail(struct cloud_error *e, int64_t code, const char *details) {
    *e = (struct cloud_error) {.status = 400, .code = code, .details = details};
    return false;
}

static const char *string_at(const struct json_value *value, const char *path) {
    const struct json_value *v = json_at(value, path);
    return v && json_type(v) == JSON_STRING ? json_text(v) : NULL;
}

static bool is_text_good(const struct json_value *root, const char **ret_body, struct cloud_error *e) {
    const struct json_value *body = json_at(root, "text.body");
    if (!body)
        return fail(e, 131008, "The parameter text['body'] is required.");
    if (json_type(body) != JSON_STRING)
        return fail(e, 131009, "Parameter text['body'] must be a string.");
    if (!*json_text(body))
        return fail(e, 131008, "The parameter text['body'] is required.");
    if (text_length(json_text(body)) > TEXT_CHARACTERS_MAX)
        return fail(e, 100, "Param text['body'] must be at most 4096 characters long.");
    *ret_body = json_text(body);
    return true;
}

/* What the real one refuses inside the value of a parameter. */
static bool is_parameter_good(const struct json_value *p, struct cloud_error *e) {
    const char *type = string_at(p, "type");
    if (!type)
        return fail(e, 131008, "Parameter of type text is missing its type.");
    if (strcmp(type, "text") != 0)
        return true;
    const char *text = string_at(p, "text");
    if (!text || !*text)
        return fail(e, 131008, "Parameter of type text is missing text value.");
    if (strpbrk(text, "\n\t") || strstr(text, "     "))
        return fail(e, 132018, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces");
    return true;
}

static bool is_template_good(const struct json_value *root, const struct json_value **ret, struct cloud_error *e) {
    const struct json_value *t = json_at(root, "template");
    const char *name = string_at(t, "name"), *language = string_at(t, "language.code");
    if (!name || !*name)
        return fail(e, 131008, "The parameter template['name'] is required.");
    if (!language || !*language)
        return fail(e, 131008, "The parameter template['language'] is required.");
    for (const struct json_value *c = json_first(json_at(t, "components")); c; c = json_next(c)) {
        if (!string_at(c, "type"))
            return fail(e, 131008, "The parameter template['components']['type'] is required.");
        for (const struct json_value *p = json_first(json_at(c, "parameters")); p; p = json_next(p))
            if (!is_parameter_good(p, e))
                return false;
    }
    *ret = t;
    return true;
}

static const char *media_type(const char *type) {
    static const char *const types[] = {"image", "video", "audio", "document"};
    for (size_t i = 0; i < ELEMENTSOF(types); i++)
        if (strcmp(type, types[i]) == 0)
            return types[i];
    return NULL;
}

static bool is_media_good(const struct json_value *media, const char *type, const char **ret_caption, struct cloud_error *e) {
    const struct json_value *caption = json_at(media, "caption");
    if (!text_is_web_address(string_at(media, "link")))
        return fail(e, 100, "The parameter link is required, and must be a web address (the sandbox keeps no uploads).");
    if (caption && (strcmp(type, "audio") == 0 || json_type(caption) != JSON_STRING))
        return fail(e, 100, "Unexpected key \"caption\".");
    if (caption && text_length(json_text(caption)) > CAPTION_CHARACTERS_MAX)
        return fail(e, 100, "Param caption must be at most 1024 characters long.");
    if (json_at(media, "filename") && strcmp(type, "document") != 0)
        return fail(e, 100, "Unexpected key \"filename\".");
    *ret_caption = caption ? json_text(caption) : "";
    return true;
}

/* Individuals: digits, and the '+' only where it was given: without it the real one misdelivers. Groups: the id as it is. */
static bool is_target_good(const struct json_value *root, struct buf *recipient, bool *ret_is_group, struct cloud_error *e) {
    const char *to = string_at(root, "to");
    const char *kind = string_at(root, "recipient_type");
    if (!to || !*to)
        return fail(e, 100, "The parameter to is required.");
    if (kind && strcmp(kind, "individual") != 0 && strcmp(kind, "group") != 0)
        return fail(e, 100, "Param recipient_type must be one of {INDIVIDUAL, GROUP}.");
    *ret_is_group = kind && strcmp(kind, "group") == 0;
    if (*ret_is_group) {
        if (strncmp(to, "Y2FwaV9ncm91cDo", 15) != 0 || strlen(to) > CHATS_TEXT_BYTES_MAX)
            return fail(e, 131041, "The group id is not one of this business.");
        return buf_append_string(recipient, to) == 0;
    }
    if (strlen(to) > 64 || !sandbox_append_number(recipient, to))
        return fail(e, 100, "Param to must be a phone number.");
    size_t digits = recipient->size - (*buf_string(recipient) == '+');
    if (digits < DIGITS_MIN || digits > DIGITS_MAX)
        return fail(e, 100, "Param to must be a phone number.");
    return true;
}

static int write_success(const struct json_value *root, const struct chat_arrival *arrival, struct sandbox_reply *a) {
    const char *to = string_at(root, "to"), *recipient = arrival->text[CHAT_RECIPIENT];
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_PLAIN);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "messaging_product", "whatsapp");
    json_write_key(w, "contacts");
    json_write_array(w);
    json_write_object(w);
    json_write_member(w, "input", to);
    json_write_member(w, "wa_id", recipient + (*recipient == '+'));
    json_write_object_end(w);
    json_write_array_end(w);
    json_write_key(w, "messages");
    json_write_array(w);
    json_write_object(w);
    json_write_member(w, "id", arrival->text[CHAT_MESSAGE_ID]);
    if (arrival->is_group)
        json_write_member(w, "group_id", to);
    if (arrival->text[CHAT_TEMPLATE])
        json_write_member(w, "message_status", "accepted");
    json_write_object_end(w);
    json_write_array_end(w);
    json_write_object_end(w);
    return json_writer_finish(w);
}

/* Everything about the request was found good. */
static int receive(struct sandbox *s, const struct json_value *root, struct chat_arrival *arrival,
                   const struct json_value *template, struct sandbox_reply *a) {
    char id[19], wamid[64], key[OPAQUE_CHARACTERS_MAX * 4 + 1];
    sandbox_new_id(s, id);
    (void) snprintf(wamid, sizeof(wamid), "wamid.HBgMODgwMTcwMDAwMDAwFQIAERgS%s", id);
    arrival->text[CHAT_MESSAGE_ID] = wamid;
    const char *opaque = string_at(root, "biz_opaque_callback_data");
    if (opaque) {
        (void) snprintf(key, sizeof(key), "%.*s", (int) strcspn(opaque, "."), opaque);
        arrival->text[CHAT_OPAQUE] = opaque;
        arrival->text[CHAT_KEY] = key;
    }
    _cleanup_(buf_done) struct buf text = BUF_MAX(CALL_BODY_BYTES_MAX), media = BUF_MAX(CALL_BODY_BYTES_MAX);
    const char *type = string_at(root, "type");
    const struct json_value *file = type && media_type(type) ? json_at(root, type) : NULL;
    if (file) {
        int r = sandbox_write_media(&media, type, string_at(file, "link"), string_at(file, "filename"));
        if (r < 0)
            return r;
        arrival->text[CHAT_MEDIA] = buf_string(&media);
    }
    if (template) {
        _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(&text);
        if (!w)
            return -ENOMEM;
        json_write_value(w, template, NULL, NULL);
        int r = json_writer_finish(w);
        if (r < 0)
            return r;
        arrival->text[CHAT_TEMPLATE] = buf_string(&text);
    }
    struct verdict verdict;
    int r = sandbox_receive(s, arrival, 200, a, &verdict);
    if (r < 0)
        return r;
    if (verdict.status != 0)
        return write_error(s, &(struct cloud_error) {.status = verdict.status,
                                                     .code = verdict.code ? verdict.code : code_of_status(verdict.status)},
                           a);
    r = write_success(root, arrival, a);
    if (r >= 0)
        r = sandbox_reply_spoil(a, &verdict);
    return r < 0 ? r : 1;
}

static int post_message(struct sandbox *s, const struct call *call, const char *phone_number_id, struct sandbox_reply *a) {
    struct cloud_error e = {0};
    _cleanup_(json_freep) struct json *doc = NULL;
    const char *reason;
    int r = json_parse(call->body, call->body_size, &doc, &reason);
    if (r < 0 && r != -EBADMSG)
        return r;
    const struct json_value *root = doc ? json_root(doc) : NULL, *template = NULL;
    const char *product = string_at(root, "messaging_product"), *type = string_at(root, "type");
    const char *opaque = string_at(root, "biz_opaque_callback_data");
    _cleanup_(buf_done) struct buf recipient = BUF_MAX(CHATS_TEXT_BYTES_MAX);
    struct chat_arrival arrival = {.gateway = CHAT_CLOUD, .text[CHAT_SENDER] = phone_number_id, .text[CHAT_BODY] = ""};
    bool good;
    if (!product || strcmp(product, "whatsapp") != 0)
        good = fail(&e, 100, "The parameter messaging_product is required.");
    else
        good = is_target_good(root, &recipient, &arrival.is_group, &e);
    if (good && opaque && text_length(opaque) > OPAQUE_CHARACTERS_MAX)
        good = fail(&e, 100, "Param biz_opaque_callback_data must be at most 512 characters long.");
    if (good && (!type || strcmp(type, "text") == 0))
        good = is_text_good(root, &arrival.text[CHAT_BODY], &e);
    else if (good && strcmp(type, "template") == 0)
        good = is_template_good(root, &template, &e);
    else if (good && media_type(type))
        good = is_media_good(json_at(root, type), type, &arrival.text[CHAT_BODY], &e);
    else if (good)
        good = fail(&e, 131051, "The sandbox takes messages of type text, template, image, video, audio and document.");
    if (!good)
        return e.status ? write_error(s, &e, a) : -ENOMEM;
    arrival.text[CHAT_RECIPIENT] = buf_string(&recipient);
    return receive(s, root, &arrival, template, a);
}

/* One a page, so that paging is seen. */
static int get_groups(const struct call *call, struct sandbox_reply *a) {
    const struct sandbox_group *g = sandbox_cloud_groups;
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_PLAIN);
    if (!w)
        return -ENOMEM;
    for (; call->after && g->id; g++)
        if (strcmp(g->id, call->after) == 0) {
            g++;
            break;
        }
    json_write_object(w);
    json_write_key(w, "data");
    json_write_object(w);
    json_write_key(w, "groups");
    json_write_array(w);
    if (g->id) {
        json_write_object(w);
        json_write_member(w, "id", g->id);
        json_write_member(w, "subject", g->name);
        json_write_member(w, "created_at", "1790000000");
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
    json_write_key(w, "paging");
    json_write_object(w);
    json_write_key(w, "cursors");
    json_write_object(w);
    json_write_member(w, "after", g->id ? g->id : "");
    json_write_object_end(w);
    if (g->id && g[1].id)
        json_write_member(w, "next", "https://graph.facebook.com/");
    json_write_object_end(w);
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static int get_number(const char *phone_number_id, struct sandbox_reply *a) {
    _cleanup_(json_writer_freep) struct json_writer *w = sandbox_reply_json(a, 200, JSON_PLAIN);
    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "id", phone_number_id);
    json_write_member(w, "display_phone_number", "+880 1700-000000");
    json_write_member(w, "verified_name", "pgherald sandbox");
    json_write_member(w, "quality_rating", "GREEN");
    json_write_object_end(w);
    int r = json_writer_finish(w);
    return r < 0 ? r : 1;
}

static bool is_version(const char *text) {
    size_t major = strspn(text, "0123456789");
    if (major == 0 || text[major] != '.')
        return false;
    size_t minor = strspn(text + major + 1, "0123456789");
    return minor > 0 && text[major + 1 + minor] == '\0';
}

int contract_cloud(struct sandbox *s, const struct call *call, struct sandbox_reply *a) {
    char parts[PATH_PARTS_MAX][PATH_PART_BYTES];
    bool is_messages = call_path_matches("/v*/*/messages", call->path, parts);
    bool is_groups = !is_messages && call_path_matches("/v*/*/groups", call->path, parts);
    if (!is_messages && !is_groups && !call_path_matches("/v*/*", call->path, parts))
        return 0;
    if (!is_version(parts[0]))
        return 0;
    char version[16];
    (void) snprintf(version, sizeof(version), "v%.14s", parts[0]);
    add_headers(s, version, a);
    if (!sandbox_knows_token(s, call_bearer(call)))
        return write_error(s, &(struct cloud_error) {.status = 401, .code = 190}, a);
    bool is_post = strcmp(call->method, "POST") == 0;
    if (is_messages != is_post || strlen(parts[1]) > 32 || strspn(parts[1], "0123456789") != strlen(parts[1]))
        return write_error(s, &(struct cloud_error) {.status = 400, .code = 100, .subcode = 33,
                                                     .details = "Unsupported request: no such object, or not this method."},
                           a);
    if (is_groups)
        return get_groups(call, a);
    return is_messages ? post_message(s, call, parts[1], a) : get_number(parts[1], a);
}
