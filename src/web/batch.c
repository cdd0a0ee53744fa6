#include "web/batch.h"

#include <errno.h>

#include "io/pg.h"

/* The parameters of herald.receive(), in its order. */
enum { GATEWAY, ACCOUNT, MESSAGE_ID, ID, ATTEMPT_ID, STATUS, SECONDS, ERROR };

void batch_init(struct batch *b) {
    *b = (struct batch) {0};
    for (size_t i = 0; i < BATCH_COLUMNS; i++)
        b->columns[i] = BUF_MAX(BATCH_COLUMN_BYTES_MAX);
}

void batch_done(struct batch *b) {
    for (size_t i = 0; i < BATCH_COLUMNS; i++)
        buf_done(&b->columns[i]);
}

bool batch_has_room(const struct batch *b) {
    size_t bytes = 0;

    for (size_t i = 0; i < BATCH_COLUMNS; i++)
        bytes += b->columns[i].size;
    return bytes < BATCH_ROOM_BYTES;
}

static void add_number(struct buf *column, int64_t number) {
    if (number == 0)
        pg_array_add(column, NULL);
    else
        pg_array_add_int(column, number);
}

void batch_add(struct batch *b, const struct receipt *r) {
    if (b->receipts++ == 0)
        for (size_t i = 0; i < BATCH_COLUMNS; i++)
            pg_array_begin(&b->columns[i]);
    pg_array_add(&b->columns[GATEWAY], r->gateway);
    pg_array_add(&b->columns[ACCOUNT], r->account);
    pg_array_add(&b->columns[MESSAGE_ID], r->message_id);
    add_number(&b->columns[ID], r->id);
    add_number(&b->columns[ATTEMPT_ID], r->attempt_id);
    pg_array_add(&b->columns[STATUS], r->status);
    add_number(&b->columns[SECONDS], r->at_sec);
    pg_array_add(&b->columns[ERROR], r->error);
}

int batch_close(struct batch *b) {
    for (size_t i = 0; i < BATCH_COLUMNS; i++) {
        pg_array_end(&b->columns[i]);
        if (buf_error(&b->columns[i]) < 0)
            return buf_error(&b->columns[i]);
        b->parameters[i] = buf_string(&b->columns[i]);
    }
    return 0;
}

void batch_finish(struct batch *b, int result) {
    struct batch_waiter *waiters = TAKE_PTR(b->waiters);

    for (size_t i = 0; i < BATCH_COLUMNS; i++)
        buf_clear(&b->columns[i]);
    b->receipts = 0;
    while (waiters) {
        struct batch_waiter *w = waiters;

        waiters = w->next; /* done() may free it */
        w->done(result, w->userdata);
    }
}
