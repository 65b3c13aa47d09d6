/// The connections that gather small writes until the turn ends. Belongs to its event loop's thread.
///
/// A task that answers many pipelined requests, or that writes a message in parts, would otherwise make a call for each.
/// The first write of a turn is sent at once, as most are the only one.
final class GatheringConnections {
  /// Counts the turns. The next one with the same number is far away.
  @safe @exclusivity(unchecked) private(set) var turn: UInt32 = 1
  @safe @exclusivity(unchecked) private var cores: [ConnectionCore] = []

  func add(_ core: ConnectionCore) {
    cores.append(core)
  }

  /// Sends what was gathered.
  func endTurn() {
    turn &+= 1
    guard !cores.isEmpty else { return }
    let due = cores
    cores.removeAll(keepingCapacity: true)
    for core in due { core.endGathering() }
  }
}
