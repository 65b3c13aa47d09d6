import Multiplex

/// A request to the inspector.
struct InspectorRequest {
  let method: String
  let path: String
  /// The name or address that the request was sent to, with or without a port, as its sender knows it.
  let host: String?

  /// Whether it asks for something without changing anything.
  var isReading: Bool { method == "GET" || method == "HEAD" }

  /// Whether its sender knows the inspector by an address, or by the name that was given to it.
  ///
  /// A page on the web could make its own name lead to this machine, and then read here what only this machine's users
  /// may see (DNS rebinding). The browser still sends that name.
  func isMeant(for server: HostPort) -> Bool {
    guard let host else { return true }
    let name = Self.name(in: host).lowercased()
    return name == "localhost" || name == server.host.lowercased() || IPv4Address(name) != nil
      || IPv6Address(name) != nil
  }

  /// The name without the port and the brackets of an IPv6 address.
  private static func name(in host: String) -> String {
    if let parts = try? HostPort(host) { return parts.host }
    return host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
  }
}
