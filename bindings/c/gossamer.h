/* Gossamer: gradient exchange between peers without a parameter server. The C interface.
 * long file: a program includes one header, and it is the specification.
 *
 * A training step, on every rank:
 *
 *     gossamer_compress(compressor, gradients);              local: momentum, residual, sketch
 *     gossamer_reduce(compressor, &operation);               starts the exchange, returns at once
 *     ... other work ...
 *     gossamer_operation_wait(operation, timeout_ns);        now every rank has the same update
 *     gossamer_recover(compressor, &update);                 indices and mean values, sparse
 *     gossamer_update_apply(&update, weights, -lr);          weights[i] += -lr * value
 *
 * Threads: the calls of one session and of its compressors and operations come from one thread at a
 * time (any thread, if the program orders them). Different sessions are independent.
 * gossamer_last_error belongs to the calling thread. gossamer_abort alone may come from any thread at any time.
 *
 * Signals: their handlers, masks and the alternate stack stay the program's, and threads of the library and
 * of those under it get none. Forks: a session is the process's that joined it. In a forked child every call
 * with it is GOSSAMER_INVALID_ARGUMENT; finalize and destroy do nothing there.
 *
 * Blocking: only where the comment says so, and each such wait has a deadline.
 *
 * Errors: a negative status, and a sentence in gossamer_last_error() that says what was wrong, what
 * was expected and what to do. A caller's mistake is GOSSAMER_INVALID_ARGUMENT. Nothing aborts or
 * throws for it.
 *
 * Growth: structs begin with struct_size and have an initializer; fields are only added at the end, and each
 * makes its struct larger: no struct ends in padding. Zero in a field means "the default" unless its comment
 * says otherwise. A reserved_ field is zero.
 */
#ifndef GOSSAMER_H
#define GOSSAMER_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#error "Gossamer runs on POSIX systems"
#endif
#define GOSSAMER_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

#define GOSSAMER_VERSION_MAJOR 0
#define GOSSAMER_VERSION_MINOR 1
#define GOSSAMER_VERSION_PATCH 0

/* X(name, value, text): 0 is done, above 0 not finished, below 0 failed. */
#define GOSSAMER_STATUS_TABLE(X)                                                 \
  X(DONE, 0, "done")                                                             \
  X(PENDING, 1, "not finished yet: test or wait again")                          \
  X(BUSY, 2, "an operation of this compressor is in flight: finish it first")    \
  X(INVALID_ARGUMENT, -1, "the call is wrong: fix what the message names")       \
  X(MISMATCH, -2, "peers have different configurations: make them equal")        \
  X(PEER_LOST, -3, "a peer is gone: end the session")                            \
  X(DEADLINE, -4, "the deadline passed: see whom the message waits for")         \
  X(NOT_FINITE, -5, "a gradient or a sum is NaN or infinite: nothing committed") \
  X(DISAGREEMENT, -6, "ranks recovered different coordinates: end the session")  \
  X(OUT_OF_RESOURCES, -7, "a limit is too small: raise what the message names")  \
  X(UNAVAILABLE, -8, "the network, a file or a device is not available")         \
  X(MALFORMED, -9, "bytes from outside are not what they claim to be")           \
  X(CANCELLED, -10, "given up on request")                                       \
  X(INTERNAL, -11, "a defect in Gossamer: please report it")

typedef enum gossamer_status {
#define GOSSAMER_STATUS_ENUM(name, value, text) GOSSAMER_##name = value,
  GOSSAMER_STATUS_TABLE(GOSSAMER_STATUS_ENUM)
#undef GOSSAMER_STATUS_ENUM
      GOSSAMER_STATUS_LAST_ = 0x7fffffff /* makes the enum an int everywhere; never returned */
} gossamer_status;

/* "0.1.0". Static memory. Any thread. */
GOSSAMER_API const char* gossamer_version(void);
/* "GOSSAMER_PEER_LOST", and what it means. Static memory; "unknown status" for other numbers. Any thread. */
GOSSAMER_API const char* gossamer_status_name(gossamer_status status);
GOSSAMER_API const char* gossamer_status_text(gossamer_status status);

/* What went wrong in the calling thread's last failed call: a sentence, never NULL, "" before the first
 * failure. Valid until the thread's next failing call. */
GOSSAMER_API const char* gossamer_last_error(void);
/* The rank and the coordinate that this failure is about, or -1 where it is about none. */
GOSSAMER_API int64_t gossamer_last_error_rank(void);
GOSSAMER_API int64_t gossamer_last_error_index(void);

typedef enum gossamer_log_level {
  GOSSAMER_LOG_DEBUG = 0,
  GOSSAMER_LOG_INFO = 1,
  GOSSAMER_LOG_WARNING = 2,
  GOSSAMER_LOG_ERROR = 3
} gossamer_log_level;

/* Sends log lines of `least` and above to `sink`, NULL for none (the default: the library is silent). The
 * sink may be called from any thread, one call at a time; `line` is valid during the call. It must not
 * call into Gossamer. Lines of a session, from whichever thread, begin with whose they are, "rank 3 of 8 on node7: ":
 * with GOSSAMER_HOST's name, else the system's. Those from before a rank is known, and of calls without a session, do
 * not. */
typedef void (*gossamer_log_sink)(gossamer_log_level level, const char* line, void* context);
GOSSAMER_API void gossamer_set_log(gossamer_log_level least, gossamer_log_sink sink, void* context);

/* ---- session ------------------------------------------------------------------------------------ */

typedef struct gossamer_session gossamer_session;

/* How data moves on while the program computes. */
typedef enum gossamer_progress {
  GOSSAMER_PROGRESS_AUTO = 0,   /* a thread where this host has two cores or more for each rank on it, else inline */
  GOSSAMER_PROGRESS_INLINE = 1, /* inside test and wait only */
  GOSSAMER_PROGRESS_THREAD = 2  /* one progress thread of the session */
} gossamer_progress;

