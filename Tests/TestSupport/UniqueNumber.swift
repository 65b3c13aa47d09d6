public import Multiplex
internal import Synchronization
public import SystemPackage

/// Descriptor numbers that belong to one test alone.
///
/// The kernel gives the lowest number that is free, so one that a test closes goes to the next test that opens
/// something. A test that closes a number and goes on using it takes one from far above, each once and each higher than
/// those before.
private let used = Atomic<Int32>(0)

extension OwnedDescriptor {
  /// The same open file under a number that nobody else gets; the old number is closed.
  public consuming func renumbered() throws -> OwnedDescriptor {
    let number = try uniqueNumber()
    try Kernel.duplicate(rawDescriptor, as: number)
    return OwnedDescriptor(adopting: FileDescriptor(rawValue: number))
  }
}

extension FileDescriptor {
  /// Makes this number, open or not, another descriptor of the same file, close-on-exec.
  public func become(_ other: FileDescriptor) throws {
    try Kernel.duplicate(other.rawValue, as: rawValue)
  }
}

private func uniqueNumber() throws -> Int32 {
  let limit = Int32(min(try OpenFileLimit.raise().current, 65_536))
  // Tests of many descriptors take the numbers from below, up to half of the limit.
  return limit / 4 * 3 + used.add(1, ordering: .relaxed).oldValue
}
