/// Cancels the calling task.
func cancelThisTask() {
  // The task is used where it runs.
  unsafe withUnsafeCurrentTask { task in unsafe task?.cancel() }
}