/* Each field has an environment variable, used where the field is left at its initializer's value; the
 * variable in turn wins over the file that GOSSAMER_CONFIG names: lines of NAME = value or NAME = "value", and # begins a
 * comment at the start of a line or after a blank. */
typedef struct gossamer_config {
  size_t struct_size; /* sizeof(gossamer_config); the initializer sets it */
  int32_t rank;       /* -1: GOSSAMER_RANK, else what the launcher says, else 0 */
  int32_t rank_count; /* -1: GOSSAMER_RANK_COUNT, else what the launcher says, else 1; refused where a launcher that cannot
                         be asked says that it started several processes */
  const char* rendezvous; /* "host:port" where rank 0 listens. NULL: GOSSAMER_RENDEZVOUS, else as the launcher says: a port
                             that was free, or under torchrun the one above MASTER_PORT; else 127.0.0.1:29400 */
  const char* bind_host;  /* where listeners bind, and whose interface the data takes, adapters for RDMA aside.
                             NULL: GOSSAMER_BIND_HOST, else every interface where a launcher started ranks on several
                             hosts and gave a secret, else 127.0.0.1. Beyond loopback the session needs a secret */
  const char* transport;  /* "ucx" or "libfabric". NULL: GOSSAMER_TRANSPORT, else "ucx" */
  const char* job; /* names this job: ranks of another one are turned away, and shared-memory files have its name.
                      NULL: GOSSAMER_JOB, else the scheduler's (SLURM_JOB_ID, PMIX_NAMESPACE, ...), else
                      "default", by which jobs cannot be told apart */
  int64_t init_timeout_ns; /* for gossamer_init as a whole, and each compressor's agreement; at most a day.
                              0: GOSSAMER_INIT_TIMEOUT_S, else 30 s */
  int32_t progress;        /* a gossamer_progress; GOSSAMER_PROGRESS_AUTO: GOSSAMER_PROGRESS (auto, inline, thread) */
  int32_t threads;         /* that sketch and select, the caller's included. 0: GOSSAMER_THREADS, else 1. Results do not
                              depend on it */
  int32_t pin_threads;     /* 1: bind each but the caller's to a core. 0: GOSSAMER_PIN_THREADS (yes, no), else not */
  uint32_t reserved_;      /* 0. Was padding: never given a meaning */
  const char* secret;      /* where the session's secret is, never what it is: "file:PATH", "fd:NUMBER" (inherited), or
                              "none" for no secret on a network that you trust; the same secret on every rank. NULL:
                              GOSSAMER_SECRET, else what a launcher's key-value space carries, else no secret, on loopback
                              only. See docs/security.md */
  int64_t lease_ns;        /* a rank that is silent for so long (stopped, or cut off) is given up with PEER_LOST on all
                              others; the same on every rank, 100 ms to a day. 0: GOSSAMER_LEASE_S, else 5 s. -1: never */
} gossamer_config;
#define GOSSAMER_CONFIG_INIT \
  { sizeof(gossamer_config), -1, -1, NULL, NULL, NULL, NULL, 0, GOSSAMER_PROGRESS_AUTO, 0, 0, 0, NULL, 0 }

/* Joins the session: waits, at most init_timeout_ns, until all ranks are there and equal (library, wire and
 * hash version, byte order, rank count), and until a short message has gone between every two ranks (beyond 64 ranks
 * between those at distances of 1, 2, 4, ...): a data path that does not work is an error here, on every rank. Ending after a failure may take 2 s more. `config` may be NULL:
 * everything from the environment. Everything it points at is copied. On success *session is the caller's until
 * gossamer_finalize; on failure it is NULL. Errors: MISMATCH, DEADLINE (names the ranks that did not come, or between
 * which nothing came), UNAVAILABLE, OUT_OF_RESOURCES, INVALID_ARGUMENT, BUSY. A process may join one session after the
 * other, and several at once at rendezvous of their own. Blocks. */
GOSSAMER_API gossamer_status gossamer_init(const gossamer_config* config, gossamer_session** session);

/* The same, where the launcher is not to be asked. Without these, gossamer_init finds rank, rank count and the other ranks
 * by whatever started the process: PMIx (mpirun, srun --mpi=pmix), PMI (mpiexec), Slurm's or torchrun's variables, a folder,
 * or the settings; `gossamer info` prints the order, docs/clusters.md has a job script for each.
 *
 * An id is made on the rank that will be rank 0, and the program hands its bytes to all others, by whatever way it has.
 * It holds the address of a listener that is open from now on, and a secret: whoever has it can join. For one session.
 * A program with MPI: gossamer_mpi.h. */
#define GOSSAMER_UNIQUE_ID_BYTES 128
typedef struct gossamer_unique_id {
  char bytes[GOSSAMER_UNIQUE_ID_BYTES]; /* opaque; copied as they are */
} gossamer_unique_id;

/* `config` may be NULL; of it counts where listeners bind. UNAVAILABLE, INVALID_ARGUMENT. */
GOSSAMER_API gossamer_status gossamer_unique_id_create(const gossamer_config* config, gossamer_unique_id* id);

/* As gossamer_init, with rank and rank count given here and not in `config` (which may be NULL). Rank 0 is the process in
 * which the id was made. Blocks. */
GOSSAMER_API gossamer_status gossamer_init_with_id(const gossamer_config* config, const gossamer_unique_id* id,
                                                   int32_t rank, int32_t rank_count, gossamer_session** session);

/* Calls of the program over all ranks of the session, as MPI's. They return 0 when it went well, are called by
 * gossamer_init_with_launch alone, in its thread and in the same order on each rank, and may block as long as they like. */
