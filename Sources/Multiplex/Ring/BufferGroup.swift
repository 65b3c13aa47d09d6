internal import CMultiplex
internal import SystemPackage
internal import Synchronization

/// Buffers that the kernel takes from when something is received, so that a connection needs none while it waits.
///
///     let group = try BufferGroup(id: 1, capacity: 64, bufferSize: 16 * 1024)
///     for buffer in 0..<64 { group.provide(buffer) }
///     try ring.register(group)
///     try ring.prepare(.receive(on: socket.fileDescriptor, intoGroup: group.id, isMultishot: true, token: 7))
///
/// A buffer is the kernel's once it was provided, and ours again with the completion that names it, until it is provided
/// anew. While it is the kernel's, providing it does nothing, and none of its bytes are lent. The kernel takes them in the
/// order in which they were provided. Buffers that were never provided cost no memory.
///
/// A completion names a buffer by its number alone. Where a ring has several groups, it counts for the buffers of that number
/// in all of them: that one of these is still the kernel's goes unnoticed then, and is the caller's to know.
///
/// A group is used by the thread of its ring. Linux 5.19.
///
/// Corresponding C functions: `io_uring_register` with `IORING_REGISTER_PBUF_RING`.
@safe
public final class BufferGroup {
  /// The number that receives name it by.
  public let id: UInt16
  /// How many buffers there may be, a power of two; they are numbered from 0.
  public let capacity: Int
  /// In bytes.
  public let bufferSize: Int

  private let ring: MappedMemory
  private let buffers: MappedMemory
  private let entries: UnsafeMutablePointer<cmx_ring_buffer>
  /// Up to where the kernel may take buffers. It lies in a field of the first entry that means nothing there.
  private let tail: UnsafePointer<Atomic<UInt16>>
  private var next: UInt16 = 0
  /// Which buffers are the kernel's, a bit for each: one that it had twice would be filled twice.
  @safe @exclusivity(unchecked) private var provided: ContiguousArray<UInt64>
  /// One ring alone may take from a group: two would be given the same buffers.
  private var isRegistered = false

  /// Makes a group without buffers.
  ///
  /// - Parameters:
  ///   - id: Any number that no other group of the same ring has.
  ///   - capacity: A power of two, at most 32,768.
  ///   - bufferSize: In bytes, at least 1.
  /// - Throws: ``MultiplexError/Reason/invalidArgument``; `ENOMEM`.
  public init(id: UInt16, capacity: Int, bufferSize: Int) throws(MultiplexError) {
    guard (1...32_768).contains(capacity), capacity.nonzeroBitCount == 1 else {
      throw .outOfRange("capacity \(capacity)", for: "BufferGroup", advice: "take a power of two up to 32,768")
    }
    guard (1...Int(Int32.max)).contains(bufferSize) else {
      throw .outOfRange("bufferSize \(bufferSize)", for: "BufferGroup", advice: "a buffer has 1 byte to 2 GiB")
    }
    self.id = id
    self.capacity = capacity
    self.bufferSize = bufferSize
    provided = ContiguousArray(repeating: 0, count: (capacity + 63) / 64)
    ring = try MappedMemory(size: capacity * MemoryLayout<cmx_ring_buffer>.stride)
    buffers = try MappedMemory(size: capacity * bufferSize)
    // Both lie within the mapping, and are aligned as the first entry is. An atomic number has the layout of a number.
    unsafe entries = ring.start.assumingMemoryBound(to: cmx_ring_buffer.self)
    let offset = MemoryLayout<cmx_ring_buffer>.offset(of: \.reserved) ?? 0
    unsafe tail = UnsafePointer((ring.start + offset).assumingMemoryBound(to: Atomic<UInt16>.self))
  }

