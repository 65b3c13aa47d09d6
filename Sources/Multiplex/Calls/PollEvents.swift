internal import CMultiplex

/// What poll watches a descriptor for, and what it reports: the `POLL*` bits of poll(2).
public struct PollEvents: OptionSet, Hashable, Sendable {
  /// The bits, as in `struct pollfd`.
  public let rawValue: Int16

  /// Any bits, known here or not.
  public init(rawValue: Int16) {
    self.rawValue = rawValue
  }

  /// There is something to read, or the end of input (`POLLIN`).
  public static let `in` = PollEvents(rawValue: Int16(POLLIN))
  /// There is something urgent, such as out-of-band data (`POLLPRI`).
  public static let priority = PollEvents(rawValue: Int16(POLLPRI))
  /// There is room to write (`POLLOUT`).
  public static let out = PollEvents(rawValue: Int16(POLLOUT))
  /// Ordinary data to read; the same as ``in`` for most descriptors (`POLLRDNORM`).
  public static let readNormal = PollEvents(rawValue: Int16(POLLRDNORM))
  /// Priority band data to read (`POLLRDBAND`).
  public static let readBand = PollEvents(rawValue: Int16(POLLRDBAND))
  /// Room for ordinary data; the same as ``out`` for most descriptors (`POLLWRNORM`).
  public static let writeNormal = PollEvents(rawValue: Int16(POLLWRNORM))
  /// Room for priority data (`POLLWRBAND`).
  public static let writeBand = PollEvents(rawValue: Int16(POLLWRBAND))
  /// The peer has finished sending (`POLLRDHUP`).
  public static let readHangUp = PollEvents(rawValue: Int16(cmx_POLLRDHUP))
  /// An error is pending; always watched for (`POLLERR`).
  public static let error = PollEvents(rawValue: Int16(POLLERR))
  /// Both directions are closed; always watched for (`POLLHUP`).
  public static let hangUp = PollEvents(rawValue: Int16(POLLHUP))
  /// The descriptor isn't open; always watched for (`POLLNVAL`).
  public static let invalid = PollEvents(rawValue: Int16(POLLNVAL))
}

extension PollEvents: CustomStringConvertible {
  /// C's names, separated by bars: "POLLIN|POLLHUP".
  public var description: String {
    describe([
      (.in, "POLLIN"), (.priority, "POLLPRI"), (.out, "POLLOUT"), (.readNormal, "POLLRDNORM"),
      (.readBand, "POLLRDBAND"), (.writeNormal, "POLLWRNORM"), (.writeBand, "POLLWRBAND"),
      (.readHangUp, "POLLRDHUP"), (.error, "POLLERR"), (.hangUp, "POLLHUP"), (.invalid, "POLLNVAL"),
    ])
  }
}
