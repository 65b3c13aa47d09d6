// The kernel's io_uring interface (include/uapi/linux/io_uring.h). Defined here because the headers of many
// distributions are older than the kernels that they run on. Layouts and numbers are part of the kernel's ABI: they
// never change.
#ifndef CMULTIPLEX_RING_H
#define CMULTIPLEX_RING_H

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct cmx_sq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, reserved;
    uint64_t user_address;
};

struct cmx_cq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, reserved;
    uint64_t user_address;
};

struct cmx_ring_params {
    uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, reserved[3];
    struct cmx_sq_offsets sq;
    struct cmx_cq_offsets cq;
};

// A submission. Each field is named after its first use; the operations say what else they use it for.
struct cmx_sqe {
    uint8_t opcode, flags;
    uint16_t ioprio; // flags of the socket operations
    int32_t fd;
    uint64_t offset;
    uint64_t address;
    uint32_t length;
    uint32_t operation_flags;
    uint64_t user_data;
    uint16_t buffer; // index, or group
    uint16_t personality;
    int32_t file_index;
    uint64_t address3;
    uint64_t padding;
};

struct cmx_cqe {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
};

// An entry of a buffer ring. The ring's tail is the `reserved` field of the first entry.
struct cmx_ring_buffer {
    uint64_t address;
    uint32_t length;
    uint16_t id;
    uint16_t reserved;
};

struct cmx_buffer_ring_registration {
    uint64_t ring_address;
    uint32_t ring_entries;
    uint16_t group;
    uint16_t flags;
    uint64_t reserved[3];
};

struct cmx_sync_cancellation {
    uint64_t user_data;
    int32_t fd;
    uint32_t flags;
    int64_t seconds, nanoseconds; // how long to wait for operations that can't be cancelled
    uint8_t opcode, reserved[7];
    uint64_t reserved2[3];
};

struct cmx_wait_arguments {
    uint64_t signal_mask;
    uint32_t signal_mask_size;
    uint32_t minimum_wait; // in microseconds
    uint64_t timeout;      // address of a timespec
};

struct cmx_probed_operation {
    uint8_t opcode, reserved;
    uint16_t flags;
    uint32_t reserved2;
};

enum { cmx_PROBED_OPERATIONS = 256 };

struct cmx_probe {
    uint8_t last_opcode, count;
    uint16_t reserved;
    uint32_t reserved2[3];
    struct cmx_probed_operation operations[cmx_PROBED_OPERATIONS];
};

// io_uring_setup
static const uint32_t cmx_SETUP_CQSIZE = 1u << 3;
static const uint32_t cmx_SETUP_CLAMP = 1u << 4;
static const uint32_t cmx_SETUP_R_DISABLED = 1u << 6;
static const uint32_t cmx_SETUP_SUBMIT_ALL = 1u << 7;    // 5.18
static const uint32_t cmx_SETUP_COOP_TASKRUN = 1u << 8;  // 5.19
static const uint32_t cmx_SETUP_TASKRUN_FLAG = 1u << 9;  // 5.19
static const uint32_t cmx_SETUP_SINGLE_ISSUER = 1u << 12; // 6.0
static const uint32_t cmx_SETUP_DEFER_TASKRUN = 1u << 13; // 6.1
static const uint32_t cmx_SETUP_NO_SQARRAY = 1u << 16;    // 6.6

static const uint32_t cmx_FEAT_SINGLE_MMAP = 1u << 0;
static const uint32_t cmx_FEAT_NODROP = 1u << 1;
static const uint32_t cmx_FEAT_EXT_ARG = 1u << 8;
static const uint32_t cmx_FEAT_CQE_SKIP = 1u << 11;

static const int64_t cmx_OFF_SQ_RING = 0;
static const int64_t cmx_OFF_SQES = 0x10000000;

// io_uring_enter
static const uint32_t cmx_ENTER_GETEVENTS = 1u << 0;
static const uint32_t cmx_ENTER_EXT_ARG = 1u << 3;

static const uint32_t cmx_SQ_CQ_OVERFLOW = 1u << 1;
static const uint32_t cmx_SQ_TASKRUN = 1u << 2;

