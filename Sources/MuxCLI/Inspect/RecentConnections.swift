/// The open connections of a thread, the most recently active first.
///
/// A doubly linked list in an array: noting activity, and reading the first few, takes the same time however many
/// connections there are.
struct RecentConnections {
  private struct Node {
    var record: ConnectionRecord
    /// The neighbors in the list; nil at its ends.
    var newer: Int?
    var older: Int?
  }

  private var nodes: [Node] = []
  /// The places in `nodes` that are free.
  private var free: [Int] = []
  /// The place of each descriptor.
  private var places: [Int32: Int] = [:]
  private var newest: Int?

  var count: Int { places.count }

  /// Adds a connection as the most recently active one.
  mutating func insert(_ record: ConnectionRecord) {
    let node = Node(record: record)
    let place: Int
    if let last = free.popLast() {
      place = last
      nodes[place] = node
    } else {
      place = nodes.count
      nodes.append(node)
    }
    places[record.descriptor] = place
    linkFirst(place)
  }

  /// Changes a connection, and makes it the most recently active one.
  mutating func touch(_ descriptor: Int32, _ change: (inout ConnectionRecord) -> Void) {
    guard let place = places[descriptor] else { return }
    change(&nodes[place].record)
    guard place != newest else { return }
    unlink(place)
    linkFirst(place)
  }

  /// Removes a connection.
  ///
  /// - Returns: What was known about it.
  @discardableResult
  mutating func remove(_ descriptor: Int32) -> ConnectionRecord? {
    guard let place = places.removeValue(forKey: descriptor) else { return nil }
    let record = nodes[place].record
    unlink(place)
    free.append(place)
    // The memory of a rush isn't kept for ever.
    if places.isEmpty { self = RecentConnections() }
    return record
  }

  /// Returns the most recently active connections.
  func first(_ limit: Int) -> [ConnectionRecord] {
    var records: [ConnectionRecord] = []
    var next = newest
    while let place = next, records.count < limit {
      records.append(nodes[place].record)
      next = nodes[place].older
    }
    return records
  }

  private mutating func linkFirst(_ place: Int) {
    (nodes[place].newer, nodes[place].older) = (nil, newest)
    if let newest { nodes[newest].newer = place }
    newest = place
  }

  private mutating func unlink(_ place: Int) {
    let (newer, older) = (nodes[place].newer, nodes[place].older)
    if let newer { nodes[newer].older = older } else { newest = older }
    if let older { nodes[older].newer = newer }
  }
}