typedef struct gossamer_launch {
  size_t struct_size; /* sizeof(gossamer_launch); the initializer sets it */
  int32_t rank;
  int32_t rank_count;
  /* The `bytes` bytes at `data` of rank `root` come to all. */
  int (*broadcast)(void* context, void* data, size_t bytes, int32_t root);
  /* `bytes` bytes at `mine` of each rank come to all, in rank order. One of the two may be NULL; with all_gather, ranks
   * of one host find that out, and keep to its loopback. */
  int (*all_gather)(void* context, const void* mine, void* all, size_t bytes);
  void* context;
  const char* name; /* for messages. NULL: "the caller's callbacks" */
} gossamer_launch;
#define GOSSAMER_LAUNCH_INIT \
  { sizeof(gossamer_launch), -1, -1, NULL, NULL, NULL, NULL }

/* As gossamer_init, with rank and rank count of `launch` (`config` may be NULL): rank 0 opens a listener, makes a secret,
 * and both go to all by the calls. Collective. Blocks. */
GOSSAMER_API gossamer_status gossamer_init_with_launch(const gossamer_config* config, const gossamer_launch* launch,
                                                       gossamer_session** session);

/* Leaves the session and frees it, with all that compressors, collectives and groups of it hold. Their handles stay, some
 * 80 bytes each, until they are destroyed, in any order, before or after: a call with one is INVALID_ARGUMENT, destroy
 * frees it. Destroyed twice is memory of nobody. The session's own handle stays, some 120 bytes, until the process ends:
 * a call with it is INVALID_ARGUMENT, its rank -1, and a second finalize does nothing. NULL is allowed.
 * A rank with an operation in flight gives it up and leaves at once. One whose operations have all ended first serves
 * its peers until theirs have, at most 5 s and a lease, so that nobody's last step is lost; it waits for nobody who
 * only computes between steps. Peers that start or wait for anything that needs this rank get PEER_LOST ("it left the
 * session"). Blocks for at most about 7 s. */
GOSSAMER_API void gossamer_finalize(gossamer_session* session);

/* Gives the session up, from any thread, whatever the others are in: returns at once, waits for nothing and nobody. What
 * waits in another thread returns CANCELLED within some 100 ms (copies to or from a device aside), and so does every later
 * call that needs other ranks; those get PEER_LOST ("it aborted the session"). Nothing is freed: gossamer_finalize follows,
 * in the thread that owns the session, and serves nobody first. Not while or after it. Not for signal handlers: it
 * allocates. A second one does nothing. */
GOSSAMER_API gossamer_status gossamer_abort(gossamer_session* session);

/* The own rank, 0 to rank_count - 1, and how many there are. -1 for NULL and after gossamer_finalize. */
GOSSAMER_API int32_t gossamer_rank(const gossamer_session* session);
GOSSAMER_API int32_t gossamer_rank_count(const gossamer_session* session);

/* Copies `bytes` bytes at `data` from rank `root` to all others. Collective. Blocks, at most timeout_ns
 * (0: the init timeout) in all. Up to 8 KiB cost one round trip of the control plane, more an exchange in chunks
 * besides. MISMATCH on every rank if bytes or root differ, or if one rank's call is wrong. After an error the bytes at
 * `data` are undefined on ranks other than the root. */
GOSSAMER_API gossamer_status gossamer_broadcast(gossamer_session* session, void* data, size_t bytes, int32_t root,
                                                int64_t timeout_ns);

/* Compares the hash of `bytes` bytes at `data` over all ranks: MISMATCH names two ranks that differ, or the
 * rank whose call is wrong. `name` says what it is ("weights"). Collective. Blocks, at most timeout_ns (0: the init
 * timeout) in all. */
GOSSAMER_API gossamer_status gossamer_check_equal(gossamer_session* session, const char* name, const void* data,
                                                  size_t bytes, int64_t timeout_ns);

/* ---- groups and memory -------------------------------------------------------------------------- */

/* Some ranks of the session, in an order of their own: rank i of the group is rank ranks[i] of the session. */
typedef struct gossamer_group gossamer_group;

/* Local: nothing is agreed on before something is made on the group, with the same ranks in the same order on each of
 * them. INVALID_ARGUMENT: a number that is no rank, one twice, or the own rank is not among them. */
GOSSAMER_API gossamer_status gossamer_group_create(gossamer_session* session, const int32_t* ranks, size_t rank_count,
                                                   gossamer_group** group);
/* NULL is allowed. What was made on it stays. Finalize destroys those that are left. */
GOSSAMER_API void gossamer_group_destroy(gossamer_group* group);

/* Zeroed host memory that ranks on this host may read in place, where the transport can map it; from a cache line on.
 * Local. The caller's until gossamer_free or gossamer_finalize. OUT_OF_RESOURCES names the limit that is too small. */
GOSSAMER_API gossamer_status gossamer_allocate(gossamer_session* session, size_t bytes, void** memory);
/* After the collectives whose memory it is. NULL is allowed; other addresses than gossamer_allocate's are
 * INVALID_ARGUMENT. */
GOSSAMER_API gossamer_status gossamer_free(gossamer_session* session, void* memory);

/* ---- compressor --------------------------------------------------------------------------------- */

typedef struct gossamer_compressor gossamer_compressor;

typedef enum gossamer_algorithm {
  GOSSAMER_GS_SGD = 1,       /* Count-Sketch, then exact values of the recovered coordinates (arXiv 2108.06004) */
  GOSSAMER_SHARED_TOP_K = 2, /* each rank names its k/P heaviest; exact values of the union */
  GOSSAMER_TOP_K = 3,        /* each rank's k heaviest as (index, value), gathered (Deep Gradient Compression) */
  GOSSAMER_DENSE = 4         /* all-reduce of everything: with the initializer's values the mean over ranks, as it is */
} gossamer_algorithm;

/* Which coordinates the merged sketch names. */
typedef enum gossamer_selection {
  GOSSAMER_SELECT_TOP = 0,     /* the `oversampling * k` largest estimates */
  GOSSAMER_SELECT_HEAVYMIX = 1 /* as published: heavy ones by the estimated norm, filled up at random */
} gossamer_selection;

