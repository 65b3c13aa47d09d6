internal import Synchronization

/// An integer in a ring's memory, shared by the kernel and this process.
@safe
struct RingCounter {
  private let number: UnsafePointer<Atomic<UInt32>>

  /// - Parameter memory: An aligned 32-bit integer that outlives this value.
  init(at memory: UnsafeMutableRawPointer) {
    // An atomic integer has the layout of an integer.
    unsafe number = UnsafePointer(memory.assumingMemoryBound(to: Atomic<UInt32>.self))
  }

  /// A value that only this process stores.
  var own: UInt32 { unsafe number.pointee.load(ordering: .relaxed) }

  /// A value that the kernel stores. Everything that it wrote before is visible too.
  var acquired: UInt32 { unsafe number.pointee.load(ordering: .acquiring) }

  /// Makes a value visible to the kernel, and everything that was written before.
  func release(_ value: UInt32) {
    unsafe number.pointee.store(value, ordering: .releasing)
  }
}
