internal import CMultiplex
public import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Signals as input: a descriptor that is readable when one has arrived.
///
/// The signals are blocked in the thread that makes this value, and in the threads it starts from then on, so make it
/// before any other thread is started: one that has them unblocked would receive them in the ordinary way. The thread
/// has its earlier mask back when the value ends, which is to be on the same thread.
///
/// Corresponding C functions: `signalfd`, `pthread_sigmask`.
public struct SignalDescriptor: ~Copyable, Selectable {
  private let descriptor: OwnedDescriptor
  private let previousMask: sigset_t

  /// Receives these signals, by their numbers (`SIGINT`, `SIGTERM`).
  public init(_ signals: [Int32]) throws(MultiplexError) {
    let (fd, mask) = try Self.open(signals)
    self.descriptor = OwnedDescriptor(adopting: fd)
    self.previousMask = mask
  }

  private static func open(_ signals: [Int32]) throws(MultiplexError) -> (fd: Int32, previousMask: sigset_t) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in signals where unsafe sigaddset(&set, signal) != 0 {
      throw .outOfRange("signal \(signal)", for: "signalfd", advice: "there is no such signal")
    }
    do throws(Errno) {
      let mask = try Kernel.blockSignals(set)
      do throws(Errno) {
        return (try Kernel.signalfd(set), mask)
      } catch {
        Kernel.restoreSignals(mask)
        throw error
      }
    } catch {
      throw MultiplexError(call: "signalfd", errno: error)
    }
  }

  deinit {
    Kernel.restoreSignals(previousMask)
  }

  /// The lent descriptor.
  public var fileDescriptor: FileDescriptor { descriptor.fileDescriptor }

  /// Takes the next signal that has arrived; nil if there is none.
  public func next() throws(MultiplexError) -> Int32? {
    var info = signalfd_siginfo()
    // signalfd writes whole records of this type, or nothing.
    let count = try unsafe withUnsafeMutableBytes(of: &info) { bytes throws(MultiplexError) in
      try transfer("read", fileDescriptor) { () throws(Errno) in
        try unsafe Kernel.readRecord(descriptor.rawDescriptor, bytes)
      }
    }
    return count == nil ? nil : Int32(bitPattern: info.ssi_signo)
  }
}