/* Who decodes the merged sketch. The coordinates found are the same. */
typedef enum gossamer_decode {
  GOSSAMER_DECODE_WHOLE = 0,  /* every rank all of it */
  GOSSAMER_DECODE_SHARDED = 1 /* each rank 1/P of the coordinates, and two small messages more: for large models and
                                 fast networks */
} gossamer_decode;

/* Who exchanges with whom, and when: docs/algorithms.md. */
typedef enum gossamer_schedule {
  GOSSAMER_SCHEDULE_AUTO = 0, /* chosen by size, rank count and what the network costs */
  GOSSAMER_SCHEDULE_BINOMIAL_TREE = 1,
  GOSSAMER_SCHEDULE_BUTTERFLY = 2,
  GOSSAMER_SCHEDULE_CIRCULANT = 3,
  GOSSAMER_SCHEDULE_RING = 4,
  GOSSAMER_SCHEDULE_STAR = 5,
  GOSSAMER_SCHEDULE_HALVING_DOUBLING = 6,
  GOSSAMER_SCHEDULE_DOUBLE_TREE = 7,
  GOSSAMER_SCHEDULE_PIPELINED_TREE = 8,
  GOSSAMER_SCHEDULE_CHAIN = 9
} gossamer_schedule;

/* Where gradients, weights and the values of an update lie. */
typedef enum gossamer_memory_kind {
  GOSSAMER_MEMORY_HOST = 1,
  GOSSAMER_MEMORY_CUDA = 2 /* of the device that was current when the process first named this kind */
} gossamer_memory_kind;

/* One tensor of the model. */
typedef struct gossamer_tensor {
  const char* name; /* for messages and for the check that ranks agree; unique within a compressor */
  uint64_t count;   /* elements, f32 */
  uint32_t exact;   /* 1: always exchanged whole and without residual; for biases and other small ones */
  uint32_t : 32;    /* was padding: no field. New ones come behind it; tensor_size tells who has them */
} gossamer_tensor;

/* What travels. */
typedef enum gossamer_cells {
  GOSSAMER_CELLS_F32 = 0,
  GOSSAMER_CELLS_BF16 = 1,
  GOSSAMER_CELLS_F16 = 2,
  GOSSAMER_CELLS_I8 = 3,
  GOSSAMER_CELLS_I16 = 4
} gossamer_cells;

typedef struct gossamer_compressor_config {
  size_t struct_size;             /* sizeof(gossamer_compressor_config); the initializer sets it */
  const char* name;               /* for messages. NULL: the algorithm's name */
  int32_t algorithm;              /* a gossamer_algorithm. 0: GS_SGD */
  const gossamer_tensor* tensors; /* tensor_count of them, in the order of the gradient pointers */
  size_t tensor_count;
  double density;      /* k / d over the tensors that are not exact, in (0, 1]. 0: the algorithm's default */
  uint32_t rows;       /* of the sketch, odd, 1 to 15. 0: 3 */
  uint32_t columns;    /* of the sketch. 0: k. At most d */
  double oversampling; /* coordinates named by the sketch over k, at least 1. 0: 2 */
  double momentum;     /* in [0, 1). -1 (the initializer): 0.3, and 0 for DENSE. A coordinate that is sent loses its
                          momentum, so what dense training gets from momentum m belongs into the rate here: keep
                          rate / (1 - m) as it was, 0.7 with 0.3 for 0.1 with 0.9 */
  double clip;         /* L2 norm that each rank's gradient is cut to, at least 1.18e-38. 0: no clipping. -1 (the
                          initializer): 1, and 0 for DENSE. gossamer_stats counts the gradients that were cut */
  int32_t selection;   /* a gossamer_selection */
  uint32_t keep_k;     /* 1: of the exact values apply only the k largest (the published variant) */
  uint64_t seed;       /* of the hash functions; the same on all ranks */
  int32_t schedule;    /* a gossamer_schedule */
  int32_t cells;       /* a gossamer_cells: of the sketch (GS_SGD). Integers travel wider where so many ranks would leave
                          fewer than 15 levels each: I8 to 8 ranks, I16 to 2,184 */
  int32_t values;      /* a gossamer_cells: of the exact values: F32; I16 too for GS_SGD, whose rounding stays in the
                          residual; BF16 or F16 for DENSE, whose rounding is lost. F16, as cells too, holds up to 65,504:
                          beyond it the operation ends with NOT_FINITE. DENSE divides by P before it rounds to F16 */
  int32_t decode;      /* a gossamer_decode: SHARDED for GS_SGD with SELECT_TOP */
  int32_t memory;      /* a gossamer_memory_kind. 0: HOST. CUDA for DENSE: what this rank passes and gets is there, and work
                          on it in other streams than `stream` has ended; ranks may differ. The payload travels through pinned host
                          memory of its size */
  uint32_t reserved_;  /* 0. Was padding: never given a meaning */
  size_t tensor_size; /* sizeof(gossamer_tensor), the step from one of `tensors` to the next; the initializer sets it */
  void* stream;       /* a cudaStream_t of the device, for CUDA. Not NULL: gossamer_compress and gossamer_update_apply wait
                         for what it has been given before the call, and for nothing else of the device; what it is given
                         after they return, or after the operation has ended, sees what they wrote. What still reads an
                         update is given to it before the next gossamer_compress. Lives as long as the compressor */
} gossamer_compressor_config;
#define GOSSAMER_COMPRESSOR_CONFIG_INIT                                                                         \
  {                                                                                                             \
    sizeof(gossamer_compressor_config), NULL, 0, NULL, 0, 0.0, 0, 0, 0.0, -1.0, -1.0, GOSSAMER_SELECT_TOP, 0, 1, \
        GOSSAMER_SCHEDULE_AUTO, GOSSAMER_CELLS_F32, GOSSAMER_CELLS_F32, GOSSAMER_DECODE_WHOLE, 0, 0,            \
        sizeof(gossamer_tensor), NULL                                                                           \
  }

