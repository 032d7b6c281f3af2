/* The loop that every program of the comparison runs, so that nothing but the library differs.
 *
 *   tools/compare/run                         a rank of a program
 *     listens at SOCKET  <---- connects ----    "RANK\n"
 *     "BYTES WARM_UP COUNT\n" ------------->    BYTES / 4 floats are all-reduced WARM_UP + COUNT times
 *                        <------------------    COUNT times of 8 bytes: ns that each took on this rank
 *     closes ------------------------------>    the program ends
 *
 * A program that waits for its turn sleeps in read(), so several share a machine and take turns of milliseconds. Before
 * each all-reduce the input is written anew, and after it every element of the output is read and compared with the
 * sum. The clock is read around the call alone. Nothing but the operation itself holds the ranks together.
 */
#ifndef GOSSAMER_TOOLS_COMPARE_TURNS_H
#define GOSSAMER_TOOLS_COMPARE_TURNS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a program knows of its library. Where a call fails, it says so and ends the program. */
typedef struct turns_library {
  void* context;
  float* (*allocate)(void* context, size_t bytes); /* as the library likes its users to */
  void (*release)(void* context, float* memory);
  void (*prepare)(void* context, const float* input, float* output, size_t count); /* once for each size; collective */
  void (*all_reduce)(void* context); /* of what was prepared: the sum; blocks */
} turns_library;

/* Connects to the driver and says who this is. */
int turns_connect(const char* path, int rank);
/* The next line that the driver sends, without its end; 0 at the end of the stream. */
int turns_read_line(int driver, char* line, size_t size);
void turns_write(int driver, const void* data, size_t bytes);
int64_t turns_now_ns(void);
/* Says it on stderr and ends the program. */
void turns_fail(const char* what, const char* why);
/* The loop, until the driver ends it. Ranks that do not outnumber the cores are bound to one each. */
void turns_run(const char* path, int rank, int rank_count, const turns_library* library);

#ifdef __cplusplus
}
#endif

#endif /* GOSSAMER_TOOLS_COMPARE_TURNS_H */
