#include "sandbox/courier.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/twilio_callback.h"
#include "io/form.h"
#include "io/hmac.h"
#include "io/http.h"
#include "io/json.h"
#include "io/url.h"

enum {
    PARCELS_MAX = 10000,
    CONNECTIONS_MAX = 8,
    TRIES_MAX = 20,
    DELIVERED_USEC = 300 * 1000,
    READ_USEC = 1500 * 1000,
    AGAIN_USEC = 1000 * 1000,
    TIME_LIMIT_USEC = 10 * 1000 * 1000,
};

/* A message that its sender is still to hear of. */
struct parcel {
    struct courier *courier;
    enum chat_gateway gateway;
    char *account, *message_id, *recipient;
    char *opaque; /* of Twilio: where it wants to hear */
    bool is_delivered; /* and that was told */
    unsigned tries;
    sd_event_source *timer;
    struct parcel *previous, *next;
};

struct courier {
    sd_event *event;
    struct http *http;
    const char *url, *app_secret; /* borrowed */
    struct parcel *parcels;
    unsigned parcel_count;
};

static void parcel_free(struct parcel *p) {
    struct courier *c = p->courier;

    *(p->previous ? &p->previous->next : &c->parcels) = p->next;
    if (p->next)
        p->next->previous = p->previous;
    c->parcel_count--;
    sd_event_source_disable_unref(p->timer);
    free(p->account);
    free(p->message_id);
    free(p->recipient);
    free(p->opaque);
    free(p);
}

static const char *status_of(const struct parcel *p) {
    return p->is_delivered ? "read" : "delivered";
}

static int write_body(const struct parcel *p, struct buf *out) {
    _cleanup_(json_writer_freep) struct json_writer *w = json_writer_new(out);

    if (!w)
        return -ENOMEM;
    json_write_object(w);
    json_write_member(w, "object", "whatsapp_business_account");
    json_write_key(w, "entry");
    json_write_array(w);
    json_write_object(w);
    json_write_key(w, "changes");
    json_write_array(w);
    json_write_object(w);
    json_write_member(w, "field", "messages");
    json_write_key(w, "value");
    json_write_object(w);
    json_write_member(w, "messaging_product", "whatsapp");
    json_write_key(w, "metadata");
    json_write_object(w);
    json_write_member(w, "phone_number_id", p->account);
    json_write_object_end(w);
    json_write_key(w, "statuses");
    json_write_array(w);
    json_write_object(w);
    json_write_member(w, "id", p->message_id);
    json_write_member(w, "status", status_of(p));
    json_write_key(w, "timestamp");
    json_write_int(w, (int64_t) (clock_wall_usec() / USEC_PER_SEC));
    json_write_member(w, "biz_opaque_callback_data", p->opaque);
    json_write_object_end(w);
    json_write_array_end(w);
    json_write_object_end(w);
    json_write_object_end(w);
    json_write_array_end(w);
    json_write_object_end(w);
    json_write_array_end(w);
    json_write_object_end(w);
    return json_writer_finish(w);
}

static int sign(const char *secret, const struct buf *body, char *ret, size_t size) {
    _cleanup_(hmac_freep) struct hmac *h = NULL;
    unsigned char bytes[HMAC_SHA256];
    int r = hmac_new(HMAC_SHA256, secret, strlen(secret), &h), end;

    if (r >= 0)
        r = hmac_add(h, buf_string(body), body->size);
    if (r >= 0)
        r = hmac_finish(h, bytes, sizeof(bytes));
    if (r < 0)
        return r;
    end = snprintf(ret, size, "sha256=");
    for (size_t i = 0; i < HMAC_SHA256; i++)
        end += snprintf(ret + end, size - (size_t) end, "%02x", bytes[i]);
    return 0;
}

static void parcel_later(struct parcel *p, uint64_t in_usec) {
    if (sd_event_source_set_time_relative(p->timer, in_usec) < 0 || sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT) < 0)
        parcel_free(p);
}

static void on_told(const struct reply *reply, void *userdata) {
    struct parcel *p = userdata;
    bool is_told = reply->kind == REPLY_COMPLETE && reply->status == 200;

    if (!is_told && ++p->tries < TRIES_MAX) {
        parcel_later(p, AGAIN_USEC);
    } else if (is_told && !p->is_delivered) {
        p->is_delivered = true;
        parcel_later(p, READ_USEC);
    } else {
        parcel_free(p);
    }
}