/* Makes a compressor: buffers, registered memory and plans, once, to be started many times. Collective, in
 * the same order on all ranks. Everything that `config` points at is copied. It is made on every rank or on none.
 * MISMATCH on every rank if two ranks' configurations differ: field and both values, of tensors the first that differs;
 * also if one rank's call is wrong (INVALID_ARGUMENT there). Where one rank cannot make it (no memory), all have that
 * rank's status, and the message names it. Blocks, at most the init timeout in all, making it included. Several
 * compressors of a session may have operations in flight at once, one each. At most 4,096 compressors may live in a
 * session at once, less one for each root of broadcasts above 8 KiB (OUT_OF_RESOURCES); there is no limit to how many
 * come and go, except that one destroyed with an operation in flight takes its place with it. */
GOSSAMER_API gossamer_status gossamer_compressor_create(gossamer_session* session,
                                                        const gossamer_compressor_config* config,
                                                        gossamer_compressor** compressor);

/* Frees it; an operation in flight is given up. NULL is allowed. Local. */
GOSSAMER_API void gossamer_compressor_destroy(gossamer_compressor* compressor);

/* Takes this rank's gradients, one pointer for each tensor, f32, in the compressor's memory, `count` elements each:
 * scales them to `clip`, adds momentum and residual and encodes the payload. The gradients are the caller's again
 * on return. Local; does not block, but for copies of device memory: UNAVAILABLE if they do not end. BUSY while an
 * operation of this compressor is in flight; a payload that was never reduced is dropped, with its gradient. A gradient
 * with NaN or infinity is DONE here, since the other ranks must learn of it: the reduce then fails on every rank with
 * NOT_FINITE. Arithmetic, here and in the other calls, rounds to nearest and keeps denormals, whatever floating-point
 * environment the caller has set; the caller's is as before on return. */
GOSSAMER_API gossamer_status gossamer_compress(gossamer_compressor* compressor, const float* const* gradients);

/* ---- operation ---------------------------------------------------------------------------------- */

typedef struct gossamer_operation gossamer_operation;

/* Starts the exchange of what was compressed. Collective; returns at once, without allocating. *operation
 * belongs to the compressor and is valid until its next gossamer_reduce or its end. BUSY where one is in flight:
 * *operation is that one. After any other failure it is NULL. */
GOSSAMER_API gossamer_status gossamer_reduce(gossamer_compressor* compressor, gossamer_operation** operation);

/* Moves data on and says how the operation stands: DONE, PENDING or its error. Does not block. */
GOSSAMER_API gossamer_status gossamer_operation_test(gossamer_operation* operation);

/* As test, until it is not PENDING. DEADLINE after timeout_ns (0: 60 s) says who waits for whom, where in
 * the operation and since when; the operation goes on and may be waited for again. PEER_LOST names the rank.
 * After NOT_FINITE nothing was committed: residual and momentum are as before gossamer_compress. It names rank,
 * tensor and index of a gradient that is not finite; a sum over ranks that went beyond its numbers' range has no
 * rank, and for a sketch no index. */
GOSSAMER_API gossamer_status gossamer_operation_wait(gossamer_operation* operation, int64_t timeout_ns);

/* Calls `completion` once, when the latest operation of this handle has ended: with GOSSAMER_DONE or its error. By whom:
 *
 *   with a progress thread    by that thread, within the microseconds in which it ends the operation
 *   inline                    by the call that ends it: test or wait of any operation, reduce, start; nobody else moves data
 *   it had ended already      by this call, before it returns
 *   given up                  by gossamer_compressor_destroy, _collective_destroy or gossamer_finalize, with CANCELLED
 *   gossamer_abort            by the progress thread, or the next call that moves data, with CANCELLED
 *
 * So it is called in every case, and always before its compressor or collective is gone; by a progress thread perhaps a
 * moment after a wait in another thread has returned: `context` stays until it is called. Until it returns, nothing else
 * of the session moves on: it takes note of the end and wakes who goes on, in microseconds. It must not wait, for a lock
 * that is held while Gossamer is called (Python's, above all) either, nor throw. A call into Gossamer from within is
 * INVALID_ARGUMENT; finalize and destroy do nothing there.
 *
 * It is not told of the sentence of an error: gossamer_operation_test, then DONE or that error at once, has it, and comes
 * before gossamer_recover in any case. What it does afterwards with the operation is for the thread that owns the session
 * to order. One for each run of an operation, so again after each reduce or start: INVALID_ARGUMENT where it has one
 * or a descriptor already. Does not block, but that the first call of a session waits until its progress thread stands
 * aside (microseconds; as long as a merge or decode that is under way). An operation without one pays nothing. */
typedef void (*gossamer_completion)(void* context, int32_t status);
GOSSAMER_API gossamer_status gossamer_operation_on_complete(gossamer_operation* operation, gossamer_completion completion,
                                                            void* context);

/* The same, for event loops and for languages whose code must not run in a foreign thread: instead of a call, the eight
 * bytes of a uint64_t 1 are written to `descriptor`, of an eventfd or of a pipe, which then is readable. It stays the
 * caller's, serves any number of operations, and stays open until each has ended. What it cannot take (a pipe that is
 * full, if it does not block) is dropped. */
GOSSAMER_API gossamer_status gossamer_operation_notify(gossamer_operation* operation, int descriptor);

/* What a finished operation of a compressor gives every rank, the same bits everywhere. */
typedef struct gossamer_update {
  size_t struct_size;      /* sizeof(gossamer_update); the initializer sets it */
  uint64_t count;          /* of values */
  const uint32_t* indices; /* position in the concatenation of all tensors; NULL: count is d, all in order */
  const float* values;     /* mean over ranks of momentum-corrected gradient mass: w -= lr * value. In the compressor's
                              memory */
  const gossamer_compressor* compressor;
} gossamer_update;
#define GOSSAMER_UPDATE_INIT \
  { sizeof(gossamer_update), 0, NULL, NULL, NULL }

