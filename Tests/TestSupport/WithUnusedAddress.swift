public import Multiplex

/// Calls the body with an address of this machine where nobody listens or will listen meanwhile.
public func withUnusedAddress<Value>(_ body: (SocketAddress) throws -> Value) throws -> Value {
  let unused = try UnusedAddress()
  defer { withExtendedLifetime(unused) {} }
  return try body(unused.address)
}
