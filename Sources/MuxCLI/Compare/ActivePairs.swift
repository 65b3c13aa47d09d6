import Multiplex

/// Sockets that are connected in pairs. A few are active at a time: a byte is written to the other end of each.
///
/// Both ends are watched, so that as many descriptors can be watched as may be open. The active sockets change with
/// each turn, so that all of them are used.
final class ActivePairs {
  private let sockets: [Socket]
  /// The number of watched sockets: all, or all but one.
  private let count: Int
  private let activeCount: Int
  /// The index of the first active socket.
  private var first = 0
  private var buffer: [UInt8] = [0]

  /// Opens the sockets.
  ///
  /// - Parameters:
  ///   - count: The number of sockets to watch.
  ///   - active: The number of sockets that are active at a time; at most `count`.
  init(count: Int, active: Int) throws(MultiplexError) {
    var sockets: [Socket] = []
    while sockets.count < count {
      let pair = try Socket.pair()
      sockets += [pair.0, pair.1]
    }
    self.sockets = sockets
    self.count = count
    activeCount = min(active, count)
  }

  /// Registers the sockets with a poller.
  func register(with poller: Poller) throws(MultiplexError) {
    for index in 0..<count { try poller.register(sockets[index], for: .read, token: UInt64(index)) }
  }

  /// Activates the next sockets, and reads from those that a poller reports.
  ///
  /// - Returns: The number of sockets that were read from.
  func turn(_ poller: Poller) throws -> Int {
    try activate()
    var found = 0
    while found < activeCount {
      let foundBefore = found
      for event in try poller.wait(timeout: .seconds(10)) where event.isReadable {
        try read(Int(event.token))
        found += 1
      }
      guard found > foundBefore else {
        throw Failure(
          "the backend '\(poller.backend)' reported only \(found) of \(activeCount) active descriptors", .software)
      }
    }
    return found
  }

  /// Activates the next sockets, and reads from them without waiting.
  func turn() throws -> Int {
    let begin = first
    try activate()
    for number in 0..<activeCount { try read(place(number, from: begin)) }
    return activeCount
  }

  private func activate() throws(MultiplexError) {
    // The ends of a pair are neighbors: their indexes differ in the last bit.
    for number in 0..<activeCount { _ = try sockets[place(number, from: first) ^ 1].send(buffer) }
    first = (first + 1) % count
  }

  /// The index of an active socket; they are spread evenly.
  private func place(_ number: Int, from begin: Int) -> Int {
    (begin + number * (count / activeCount)) % count
  }

  private func read(_ index: Int) throws {
    guard try Self.receive(from: sockets[index], into: &buffer) == 1 else {
      throw Failure("descriptor \(index) of the comparison was reported ready, but had nothing to read", .software)
    }
  }

  private static func receive(from socket: Socket, into buffer: inout [UInt8]) throws(MultiplexError) -> Int? {
    var room = buffer.mutableSpan
    return try socket.receive(into: &room)
  }
}
