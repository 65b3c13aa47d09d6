import Multiplex

/// What a descriptor is, and what it is registered for.
struct Registration: Hashable {
  enum Kind: String {
    case listener, client
  }

  let kind: Kind
  let interest: Interest
}

extension Registration: CustomStringConvertible {
  /// "client for read|write".
  var description: String { "\(kind.rawValue) for \(interest)" }

  /// "2,000 clients for read|write".
  func counted(_ count: Int) -> String { "\(Quantity.counted(count, kind.rawValue)) for \(interest)" }
}