// io_uring_register
static const uint32_t cmx_REGISTER_PROBE = 8;
static const uint32_t cmx_REGISTER_ENABLE_RINGS = 12;
static const uint32_t cmx_REGISTER_PBUF_RING = 22;
static const uint32_t cmx_UNREGISTER_PBUF_RING = 23;
static const uint32_t cmx_REGISTER_SYNC_CANCEL = 24; // 6.0

// Operations
static const uint8_t cmx_OP_NOP = 0;
static const uint8_t cmx_OP_FSYNC = 3;
static const uint8_t cmx_OP_POLL_ADD = 6;
static const uint8_t cmx_OP_POLL_REMOVE = 7;
static const uint8_t cmx_OP_ACCEPT = 13;
static const uint8_t cmx_OP_ASYNC_CANCEL = 14;
static const uint8_t cmx_OP_CONNECT = 16;
static const uint8_t cmx_OP_CLOSE = 19;
static const uint8_t cmx_OP_READ = 22;
static const uint8_t cmx_OP_WRITE = 23;
static const uint8_t cmx_OP_SEND = 26;
static const uint8_t cmx_OP_RECV = 27;
static const uint8_t cmx_OP_SHUTDOWN = 34;
static const uint8_t cmx_OP_SOCKET = 45;  // 5.19
static const uint8_t cmx_OP_SEND_ZC = 47; // 6.0

// Flags of a submission
static const uint8_t cmx_SQE_IO_DRAIN = 1u << 1;
static const uint8_t cmx_SQE_IO_LINK = 1u << 2;
static const uint8_t cmx_SQE_BUFFER_SELECT = 1u << 5;
static const uint8_t cmx_SQE_CQE_SKIP_SUCCESS = 1u << 6;

// Flags of single operations
static const uint32_t cmx_POLL_ADD_MULTI = 1u << 0;
static const uint32_t cmx_POLL_UPDATE_EVENTS = 1u << 1;
static const uint32_t cmx_ASYNC_CANCEL_ALL = 1u << 0;
static const uint32_t cmx_ASYNC_CANCEL_FD = 1u << 1;
static const uint32_t cmx_ASYNC_CANCEL_ANY = 1u << 2;
static const uint32_t cmx_FSYNC_DATASYNC = 1u << 0;
static const uint16_t cmx_RECV_MULTISHOT = 1u << 1;
static const uint16_t cmx_ACCEPT_MULTISHOT = 1u << 0;

// Flags of a completion
static const uint32_t cmx_CQE_F_BUFFER = 1u << 0;
static const uint32_t cmx_CQE_F_MORE = 1u << 1;
static const uint32_t cmx_CQE_F_SOCK_NONEMPTY = 1u << 2;
static const uint32_t cmx_CQE_BUFFER_SHIFT = 16;

// The calls have the same numbers on every architecture, and the C library has no functions for them.
static inline int cmx_io_uring_setup(uint32_t entries, struct cmx_ring_params *params) {
    return (int)syscall(425, entries, params);
}

static inline int cmx_io_uring_enter(int fd, uint32_t submit, uint32_t wait, uint32_t flags, const void *argument,
                                     size_t size) {
    return (int)syscall(426, fd, submit, wait, flags, argument, size);
}

static inline int cmx_io_uring_register(int fd, uint32_t operation, void *argument, uint32_t count) {
    return (int)syscall(427, fd, operation, argument, count);
}

// Null if mmap returns MAP_FAILED.
static inline void *cmx_map(size_t size, int flags, int fd, int64_t offset) {
    void *memory = mmap(0, size, PROT_READ | PROT_WRITE, flags, fd, offset);
    return memory == MAP_FAILED ? (void *)0 : memory;
}

static inline void *cmx_map_ring(size_t size, int fd, int64_t offset) {
    return cmx_map(size, MAP_SHARED | MAP_POPULATE, fd, offset);
}

static inline long cmx_page_size(void) { return sysconf(_SC_PAGESIZE); }

static inline void *cmx_map_anonymous(size_t size) { return cmx_map(size, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

#endif
