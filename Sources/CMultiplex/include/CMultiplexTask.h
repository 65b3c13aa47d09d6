// Two functions of Swift's concurrency runtime that the compiler itself emits calls to. The standard library's
// alternative, withUnsafeCurrentTask, retains the task and copies a value whose size is known only at run time: in each
// wait, about 2 % of the cost of echoing a message. Their calling convention is Swift's, which passes one word as C's
// does.
#ifndef CMULTIPLEX_TASK_H
#define CMULTIPLEX_TASK_H

#include <stdbool.h>

extern const void *swift_task_getCurrent(void);
extern bool swift_task_isCancelled(const void *task);

// The task that the calling thread is running, or NULL.
static inline const void *cmx_current_task(void) { return swift_task_getCurrent(); }
static inline bool cmx_is_task_cancelled(const void *task) { return swift_task_isCancelled(task); }

#endif
