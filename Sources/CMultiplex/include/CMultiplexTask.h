// Two functions of Swift's concurrency runtime that the compiler itself emits calls to. What the standard library offers in
// their place, withUnsafeCurrentTask, keeps the task alive and copies a value whose size is known at run time only: some
// 2 % of what an echoed message takes, with each wait. Their calling convention is Swift's, which passes one word like C's.
#ifndef CMULTIPLEX_TASK_H
#define CMULTIPLEX_TASK_H

#include <stdbool.h>

extern const void *swift_task_getCurrent(void);
extern bool swift_task_isCancelled(const void *task);

// The task that the calling thread runs, or NULL.
static inline const void *cmx_current_task(void) { return swift_task_getCurrent(); }
static inline bool cmx_is_task_cancelled(const void *task) { return swift_task_isCancelled(task); }

#endif
