/// What a descriptor is watched for: reading, writing, priority data, or several of them; never nothing.
///
///     try poller.register(socket, for: .read | .write)
///
/// Errors and hang-ups are reported whatever the interest is.
public struct Interest: Hashable, Sendable {
  /// The same bits as those of ``Readiness``, poll and epoll.
  @usableFromInline let bits: UInt8

  @usableFromInline
  init(bits: UInt8) {
    self.bits = bits
  }

  /// Bytes, connections or the end of input to read.
  @inlinable public static var read: Interest { Interest(bits: 1) }
  /// Room to write.
  @inlinable public static var write: Interest { Interest(bits: 4) }
  /// Something exceptional, such as TCP's out-of-band data: the third set of select.
  @inlinable public static var priority: Interest { Interest(bits: 2) }

  /// The union of both interests.
  @inlinable
  public static func | (left: Interest, right: Interest) -> Interest {
    Interest(bits: left.bits | right.bits)
  }

  /// Whether another interest is part of this one.
  public func contains(_ other: Interest) -> Bool {
    bits & other.bits == other.bits
  }

  /// The interest without another; nil if nothing remains.
  public func removing(_ other: Interest) -> Interest? {
    let remainder = bits & ~other.bits
    return remainder == 0 ? nil : Interest(bits: remainder)
  }
}

@available(*, unavailable, message: "an interest is never empty: join interests with '|', as in '.read | .write'")
extension Interest: ExpressibleByArrayLiteral {
  /// Unavailable: join interests with `|`.
  public init(arrayLiteral elements: Interest...) {
    self = elements.dropFirst().reduce(elements[0], |)
  }
}

extension Interest: CustomStringConvertible {
  /// The names, separated by bars: "read|write".
  public var description: String {
    let names: [(Interest, String)] = [(.read, "read"), (.write, "write"), (.priority, "priority")]
    return names.filter { contains($0.0) }.map(\.1).joined(separator: "|")
  }
}
