import Multiplex

extension SocketAddress? {
  /// Whose connection that is. The clients of a Unix socket have no name, as a rule.
  var clientName: String {
    guard let self, self != .unix(path: "") else { return "a client" }
    return self.description
  }
}