  /// Lets the kernel have a buffer.
  ///
  /// - Parameter buffer: 0 up to the capacity. Any other is ignored, and so is one that is the kernel's already.
  public func provide(_ buffer: UInt16) {
    guard buffer < capacity, !isProvided(buffer) else { return }
    provided[Int(buffer / 64)] |= Self.bit(buffer)
    let place = Int(next) & (capacity - 1)
    // Not the whole entry: the tail lies in the first.
    unsafe entries[place].address = UInt64(UInt(bitPattern: address(of: buffer)))
    unsafe entries[place].length = UInt32(bufferSize)
    unsafe entries[place].id = buffer
    next &+= 1
    unsafe tail.pointee.store(next, ordering: .releasing)
  }

  /// Notes that a completion has named a buffer: of this group, or of another one of the ring, as completions don't say of
  /// which. In the latter case it goes unnoticed if it is provided twice, or lent while it is the kernel's.
  func reclaim(_ buffer: UInt16) {
    guard buffer < capacity else { return }
    provided[Int(buffer / 64)] &= ~Self.bit(buffer)
  }

  private func isProvided(_ buffer: UInt16) -> Bool {
    provided[Int(buffer / 64)] & Self.bit(buffer) != 0
  }

  private static func bit(_ buffer: UInt16) -> UInt64 { 1 << UInt64(buffer % 64) }

  /// The first bytes of a buffer, lent for the time of the call: none of one that is the kernel's, which may be filling it, or
  /// that isn't the group's.
  ///
  /// - Parameters:
  ///   - buffer: One that a completion has named, and that wasn't provided since. Provide it after the call.
  ///   - count: As many as the completion says; never more than the buffer holds.
  ///   - body: Gets the bytes. It is called in any case.
  /// - Returns: What the body returns.
  public func withBytes<Result, Failure: Error>(
    of buffer: UInt16, count: Int, _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let isOurs = buffer < capacity && !isProvided(buffer)
    let count = isOurs ? min(max(0, count), bufferSize) : 0
    // The buffer isn't the kernel's at present, and lies within the mapping.
    let bytes = unsafe UnsafeRawBufferPointer(start: isOurs ? address(of: buffer) : buffers.start, count: count)
    return try unsafe body(bytes.bytes)
  }

  /// Where a buffer lies: one of the group's.
  package func address(of buffer: UInt16) -> UnsafeMutableRawPointer {
    unsafe buffers.start + Int(buffer) * bufferSize
  }

  /// Gives the memory of a buffer back to the system: the pages that it has for itself. It is the same buffer when it is
  /// provided again.
  ///
  /// - Parameter buffer: One of the group's, which isn't the kernel's.
  package func releaseMemory(of buffer: UInt16) {
    unsafe Kernel.discard(address(of: buffer), bufferSize)
  }

  /// Lets a ring take from the group.
  func register(with ring: borrowing Ring) throws(MultiplexError) {
    guard !isRegistered else {
      throw MultiplexError(
        call: "Ring.register", subject: "group \(id)", reason: .alreadyRegistered, errno: .fileExists,
        advice: "another ring takes from this group: make one for each ring")
    }
    var registration = cmx_buffer_ring_registration()
    registration.ring_address = unsafe UInt64(UInt(bitPattern: self.ring.start))
    registration.ring_entries = UInt32(capacity)
    registration.group = id
    try unsafe ring.register(cmx_REGISTER_PBUF_RING, &registration, 1)
    isRegistered = true
  }

  /// Keeps a ring that ends from taking more.
  func unregister(from ring: borrowing Ring) {
    var registration = cmx_buffer_ring_registration()
    registration.group = id
    do {
      try unsafe ring.register(cmx_UNREGISTER_PBUF_RING, &registration, 1)
    } catch {
      // On another thread than a single issuer's, whose work nobody does any more. The kernel has not given the buffers
      // back: another ring would begin with them all, those that are ours included.
      return
    }
    isRegistered = false
    // No buffer is the kernel's any more, and the next ring begins at the first place.
    for index in provided.indices { provided[index] = 0 }
    next = 0
    unsafe tail.pointee.store(0, ordering: .releasing)
  }
}
