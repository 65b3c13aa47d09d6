internal import SystemPackage

/// What a splice into a pipe has brought.
enum Spliced {
  case bytes(count: Int)
  /// Nothing has come yet, or it is to yield to other work first: to be waited for.
  case nothing
  /// Something has come that only a receive can take, or tell.
  case other
  case failure(Errno)
}
