internal import Synchronization

/// A number of a ring that the kernel and this process share.
@safe
struct RingCounter {
  private let number: UnsafePointer<Atomic<UInt32>>

  /// - Parameter memory: An aligned number of 32 bits, which outlives this value.
  init(at memory: UnsafeMutableRawPointer) {
    // An atomic number has the layout of a number.
    unsafe number = UnsafePointer(memory.assumingMemoryBound(to: Atomic<UInt32>.self))
  }

  /// What we have stored ourselves.
  var own: UInt32 { unsafe number.pointee.load(ordering: .relaxed) }

  /// What the kernel has stored, and with it whatever it had written before.
  var acquired: UInt32 { unsafe number.pointee.load(ordering: .acquiring) }

  /// Lets the kernel see a value, and with it whatever was written before.
  func release(_ value: UInt32) {
    unsafe number.pointee.store(value, ordering: .releasing)
  }
}
