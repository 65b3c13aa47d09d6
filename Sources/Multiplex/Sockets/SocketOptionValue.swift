/// A type for the value of a ``SocketOption``: C's `int`, or a Boolean. Your own types, such as an enumeration of an
/// option's values, conform by converting to and from an `int`.
public protocol SocketOptionValue: Hashable, Sendable {
  /// Makes the value from the kernel's.
  init(socketOptionValue: Int32)
  /// The value for the kernel.
  var socketOptionValue: Int32 { get }
}

extension Int32: SocketOptionValue {
  /// The number itself.
  public init(socketOptionValue: Int32) { self = socketOptionValue }

  /// The number itself.
  public var socketOptionValue: Int32 { self }
}

extension Bool: SocketOptionValue {
  /// Whether it isn't 0.
  public init(socketOptionValue: Int32) { self = socketOptionValue != 0 }

  /// 1 or 0.
  public var socketOptionValue: Int32 { self ? 1 : 0 }
}
