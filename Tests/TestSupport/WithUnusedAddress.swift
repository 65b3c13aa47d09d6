public import Multiplex

/// Lends an address of this machine where nobody listens, nor will meanwhile.
public func withUnusedAddress<Value>(_ body: (SocketAddress) throws -> Value) throws -> Value {
  let unused = try UnusedAddress()
  defer { withExtendedLifetime(unused) {} }
  return try body(unused.address)
}
