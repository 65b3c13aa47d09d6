internal import SystemPackage

/// The result of a splice into a pipe.
enum Spliced {
  case bytes(count: Int)
  /// Nothing has arrived yet, or other work has to run first: wait.
  case nothing
  /// There is something that only a receive can take or report.
  case other
  case failure(Errno)
}
