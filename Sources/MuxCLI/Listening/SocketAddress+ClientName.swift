import Multiplex

extension SocketAddress? {
  /// The name of a client in messages. Clients of a Unix socket usually have no address.
  var clientName: String {
    guard let self, self != .unix(path: "") else { return "a client" }
    return self.description
  }
}
