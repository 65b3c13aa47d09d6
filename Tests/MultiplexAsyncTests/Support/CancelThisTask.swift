/// Cancels the calling task.
func cancelThisTask() {
  // The task is only used where it runs.
  unsafe withUnsafeCurrentTask { task in unsafe task?.cancel() }
}
