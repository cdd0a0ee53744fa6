/* Receipts on their way to herald.receive(): parallel arrays, and who waits for them to be recorded. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "web/receipt.h"

enum { BATCH_COLUMNS = 8, BATCH_COLUMN_BYTES_MAX = 8 * 1024 * 1024, BATCH_ROOM_BYTES = 4 * 1024 * 1024 };

/* In whoever waits; told once. */
struct batch_waiter {
    void (*done)(int result, void *userdata); /* 0: recorded; a negative errno: not */
    void *userdata;
    struct batch_waiter *next;
};

struct batch {
    struct buf columns[BATCH_COLUMNS];
    const char *parameters[BATCH_COLUMNS]; /* after batch_close(); borrowed from the columns */
    struct batch_waiter *waiters;
    size_t receipts;
};

void batch_init(struct batch *b);
void batch_done(struct batch *b);

/* Whether one more request's receipts may be added. */
bool batch_has_room(const struct batch *b);

void batch_add(struct batch *b, const struct receipt *receipt);

/* Ends the arrays and fills parameters. */
int batch_close(struct batch *b) _must_check_;

/* Tells everybody who waits, and empties the batch. */
void batch_finish(struct batch *b, int result);
