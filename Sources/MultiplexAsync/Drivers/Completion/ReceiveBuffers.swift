internal import Multiplex

/// The buffers that the kernel receives into, as many as the traffic needs.
///
/// Buffers are with the kernel or in use; spare ones cost no memory. When the kernel runs out, their number doubles;
/// when few of them were in use at a time, some are retired as they are recycled.
final class ReceiveBuffers {
  /// In bytes.
  static let bufferSize = 16 * 1024
  private static let capacity = 16 * 1024
  private static let minimum = 32
  /// How many buffers are recycled before the number needed is determined again.
  private static let period = 4096

  let group: BufferGroup
  /// Those that are neither with the kernel nor in use.
  @safe @exclusivity(unchecked) private var spare: [UInt16]
  @safe @exclusivity(unchecked) private var inUse = 0
  /// The most that were in use at a time in this period.
  @safe @exclusivity(unchecked) private var peak = 0
  @safe @exclusivity(unchecked) private var recycled = 0
  /// Above this number, recycled buffers are retired.
  @safe @exclusivity(unchecked) private var target = capacity

  init(group id: UInt16) throws(MultiplexError) {
    group = try BufferGroup(id: id, capacity: Self.capacity, bufferSize: Self.bufferSize)
    spare = (0..<UInt16(Self.capacity)).reversed()
    for _ in 0..<Self.minimum { provideSpare() }
  }

  private var circulating: Int { Self.capacity - spare.count }

  /// Takes a buffer that a completion has named.
  func take(_ id: UInt16) -> PooledBuffer {
    inUse += 1
    peak = max(peak, inUse)
    return unsafe PooledBuffer(start: group.address(of: id), capacity: Self.bufferSize, ringID: id)
  }

  /// Takes a buffer back.
  func recycle(_ id: UInt16) {
    inUse -= 1
    recycled += 1
    if recycled == Self.period { endPeriod() }
    guard circulating > target else { return group.provide(id) }
    group.releaseMemory(of: id)
    spare.append(id)
  }

  /// Doubles the number of buffers, unless at most half of them are in use: then enough are with the kernel again.
  func grow() {
    guard inUse > circulating / 2 else { return }
    target = Self.capacity
    for _ in 0..<min(circulating, spare.count) { provideSpare() }
  }

  private func provideSpare() {
    guard let id = spare.popLast() else { return }
    group.provide(id)
  }

  private func endPeriod() {
    target = max(Self.minimum, 2 * peak)
    peak = inUse
    recycled = 0
  }
}
