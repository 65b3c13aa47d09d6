public import Multiplex
import Synchronization
public import SystemPackage

private let used = Atomic<Int32>(0)

extension OwnedDescriptor {
  /// A duplicate with a number far above all others, which no other test is given after it was closed.
  public init(highDuplicateOf descriptor: FileDescriptor) throws {
    let limit = Int32(min(try OpenFileLimit.raise().current, 65_536))
    // Tests of many descriptors take the numbers from below, up to half of the limit.
    let least = limit / 4 * 3 + used.add(2, ordering: .relaxed).newValue
    self.init(adopting: try Kernel.fcntl(descriptor.rawValue, Kernel.duplicateCloseOnExec, least))
  }
}
