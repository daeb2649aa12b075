// Rows that are asked for before they are needed, in OKL for processors. Where a loop reads a dozen
// rows, short ones and of several arrays, processors do not foresee the next ones: each of their cache
// lines would be waited for. A few rows may be under way at once; more wait for each other, so that
// callers ask for one or two between two loops of arithmetic. Addresses beyond an array do no harm.
//
// Macros, since gcc takes a function that only prefetches for one that does nothing, and removes its
// calls.

// Numbers of float64 in a cache line of 64 bytes. Longer lines, and those of float32, are asked for
// twice.
#define IN_LINE 8
#define LINES_OF(n) int line = 0; line < (n) + IN_LINE - 1; line += IN_LINE

// The n numbers of a row, which will be read, or written.
#define PREFETCH_TO_READ(n, row) for (LINES_OF(n)) __builtin_prefetch((row) + line, 0)
#define PREFETCH_TO_WRITE(n, row) for (LINES_OF(n)) __builtin_prefetch((row) + line, 1)
