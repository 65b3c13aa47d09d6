/// What is registered with a reactor.
struct Registrations {
  /// What was registered at some moment.
  enum Snapshot {
    /// Each descriptor, in ascending order.
    case each([(descriptor: Int32, registration: Registration)])
    /// How many there are of each kind.
    case counts([(registration: Registration, count: Int)])

    /// One text per descriptor, "7 client for read", or per kind, "2,000 clients for read".
    var words: [String] {
      switch self {
      case .each(let all): all.map { "\($0.descriptor) \($0.registration)" }
      case .counts(let counts): counts.map { $0.registration.counted($0.count) }.sorted()
      }
    }
  }

  private var registrations: [Int32: Registration] = [:]
  private var counts: [Registration: Int] = [:]

  subscript(descriptor: Int32) -> Registration? {
    get { registrations[descriptor] }
    set {
      let old = registrations[descriptor]
      guard newValue != old else { return }
      registrations[descriptor] = newValue
      if let old { counts[old] = counts[old].flatMap { $0 > 1 ? $0 - 1 : nil } }
      if let newValue { counts[newValue, default: 0] += 1 }
    }
  }

  /// Takes a snapshot, which lists each descriptor unless there are more than `limit`.
  func snapshot(upTo limit: Int) -> Snapshot {
    guard registrations.count <= limit else { return .counts(counts.map { ($0.key, $0.value) }) }
    return .each(registrations.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
  }
}
