/// What a descriptor is watched for: reading, writing, priority data, or several of them, but never nothing.
///
///     try poller.register(socket, for: .read | .write)
///
/// Errors and hang-ups are reported whatever the interest is.
public struct Interest: Hashable, Sendable {
  /// Those of ``Readiness``, and of poll and epoll.
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

  /// What either is interested in.
  @inlinable
  public static func | (left: Interest, right: Interest) -> Interest {
    Interest(bits: left.bits | right.bits)
  }

  /// Whether all of another interest is part of this one.
  public func contains(_ other: Interest) -> Bool {
    bits & other.bits == other.bits
  }

  /// What is left without another interest; nil if that is nothing.
  public func removing(_ other: Interest) -> Interest? {
    let rest = bits & ~other.bits
    return rest == 0 ? nil : Interest(bits: rest)
  }
}

@available(*, unavailable, message: "an interest is never empty: join several by '|', as in '.read | .write'")
extension Interest: ExpressibleByArrayLiteral {
  /// Not to be had.
  public init(arrayLiteral elements: Interest...) {
    self = elements.dropFirst().reduce(elements[0], |)
  }
}

extension Interest: CustomStringConvertible {
  /// The names, with bars between: "read|write".
  public var description: String {
    let names: [(Interest, String)] = [(.read, "read"), (.write, "write"), (.priority, "priority")]
    return names.filter { contains($0.0) }.map(\.1).joined(separator: "|")
  }
}
