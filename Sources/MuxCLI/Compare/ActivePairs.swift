import Multiplex

/// Sockets that are connected in pairs, of which a few are active at a time: a byte is written to the one at the other end.
///
/// Both ends are watched, so that as many can be as there may be open files. Which ones are active moves on with each turn,
/// so that all get theirs.
final class ActivePairs {
  private let sockets: [Socket]
  /// How many of them are watched: all, or all but one.
  private let count: Int
  private let activeCount: Int
  /// The first of those that are active.
  private var first = 0
  private var buffer: [UInt8] = [0]

  /// - Parameter active: As many at a time; all of them where there are fewer.
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

  /// Watches as many as there are to be.
  func register(with poller: Poller) throws(MultiplexError) {
    for index in 0..<count { try poller.register(sockets[index], for: .read, token: UInt64(index)) }
  }

  /// Makes the next ones active, and reads from those that a poller finds.
  ///
  /// - Returns: How many they were.
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
          "the backend '\(poller.backend)' has found \(found) of \(activeCount) active descriptors", .software)
      }
    }
    return found
  }

  /// Makes the next ones active, and reads from them without being told.
  func turn() throws -> Int {
    let begin = first
    try activate()
    for number in 0..<activeCount { try read(place(number, from: begin)) }
    return activeCount
  }

  private func activate() throws(MultiplexError) {
    // The ends of a pair are neighbours: their numbers differ in the last bit.
    for number in 0..<activeCount { _ = try sockets[place(number, from: first) ^ 1].send(buffer) }
    first = (first + 1) % count
  }

  /// Evenly spread.
  private func place(_ number: Int, from begin: Int) -> Int {
    (begin + number * (count / activeCount)) % count
  }

  private func read(_ index: Int) throws {
    guard try Self.receive(from: sockets[index], into: &buffer) == 1 else {
      throw Failure("descriptor \(index) of the comparison was found ready, and had nothing to read", .software)
    }
  }

  private static func receive(from socket: Socket, into buffer: inout [UInt8]) throws(MultiplexError) -> Int? {
    var span = buffer.mutableSpan
    // Any bytes are valid bytes.
    var room = unsafe span.mutableBytes
    return try socket.receive(into: &room)
  }
}
