public import Multiplex
import Synchronization
public import SystemPackage

private let lowest = Atomic<Int32>(3000)

extension OwnedDescriptor {
  /// A duplicate with a number far above all others, which no other test is given after it was closed.
  public init(highDuplicateOf descriptor: FileDescriptor) throws {
    try OpenFileLimit.raise()
    let least = lowest.add(2, ordering: .relaxed).newValue
    self.init(adopting: try Kernel.fcntl(descriptor.rawValue, Kernel.duplicateCloseOnExec, least))
  }
}
