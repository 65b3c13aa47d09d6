internal import Multiplex

/// The buffers that the kernel receives into, as many as the traffic needs.
///
/// They are with the kernel, or lent to whoever reads; the others cost no memory. When the kernel runs out there are twice
/// as many; when few of them were ever lent at a time, some are retired as they come back.
final class ReceiveBuffers {
  /// In bytes.
  static let bufferSize = 16 * 1024
  private static let capacity = 16 * 1024
  private static let minimum = 32
  /// How many returns it takes to see how many buffers are needed.
  private static let period = 4096

  let group: BufferGroup
  /// Those that are neither with the kernel nor lent.
  @safe @exclusivity(unchecked) private var spare: [UInt16]
  @safe @exclusivity(unchecked) private var lent = 0
  /// The most that were lent at a time in this period.
  @safe @exclusivity(unchecked) private var peak = 0
  @safe @exclusivity(unchecked) private var returns = 0
  /// Above so many, buffers are retired.
  @safe @exclusivity(unchecked) private var target = capacity

  init(group id: UInt16) throws(MultiplexError) {
    group = try BufferGroup(id: id, capacity: Self.capacity, bufferSize: Self.bufferSize)
    spare = (0..<UInt16(Self.capacity)).reversed()
    for _ in 0..<Self.minimum { provideSpare() }
  }

  private var circulating: Int { Self.capacity - spare.count }

  /// Takes a buffer that a completion has named.
  func take(_ id: UInt16) -> PooledBuffer {
    lent += 1
    peak = max(peak, lent)
    return unsafe PooledBuffer(start: group.address(of: id), capacity: Self.bufferSize, ringID: id)
  }

  /// Takes a buffer back.
  func give(back id: UInt16) {
    lent -= 1
    returns += 1
    if returns == Self.period { endPeriod() }
    guard circulating > target else { return group.provide(id) }
    group.releaseMemory(of: id)
    spare.append(id)
  }

  /// Lets the kernel have twice as many, unless it has had no use for those that are back.
  func grow() {
    guard lent > circulating / 2 else { return }
    target = Self.capacity
    for _ in 0..<min(circulating, spare.count) { provideSpare() }
  }

  private func provideSpare() {
    guard let id = spare.popLast() else { return }
    group.provide(id)
  }

  private func endPeriod() {
    target = max(Self.minimum, 2 * peak)
    peak = lent
    returns = 0
  }
}
