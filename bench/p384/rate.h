// What the programs of this directory share: each signs and verifies one digest with one library,
// and prints "SIGNATURES VERIFICATIONS", both per second.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned char digest[48] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

#define EXPECT(condition)                                \
    do {                                                 \
        if (!(condition)) {                              \
            fprintf(stderr, "failed: %s\n", #condition); \
            exit(1);                                     \
        }                                                \
    } while (0)

// MEASURE sets rate to how often the statements run in a second.
#define MEASURE(rate, statements)                   \
    do {                                            \
        double began = seconds_now(), taken = 0;    \
        long times = 0;                             \
        do {                                        \
            for (int turn = 0; turn < 10; ++turn) { \
                statements;                         \
            }                                       \
            times += 10;                            \
            taken = seconds_now() - began;          \
        } while (taken < 1);                        \
        (rate) = times / taken;                     \
    } while (0)
