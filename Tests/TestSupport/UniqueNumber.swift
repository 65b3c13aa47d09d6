public import Multiplex
internal import Synchronization
public import SystemPackage

/// Descriptor numbers that belong to only one test.
///
/// The kernel assigns the lowest free number, so one that a test closes goes to the next test that opens something. A
/// test that keeps using a number after closing it takes one from a much higher range, where each is used once, in
/// ascending order.
private let used = Atomic<Int32>(0)

extension OwnedDescriptor {
  /// The same open file under a number that no other test gets. The old number is closed.
  public consuming func renumbered() throws -> OwnedDescriptor {
    let number = try uniqueNumber()
    try Kernel.duplicate(rawDescriptor, as: number)
    return OwnedDescriptor(adopting: FileDescriptor(rawValue: number))
  }
}

extension FileDescriptor {
  /// Makes this number, whether open or not, another descriptor of the same file, close-on-exec.
  public func become(_ other: FileDescriptor) throws {
    try Kernel.duplicate(other.rawValue, as: rawValue)
  }
}

private func uniqueNumber() throws -> Int32 {
  let limit = Int32(min(try OpenFileLimit.raise().current, 65_536))
  // Tests with many descriptors take the numbers from the bottom, up to half of the limit.
  return limit / 4 * 3 + used.add(1, ordering: .relaxed).oldValue
}
