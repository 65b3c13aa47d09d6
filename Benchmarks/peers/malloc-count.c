/*
 * Counts a program's allocations. Loaded before the program's libraries:
 *
 *     LD_PRELOAD=malloc-count.so MALLOC_COUNT=FILE program
 *
 * The count is in the first 8 bytes of FILE, which the program maps, so that it
 * can be read at any time without disturbing the program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names: looking up the next definition with dlsym would itself allocate. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Atomic uint64_t until_shared;
static _Atomic uint64_t *count = &until_shared;

__attribute__((constructor)) static void share(void) {
    const char *path = getenv("MALLOC_COUNT");
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || ftruncate(fd, sizeof *count) < 0) return;
    void *memory = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED) count = memory;
}

static void tally(void) {
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
    tally();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    tally();
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size) {
    tally();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
    tally();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    void *allocated = memalign(alignment, size);
    if (!allocated) return ENOMEM;
    *memory = allocated;
    return 0;
}
