import Multiplex

/// Connected pairs of sockets, of which a few are active at a time: a byte is written to one end, and read at the other.
///
/// Which ones are active moves on with each turn, so that all get their turn.
final class ActivePairs {
  private let watched: [Socket]
  private let writers: [Socket]
  private let activeCount: Int
  /// The first of those that are active.
  private var first = 0
  private var buffer: [UInt8] = [0]

  /// - Parameter active: As many at a time; all of them where there are fewer.
  init(count: Int, active: Int) throws(MultiplexError) {
    var watched: [Socket] = []
    var writers: [Socket] = []
    for _ in 0..<count {
      let pair = try Socket.pair()
      watched.append(pair.0)
      writers.append(pair.1)
    }
    self.watched = watched
    self.writers = writers
    activeCount = min(active, count)
  }

  /// Watches all of them.
  func register(with poller: Poller) throws(MultiplexError) {
    for (index, socket) in watched.enumerated() { try poller.register(socket, for: .read, token: UInt64(index)) }
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
    for number in 0..<activeCount { _ = try writers[place(number, from: first)].send(buffer.prefix(1)) }
    first = (first + 1) % watched.count
  }

  /// Evenly spread.
  private func place(_ number: Int, from begin: Int) -> Int {
    (begin + number * (watched.count / activeCount)) % watched.count
  }

  private func read(_ index: Int) throws {
    guard try Self.receive(from: watched[index], into: &buffer) == 1 else {
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
