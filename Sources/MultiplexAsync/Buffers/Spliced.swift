internal import SystemPackage

/// What a splice into a pipe has brought.
enum Spliced {
  case bytes(count: Int)
  /// Nothing has come yet, or others are to have their turn first: it is worth a wait.
  case nothing
  /// Something has come that only a receive can take, or tell.
  case other
  case failure(Errno)
}