/* The update of the last operation that ended DONE. The arrays are the compressor's, valid until its next
 * gossamer_reduce. INVALID_ARGUMENT where there is none. */
GOSSAMER_API gossamer_status gossamer_recover(gossamer_compressor* compressor, gossamer_update* update);

/* weights[tensor][i] += scale * value for all of the update; one pointer for each tensor, to the compressor's memory.
 * Blocks for the copies where that is a device's: UNAVAILABLE if they do not end. */
GOSSAMER_API gossamer_status gossamer_update_apply(const gossamer_update* update, float* const* weights, float scale);

/* What the last operation cost, and all of them together. */
typedef struct gossamer_stats {
  size_t struct_size;   /* sizeof(gossamer_stats); the initializer sets it */
  uint64_t operations;  /* that ended DONE */
  uint64_t bytes_sent;  /* payload bytes that this rank sent in the last operation, or wrote where ranks of its host read
                           them in place; everything included */
  uint64_t bytes_read;  /* payload bytes read from peers' memory in place: not counted yet, 0 */
  uint64_t compress_ns; /* the last gossamer_compress */
  uint64_t exchange_ns; /* the last operation, start to end: the sum of the next three */
  uint64_t waiting_ns;  /* of it: nothing to do but wait for peers */
  uint64_t wire_ns;     /* of it: inside the transport, moving bytes; merges of less than 4 KiB too */
  uint64_t compute_ns;  /* of it: merging, decoding, gathering */
  uint64_t total_bytes_sent;
  uint64_t total_bytes_read;
  uint64_t control_bytes_sent; /* by this session, since init */
  uint64_t applied;            /* coordinates in the last update */
  uint64_t dimension;          /* d, elements of all tensors */
  double gradient_norm;        /* L2 norm of this rank's last gradient, all tensors together, before clipping */
  uint64_t clipped;            /* how many of this rank's gradients were cut to `clip` so far */
} gossamer_stats;
#define GOSSAMER_STATS_INIT \
  { sizeof(gossamer_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0 }
GOSSAMER_API gossamer_status gossamer_compressor_stats(const gossamer_compressor* compressor, gossamer_stats* stats);

/* ---- a compressor's state ----------------------------------------------------------------------- */

/* What of a compressor outlives a step, for checkpoints: this rank's residual and momentum by named tensor, and the step
 * that the hash functions depend on. With it training goes on with the bits that it would have had. Not in it: a payload
 * that was compressed and not reduced, the last update, statistics, the configuration.
 *
 * Each rank saves its own state. The bytes are little-endian, versioned and have a checksum; versions to come read this
 * one. Where a state lies, and which belong together, is the program's to know: write the model's weights in the same
 * checkpoint, and from between two steps, else they do not fit each other. */

/* How many bytes gossamer_compressor_save writes: some 8 for each element, 4 without momentum, none of both for DENSE
 * without momentum, and the names. The same in each call. Local. */
GOSSAMER_API gossamer_status gossamer_compressor_state_size(const gossamer_compressor* compressor, size_t* bytes);

/* Writes that many to `state`, which has room for `bytes`. Local; does not block, but for copies of device memory. BUSY
 * with an operation in flight. */
GOSSAMER_API gossamer_status gossamer_compressor_save(gossamer_compressor* compressor, void* state, size_t bytes);

/* The same, to a file that afterwards is there whole or as it was (written beside, then renamed). Local. UNAVAILABLE. */
GOSSAMER_API gossamer_status gossamer_compressor_save_file(gossamer_compressor* compressor, const char* path);

typedef struct gossamer_state { /* never grows */
  const void* data;
  size_t bytes;
} gossamer_state;

/* Takes over what was saved, in place of what the compressor has. Collective: all ranks have loaded when it is DONE, or
 * none has, and each goes on from the same step. `states` is what this rank is given, in any order:
 *
 *   the same ranks and tensors    its own state
 *   other buckets                 those of this rank from all compressors that held its tensors: tensors are found by
 *                                 name, and those that are not here are left alone
 *   another number of ranks       the states of all ranks, or at least of those that it takes over: rank r of P adds up
 *                                 the saved ranks r, r + P, r + 2 P, ..., or begins with zeros where there are none and
 *                                 needs any one state. The sum over ranks of residual and momentum is as it was; in the
 *                                 mean it counts with the new P, as a gradient does
 *
 * Density, sketch, seed, schedule, cells and name of the compressor may be others; so may momentum, which begins at zero
 * where none was saved. With `allows_new` 1 a tensor that nobody saved begins with zeros; with 0 it is refused.
 *
 * MALFORMED: cut off, damaged, no state, or a number that is NaN or infinite. MISMATCH: saved by a newer library, by
 * another algorithm, of another model (a tensor that is missing, or of other size or exactness), a rank's part that is
 * missing or there twice; on every rank, with the words of the one that refuses. NOT_FINITE: several ranks' sum is
 * infinite. BUSY with an operation in flight. After any of these the compressor is as it was. Blocks, at most
 * timeout_ns (0: the init timeout). */
GOSSAMER_API gossamer_status gossamer_compressor_load(gossamer_compressor* compressor, const gossamer_state* states,
                                                      size_t state_count, int32_t allows_new, int64_t timeout_ns);

/* The same from files. */
GOSSAMER_API gossamer_status gossamer_compressor_load_files(gossamer_compressor* compressor, const char* const* paths,
                                                            size_t path_count, int32_t allows_new, int64_t timeout_ns);

/* ---- collectives -------------------------------------------------------------------------------- */

typedef struct gossamer_collective gossamer_collective;

/* What each does with a vector of `count` elements, over the P ranks that take part. A slice is a rank's part of the
 * vector: gossamer_collective_slice. In place (input NULL, or the same address as output) the vector lies in `output`. */
typedef enum gossamer_collective_kind {
  GOSSAMER_ALL_REDUCE = 1,     /* input and output: the vector. The same bits on every rank */
  GOSSAMER_REDUCE = 2,         /* input: the vector; output: the vector at the root, not read elsewhere */
  GOSSAMER_BROADCAST = 3,      /* input: the vector at the root, not read elsewhere; output: the vector */
  GOSSAMER_REDUCE_SCATTER = 4, /* input: the vector; output: this rank's slice. In place: the vector, of which the slice is
                                  the result, in its place, and the rest has no meaning afterwards */
  GOSSAMER_ALL_GATHER = 5,     /* input: this rank's slice; output: the vector. In place: the slice is in its place */
  GOSSAMER_NEIGHBOR_REDUCE = 6, /* input: the vector; output: the vector, moved toward those of the neighbours in a graph.
                                   Floating types */
  GOSSAMER_BARRIER = 7         /* no vector: ends when all have started it */
} gossamer_collective_kind;

typedef enum gossamer_type {
  GOSSAMER_F32 = 0,
  GOSSAMER_F64 = 1,
  GOSSAMER_BF16 = 2, /* each merge of two is done in f32 and rounded to nearest even; F16 too */
  GOSSAMER_F16 = 3,
  GOSSAMER_I8 = 4, /* integers wrap */
  GOSSAMER_I32 = 5,
  GOSSAMER_I64 = 6,
  GOSSAMER_U8 = 7
} gossamer_type;

typedef enum gossamer_op {
  GOSSAMER_SUM = 0,
  GOSSAMER_MIN = 1, /* a NaN of any rank is a NaN in the result; -0 is less than +0 */
  GOSSAMER_MAX = 2,
  GOSSAMER_MEAN = 3,  /* the sum, then divided by P (F16: divided before, so that it stays in range). Floating types */
  GOSSAMER_BIT_OR = 4 /* integer types */
} gossamer_op;

/* Who mixes with whom: `gossamer graph --kind all --ranks P` says what each is worth (docs/gossip.md). */
typedef enum gossamer_graph_kind {
  GOSSAMER_GRAPH_ONE_PEER = 0,
  GOSSAMER_GRAPH_RING = 1,
  GOSSAMER_GRAPH_TORUS = 2,
  GOSSAMER_GRAPH_HYPERCUBE = 3,
  GOSSAMER_GRAPH_COMPLETE = 4,
  GOSSAMER_GRAPH_STAR = 5,
  GOSSAMER_GRAPH_EXPONENTIAL = 6,
  GOSSAMER_GRAPH_ONE_PEER_EXPONENTIAL = 7,
  GOSSAMER_GRAPH_BASE = 8,
  GOSSAMER_GRAPH_SOUTHERN_WOMEN = 9,
  GOSSAMER_GRAPH_FLORENTINE_FAMILIES = 10,
  GOSSAMER_GRAPH_KARATE_CLUB = 11,
  GOSSAMER_GRAPH_ERDOS_RENYI = 12,
  GOSSAMER_GRAPH_MATRIX = 13 /* of your own shares, or of a file's */
} gossamer_graph_kind;

typedef struct gossamer_graph {
  size_t struct_size;   /* sizeof(gossamer_graph); the initializer sets it */
  int32_t kind;         /* a gossamer_graph_kind */
  uint32_t degree;      /* BASE, ERDOS_RENYI. 0: the kind's */
  uint64_t seed;        /* ERDOS_RENYI */
  const double* shares; /* MATRIX: `period` matrices of P x P, row after row: row i is what rank i takes of whom, itself
                           included. Rows and columns sum to 1 */
  const char* path;     /* MATRIX, instead of shares: a file as `gossamer graph --text` prints it */
  uint32_t period;      /* MATRIX with shares. 0: 1 */
  uint32_t reserved_;   /* 0 */
} gossamer_graph;
#define GOSSAMER_GRAPH_INIT \
  { sizeof(gossamer_graph), GOSSAMER_GRAPH_ONE_PEER, 0, 0, NULL, NULL, 0, 0 }

/* NEIGHBOR_REDUCE: operation t of a collective is round t of its graph, and again from the first. Rank i ends with
 * z_i + the sum over its neighbours j of a_ij w_j / w_i (z_j - z_i), in ascending order of rank; a_ij is the share that j
 * gives to i, and weights w, all 1 at first, travel along. It outlives deaths: it goes on, DONE, without the dead, whose
 * shares stay with who would have given them, while all else of the session ends with PEER_LOST. NOT_FINITE, on that rank
 * alone, where its input is NaN or infinite: the others go on without it, and its output is as it was. */

typedef struct gossamer_collective_config {
  size_t struct_size;          /* sizeof(gossamer_collective_config); the initializer sets it */
  const char* name;            /* for messages. NULL: the kind's */
  int32_t kind;                /* a gossamer_collective_kind */
  int32_t type;                /* a gossamer_type */
  int32_t op;                  /* a gossamer_op: ALL_REDUCE, REDUCE, REDUCE_SCATTER */
  int32_t root;                /* REDUCE, BROADCAST: a rank of the group */
  uint64_t count;              /* elements of the whole vector, equal on all ranks; any number, 0 too */
  const void* input;           /* on the host */
  void* output;                /* on the host; overlaps `input` nowhere, or is the same address */
  const gossamer_group* group; /* NULL: all ranks of the session */
  const gossamer_graph* graph; /* NEIGHBOR_REDUCE: of the group's ranks; read in create only. NULL: ONE_PEER */
  int32_t schedule;            /* a gossamer_schedule */
  uint32_t reserved_;          /* 0 */
} gossamer_collective_config;
#define GOSSAMER_COLLECTIVE_CONFIG_INIT \
  { sizeof(gossamer_collective_config), NULL, 0, GOSSAMER_F32, GOSSAMER_SUM, 0, 0, NULL, NULL, NULL, NULL, GOSSAMER_SCHEDULE_AUTO, 0 }

/* Makes a collective, to be started many times on the same memory. Collective over the group, in the same order on all
 * of its ranks; it is made on every one or on none, with errors as of gossamer_compressor_create: MISMATCH names the
 * field, both values and both ranks. The buffers stay allocated until it is destroyed. Several may be in flight at once,
 * one operation each, started in any order. Blocks, at most the init timeout. */
GOSSAMER_API gossamer_status gossamer_collective_create(gossamer_session* session,
                                                        const gossamer_collective_config* config,
                                                        gossamer_collective** collective);

/* Starts it on what is in the input now. Collective over the group; returns at once, without allocating. Until the
 * operation has ended, the input must not change and the output not be read. *operation belongs to the collective and is
 * valid until its next start or its end. BUSY where one is in flight: *operation is that one. After any other failure it
 * is NULL. After an error of the operation the output is undefined. */
GOSSAMER_API gossamer_status gossamer_collective_start(gossamer_collective* collective, gossamer_operation** operation);

/* Frees it; an operation in flight is given up, within 200 ms. NULL is allowed. Local. The buffers are the caller's again
 * on return; after PEER_LOST or DEADLINE they must stay allocated until gossamer_finalize. */
GOSSAMER_API void gossamer_collective_destroy(gossamer_collective* collective);

/* Which elements of the vector are rank `rank`'s (of the group) in REDUCE_SCATTER and ALL_GATHER: as equal parts as lines
 * of 64 bytes allow. Local; any P that the collective has. */
GOSSAMER_API gossamer_status gossamer_collective_slice(const gossamer_collective* collective, int32_t rank, uint64_t* first,
                                                       uint64_t* count);

/* One-off, in place, over all ranks of the session: for small vectors, and for large ones that are summed once. `type` and
 * `op` as above. Collective; blocks, at most timeout_ns (0: the init timeout) in all. Up to 8 KiB (beyond 64 ranks 32 MiB / P^2)
 * cost one round trip of the control plane and are merged in the order of ranks, more an exchange in chunks besides. After an error `data` is
 * undefined. MISMATCH on every rank if counts, types or operators differ, or if one rank's call is wrong. */
GOSSAMER_API gossamer_status gossamer_all_reduce(gossamer_session* session, void* data, uint64_t count, int32_t type,
                                                 int32_t op, int64_t timeout_ns);

/* Returns when every rank of the session has called it: one round trip of the control plane. Blocks, at most timeout_ns
 * (0: the init timeout). */
GOSSAMER_API gossamer_status gossamer_barrier(gossamer_session* session, int64_t timeout_ns);

/* ---- report ------------------------------------------------------------------------------------- */

/* What this rank has done so far, as one line of JSON with its closing zero, into `text` of `capacity` bytes; *bytes is what
 * it takes. With less, and with NULL and 0 to ask for it, nothing is written: OUT_OF_RESOURCES; ask for some more than the
 * answer, since numbers grow. Local; reads each residual once. Not in the middle of a step where that matters.
 *
 *   schema "gossamer.session/1"; keys are only added       version, rank, ranks, host, transport, control_bytes_sent
 *   waited_for_ns: by rank, how long operations were under way here and nothing moved until that rank's part came; not
 *     what the program does between its calls. A rank that others wait for, and that waits for nobody, is the late one
 *   compressors, collectives: a list of those there are, each with
 *     name, operations (that were seen to end DONE), bytes_sent, exchange_ns, waiting_ns, wire_ns, compute_ns (the last
 *     one's, as in gossamer_stats) and total_ of each of these five but operations: all together
 *   compressors, besides
 *     algorithm, tensors, dimension, compress_ns, total_compress_ns, applied, gradient_norm, clipped (as in gossamer_stats),
 *     total_dense_bytes: what an all-reduce of everything in f32 would have sent,
 *     ratio: that over total_bytes_sent, null where nothing was sent,
 *     residual_norm: L2 norm of what this rank holds back, null where it holds nothing or an operation is in flight,
 *     recovered: of the squares of what the last step could send (gradient, momentum and residual), the share that it
 *       sent, 0 to 1; null where residual_norm is, and before the first step
 *   collectives, besides
 *     ranks: of its group
 *
 * Where GOSSAMER_METRICS names a file ("%r" in it is the rank; without one ".RANK" follows where there are several), the
 * same numbers go there as OpenMetrics text, whole (written beside, then renamed): with each report that is written, and
 * by gossamer_finalize, then with what compressors and collectives did that were destroyed before. What fails is a
 * warning in the log. docs/observability.md has the names. */
GOSSAMER_API gossamer_status gossamer_session_report(gossamer_session* session, char* text, size_t capacity,
                                                     size_t* bytes);

/* ---- for languages without macros --------------------------------------------------------------- */

/* Each writes what the macro of that name has, into a struct of `struct_size` bytes as the caller declares it: fields that
 * this library does not know are zeros, those that the caller does not know are left out, and holes between fields are
 * zeros. INVALID_ARGUMENT: NULL, less than the first field or more than 64 KiB. Any thread; before gossamer_init, too. */
GOSSAMER_API gossamer_status gossamer_config_init(gossamer_config* config, size_t struct_size);
GOSSAMER_API gossamer_status gossamer_launch_init(gossamer_launch* launch, size_t struct_size);
/* `tensor_size`: of the caller's gossamer_tensor. */
GOSSAMER_API gossamer_status gossamer_compressor_config_init(gossamer_compressor_config* config, size_t struct_size,
                                                             size_t tensor_size);
GOSSAMER_API gossamer_status gossamer_update_init(gossamer_update* update, size_t struct_size);
GOSSAMER_API gossamer_status gossamer_stats_init(gossamer_stats* stats, size_t struct_size);
GOSSAMER_API gossamer_status gossamer_graph_init(gossamer_graph* graph, size_t struct_size);
GOSSAMER_API gossamer_status gossamer_collective_config_init(gossamer_collective_config* config, size_t struct_size);

#ifdef __cplusplus
}
#endif
#endif
