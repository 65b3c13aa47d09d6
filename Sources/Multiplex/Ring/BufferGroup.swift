internal import CMultiplex
internal import SystemPackage
internal import Synchronization

/// Buffers from which the kernel takes one when it receives something, so that a waiting connection needs none.
///
///     let group = try BufferGroup(id: 1, capacity: 64, bufferSize: 16 * 1024)
///     for buffer in 0..<64 { group.provide(buffer) }
///     try ring.register(group)
///     try ring.prepare(.receive(on: socket.fileDescriptor, intoGroup: group.id, isMultishot: true, token: 7))
///
/// A buffer belongs to the kernel once provided, and to you again once a completion names it, until you provide it
/// again. While it belongs to the kernel, providing it does nothing, and its bytes can't be accessed. The kernel takes
/// buffers in the order in which they were provided. Buffers that were never provided cost no memory.
///
/// A completion names a buffer only by its number. If a ring has several groups, a completion returns the buffers of
/// that number in all of them to you, even those that the kernel still has: the caller must keep track of them then.
///
/// A group is used by the thread of its ring. Needs Linux 5.19.
///
/// Corresponding C functions: `io_uring_register` with `IORING_REGISTER_PBUF_RING`.
@safe
public final class BufferGroup {
  /// The number by which receives name the group.
  public let id: UInt16
  /// The most buffers in the group, a power of two; they are numbered from 0.
  public let capacity: Int
  /// The size of each buffer in bytes.
  public let bufferSize: Int

  private let ring: MappedMemory
  private let buffers: MappedMemory
  private let entries: UnsafeMutablePointer<cmx_ring_buffer>
  /// The position up to which the kernel may take buffers, in an otherwise unused field of the first entry.
  private let tail: UnsafePointer<Atomic<UInt16>>
  private var next: UInt16 = 0
  /// Which buffers belong to the kernel, a bit for each: a buffer provided twice would be filled twice.
  @safe @exclusivity(unchecked) private var provided: ContiguousArray<UInt64>
  /// Only one ring may use a group: two would be given the same buffers.
  private var isRegistered = false

  /// Makes a group without buffers.
  ///
  /// - Parameters:
  ///   - id: A number that no other group of the same ring has.
  ///   - capacity: A power of two, at most 32,768.
  ///   - bufferSize: In bytes, at least 1.
  /// - Throws: ``MultiplexError/Reason/invalidArgument``; `ENOMEM`.
  public init(id: UInt16, capacity: Int, bufferSize: Int) throws(MultiplexError) {
    guard (1...32_768).contains(capacity), capacity.nonzeroBitCount == 1 else {
      throw .outOfRange("capacity \(capacity)", for: "BufferGroup", advice: "pass a power of two up to 32,768")
    }
    guard (1...Int(Int32.max)).contains(bufferSize) else {
      throw .outOfRange("bufferSize \(bufferSize)", for: "BufferGroup", advice: "a buffer can have 1 byte to 2 GiB")
    }
    self.id = id
    self.capacity = capacity
    self.bufferSize = bufferSize
    provided = ContiguousArray(repeating: 0, count: (capacity + 63) / 64)
    ring = try MappedMemory(size: capacity * MemoryLayout<cmx_ring_buffer>.stride)
    buffers = try MappedMemory(size: capacity * bufferSize)
    // Both are within the mapping, and aligned as the first entry is. An atomic integer has the layout of an integer.
    unsafe entries = ring.start.assumingMemoryBound(to: cmx_ring_buffer.self)
    let offset = MemoryLayout<cmx_ring_buffer>.offset(of: \.reserved) ?? 0
    unsafe tail = UnsafePointer((ring.start + offset).assumingMemoryBound(to: Atomic<UInt16>.self))
  }

