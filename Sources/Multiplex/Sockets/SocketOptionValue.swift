/// What the value of a ``SocketOption`` may be: C's `int`, or a switch. A type of your own, such as an enumeration of what
/// the option may be set to, conforms by saying how it is written as an `int`.
public protocol SocketOptionValue: Hashable, Sendable {
  /// Takes the value from what the kernel says.
  init(socketOptionValue: Int32)
  /// What the kernel is given.
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