static int write_cloud(const struct parcel *p, struct request *request) {
    char signature[7 + 2 * HMAC_SHA256 + 1];
    int r = write_body(p, &request->body);

    (void) buf_append_string(&request->url, p->courier->url);
    if (r >= 0)
        r = sign(p->courier->app_secret, &request->body, signature, sizeof(signature));
    if (r >= 0)
        r = request_add_header(request, "X-Hub-Signature-256", signature);
    return r < 0 ? r : request_add_header(request, "Content-Type", "application/json");
}

static int write_twilio(const struct parcel *p, struct request *request) {
    _cleanup_(form_freep) struct form *form = NULL;
    char signature[TWILIO_SIGNATURE_BYTES];
    int r;

    (void) buf_append_string(&request->url, p->opaque);
    (void) form_append(&request->body, "MessageSid", p->message_id);
    (void) form_append(&request->body, "MessageStatus", status_of(p));
    (void) form_append(&request->body, "AccountSid", p->account);
    (void) form_append(&request->body, "To", p->recipient);
    r = buf_error(&request->body);
    if (r >= 0)
        r = form_parse(buf_string(&request->body), request->body.size, &form);
    if (r >= 0)
        r = twilio_sign(p->courier->app_secret, p->opaque, form, signature);
    if (r >= 0)
        r = request_add_header(request, "X-Twilio-Signature", signature);
    return r < 0 ? r : request_add_header(request, "Content-Type", "application/x-www-form-urlencoded");
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
    struct parcel *p = userdata;
    _cleanup_(request_done) struct request request;
    int r;

    request_init(&request);
    r = p->gateway == CHAT_TWILIO ? write_twilio(p, &request) : write_cloud(p, &request);
    if (r >= 0)
        r = http_start(p->courier->http, &request, TIME_LIMIT_USEC, on_told, p);
    if (r < 0)
        parcel_free(p);
    return 0;
}

/* Twilio's clients say themselves where they want to hear; we go where the person who started us sends us, and nowhere else. */
static bool is_origin_ours(const struct courier *c, const char *callback) {
    const char *authority = strstr(c->url, "//") + 2;
    size_t size = (size_t) (authority - c->url) + strcspn(authority, "/?");

    return callback && strncmp(callback, c->url, size) == 0 && (callback[size] == '/' || callback[size] == '?');
}

void courier_on_message(const struct chat_arrival *arrival, void *userdata) {
    struct courier *c = userdata;
    struct parcel *p;

    if (arrival->gateway != CHAT_CLOUD && !(arrival->gateway == CHAT_TWILIO && is_origin_ours(c, arrival->text[CHAT_OPAQUE])))
        return;
    if (c->parcel_count >= PARCELS_MAX)
        return;
    p = calloc(1, sizeof(*p));
    if (!p)
        return;
    p->courier = c;
    p->next = c->parcels;
    if (p->next)
        p->next->previous = p;
    c->parcels = p;
    c->parcel_count++;
    p->gateway = arrival->gateway;
    p->recipient = strdup(arrival->text[CHAT_RECIPIENT]);
    p->account = strdup(arrival->text[CHAT_SENDER]);
    p->message_id = strdup(arrival->text[CHAT_MESSAGE_ID]);
    p->opaque = strdup(arrival->text[CHAT_OPAQUE] ? arrival->text[CHAT_OPAQUE] : "");
    if (!p->account || !p->message_id || !p->recipient || !p->opaque ||
        sd_event_add_time_relative(c->event, &p->timer, CLOCK_MONOTONIC, DELIVERED_USEC, USEC_PER_MSEC, on_timer, p) < 0)
        parcel_free(p);
}

int courier_new(sd_event *event, const char *url, const char *app_secret, struct courier **ret) {
    _cleanup_(courier_freep) struct courier *c = NULL;
    const char *reason;
    int r = url_check(url, &reason);

    if (r < 0)
        return r;
    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->event = sd_event_ref(event);
    c->url = url;
    c->app_secret = app_secret;
    r = http_new(event, CONNECTIONS_MAX, &c->http);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

struct courier *courier_free(struct courier *c) {
    if (!c)
        return NULL;
    http_free(c->http);
    while (c->parcels)
        parcel_free(c->parcels);
    sd_event_unref(c->event);
    free(c);
    return NULL;
}