  /// Provides a buffer to the kernel.
  ///
  /// - Parameter buffer: A number from 0 to below the capacity. Others are ignored, and so is a buffer that already
  ///   belongs to the kernel.
  public func provide(_ buffer: UInt16) {
    guard buffer < capacity, !isProvided(buffer) else { return }
    provided[Int(buffer / 64)] |= Self.bit(buffer)
    let place = Int(next) & (capacity - 1)
    // Not the whole entry: the tail is in the first.
    unsafe entries[place].address = UInt64(UInt(bitPattern: address(of: buffer)))
    unsafe entries[place].length = UInt32(bufferSize)
    unsafe entries[place].id = buffer
    next &+= 1
    unsafe tail.pointee.store(next, ordering: .releasing)
  }

  /// Notes that a completion has named a buffer, of this group or of another one of the ring: completions don't say
  /// which. If it was another's, nothing prevents this one from being provided twice, or read while it belongs to the
  /// kernel.
  func reclaim(_ buffer: UInt16) {
    guard buffer < capacity else { return }
    provided[Int(buffer / 64)] &= ~Self.bit(buffer)
  }

  private func isProvided(_ buffer: UInt16) -> Bool {
    provided[Int(buffer / 64)] & Self.bit(buffer) != 0
  }

  private static func bit(_ buffer: UInt16) -> UInt64 { 1 << UInt64(buffer % 64) }

  /// Passes the first bytes of a buffer, valid for the duration of the call: none if the buffer belongs to the kernel,
  /// which may be filling it, or isn't in the group.
  ///
  /// - Parameters:
  ///   - buffer: One that a completion has named, and that hasn't been provided since. Provide it after the call.
  ///   - count: As many as the completion says; never more than the buffer holds.
  ///   - body: Gets the bytes. It is always called.
  /// - Returns: What the body returns.
  public func withBytes<Result, Failure: Error>(
    of buffer: UInt16, count: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let isOurs = buffer < capacity && !isProvided(buffer)
    let count = isOurs ? min(max(0, count), bufferSize) : 0
    // The buffer doesn't belong to the kernel now, and is within the mapping.
    let bytes = unsafe UnsafeRawBufferPointer(start: isOurs ? address(of: buffer) : buffers.start, count: count)
    return try unsafe body(bytes.assumingMemoryBound(to: UInt8.self).span)
  }

  /// The address of a buffer in the group.
  package func address(of buffer: UInt16) -> UnsafeMutableRawPointer {
    unsafe buffers.start + Int(buffer) * bufferSize
  }

  /// Returns the memory of a buffer to the system: the pages that it doesn't share with others. The buffer can be
  /// provided again.
  ///
  /// - Parameter buffer: A buffer in the group that doesn't belong to the kernel.
  package func releaseMemory(of buffer: UInt16) {
    unsafe Kernel.discard(address(of: buffer), bufferSize)
  }

  /// Lets a ring use the group.
  func register(with ring: borrowing Ring) throws(MultiplexError) {
    guard !isRegistered else {
      throw MultiplexError(
        call: "Ring.register", subject: "group \(id)", reason: .alreadyRegistered, errno: .fileExists,
        advice: "another ring uses this group: make one group per ring")
    }
    var registration = cmx_buffer_ring_registration()
    registration.ring_address = unsafe UInt64(UInt(bitPattern: self.ring.start))
    registration.ring_entries = UInt32(capacity)
    registration.group = id
    try unsafe ring.register(cmx_REGISTER_PBUF_RING, &registration, 1)
    isRegistered = true
  }

  /// Ends the use of the group by a ring that is being closed.
  func unregister(from ring: borrowing Ring) {
    var registration = cmx_buffer_ring_registration()
    registration.group = id
    do {
      try unsafe ring.register(cmx_UNREGISTER_PBUF_RING, &registration, 1)
    } catch {
      // This isn't the single issuer's thread, whose deferred work nobody does now. The kernel hasn't returned the
      // buffers: another ring would start with all of them, including those that are ours.
      return
    }
    isRegistered = false
    // No buffer belongs to the kernel now, and the next ring starts at the first place.
    for index in provided.indices { provided[index] = 0 }
    next = 0
    unsafe tail.pointee.store(0, ordering: .releasing)
  }
}
