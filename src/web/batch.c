#include "web/batch.h"

#include <assert.h>
#include <errno.h>

#include "io/pg.h"

/* The parameters of herald.receive(), in its order. */
enum { GATEWAY, ACCOUNT, MESSAGE_ID, ID, ATTEMPT_ID, STATUS, SECONDS, ERROR, RECEIPT_COLUMNS };
static_assert((int) RECEIPT_COLUMNS <= (int) BATCH_COLUMNS_MAX, "as many columns as a table may have");

/* Those of herald.hear(). */
enum { WHAT, NOTICE_GATEWAY, NOTICE_ACCOUNT, SUBJECT, DETAIL, LANGUAGE, NOTICE_SECONDS, NOTICE_COLUMNS };

static void table_init(struct batch_table *t, size_t column_count) {
    t->column_count = column_count;
    for (size_t i = 0; i < column_count; i++)
        t->columns[i] = BUF_MAX(BATCH_COLUMN_BYTES_MAX);
}

static void table_done(struct batch_table *t) {
    for (size_t i = 0; i < t->column_count; i++)
        buf_done(&t->columns[i]);
}

static size_t table_bytes(const struct batch_table *t) {
    size_t bytes = 0;

    for (size_t i = 0; i < t->column_count; i++)
        bytes += t->columns[i].size;
    return bytes;
}

static void table_add_row(struct batch_table *t) {
    if (t->rows++ == 0)
        for (size_t i = 0; i < t->column_count; i++)
            pg_array_begin(&t->columns[i]);
}

static int table_close(struct batch_table *t) {
    for (size_t i = 0; i < t->column_count && t->rows > 0; i++) {
        pg_array_end(&t->columns[i]);
        if (buf_error(&t->columns[i]) < 0)
            return buf_error(&t->columns[i]);
        t->parameters[i] = buf_string(&t->columns[i]);
    }
    return 0;
}

static void table_clear(struct batch_table *t) {
    for (size_t i = 0; i < t->column_count; i++)
        buf_clear(&t->columns[i]);
    t->rows = 0;
}

void batch_init(struct batch *b) {
    *b = (struct batch) {0};
    table_init(&b->receipts, RECEIPT_COLUMNS);
    table_init(&b->notices, NOTICE_COLUMNS);
}

void batch_done(struct batch *b) {
    table_done(&b->receipts);
    table_done(&b->notices);
}

bool batch_has_room(const struct batch *b) {
    return table_bytes(&b->receipts) + table_bytes(&b->notices) < BATCH_ROOM_BYTES;
}

bool batch_is_empty(const struct batch *b) {
    return b->receipts.rows == 0 && b->notices.rows == 0;
}

static void add_number(struct buf *column, int64_t number) {
    if (number == 0)
        pg_array_add(column, NULL);
    else
        pg_array_add_int(column, number);
}

void batch_add(struct batch *b, const struct receipt *r) {
    struct buf *columns = b->receipts.columns;

    table_add_row(&b->receipts);
    pg_array_add(&columns[GATEWAY], r->gateway);
    pg_array_add(&columns[ACCOUNT], r->account);
    pg_array_add(&columns[MESSAGE_ID], r->message_id);
    add_number(&columns[ID], r->id);
    add_number(&columns[ATTEMPT_ID], r->attempt_id);
    pg_array_add(&columns[STATUS], r->status);
    add_number(&columns[SECONDS], r->at_sec);
    pg_array_add(&columns[ERROR], r->error);
}

void batch_add_notice(struct batch *b, const struct notice *n) {
    struct buf *columns = b->notices.columns;

    table_add_row(&b->notices);
    pg_array_add(&columns[WHAT], n->what);
    pg_array_add(&columns[NOTICE_GATEWAY], n->gateway);
    pg_array_add(&columns[NOTICE_ACCOUNT], n->account);
    pg_array_add(&columns[SUBJECT], n->subject);
    pg_array_add(&columns[DETAIL], n->detail);
    pg_array_add(&columns[LANGUAGE], n->language);
    add_number(&columns[NOTICE_SECONDS], n->at_sec);
}

int batch_close(struct batch *b) {
    int r = table_close(&b->receipts);

    return r < 0 ? r : table_close(&b->notices);
}

void batch_finish(struct batch *b, int result) {
    struct batch_waiter *waiters = TAKE_PTR(b->waiters);

    table_clear(&b->receipts);
    table_clear(&b->notices);
    while (waiters) {
        struct batch_waiter *w = waiters;

        waiters = w->next; /* done() may free it */
        w->done(result, w->userdata);
    }
}
