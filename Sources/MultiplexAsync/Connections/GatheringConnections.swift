/// The connections of an event loop that gather small writes until its turn ends. Belongs to the loop's thread.
///
/// A task that answers many pipelined requests, or that writes a message in parts, would otherwise make a call for each.
/// The first write of a turn is sent at once, as most are the only one.
final class GatheringConnections {
  /// Counts the turns. The next one with the same number is far away.
  @safe @exclusivity(unchecked) private(set) var turn: UInt32 = 1
  @safe @exclusivity(unchecked) private var cores: [ConnectionCore] = []
  /// Those whose turn is ending; kept for its memory.
  @safe @exclusivity(unchecked) private var ending: [ConnectionCore] = []

  var isEmpty: Bool { cores.isEmpty }

  func add(_ core: ConnectionCore) {
    cores.append(core)
  }

  /// Sends what was gathered. Whoever is notified of that may have more gathered.
  func endTurn() {
    turn &+= 1
    guard !cores.isEmpty else { return }
    swap(&cores, &ending)
    for core in ending { core.endGathering() }
    ending.removeAll(keepingCapacity: true)
  }
}
