/* What webhooks said, on its way to herald.receive() and herald.hear(): parallel arrays, and who waits for them to be recorded. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "web/notice.h"
#include "web/receipt.h"

enum { BATCH_COLUMNS_MAX = 8, BATCH_COLUMN_BYTES_MAX = 8 * 1024 * 1024, BATCH_ROOM_BYTES = 4 * 1024 * 1024 };

/* In whoever waits; told once. */
struct batch_waiter {
    void (*done)(int result, void *userdata); /* 0: recorded; a negative errno: not */
    void *userdata;
    struct batch_waiter *next;
};

/* The parameters of one function. */
struct batch_table {
    struct buf columns[BATCH_COLUMNS_MAX];
    const char *parameters[BATCH_COLUMNS_MAX]; /* after batch_close(); borrowed from the columns */
    size_t column_count, rows;
};

struct batch {
    struct batch_table receipts, notices;
    struct batch_waiter *waiters;
};

void batch_init(struct batch *b);
void batch_done(struct batch *b);

/* Whether one more request's receipts and notices may be added. */
bool batch_has_room(const struct batch *b);
bool batch_is_empty(const struct batch *b);

void batch_add(struct batch *b, const struct receipt *receipt);
void batch_add_notice(struct batch *b, const struct notice *notice);

/* Ends the arrays and fills parameters. */
int batch_close(struct batch *b) _must_check_;

/* Tells everybody who waits, and empties the batch. */
void batch_finish(struct batch *b, int result);
