/// When a descriptor that is ready is reported. Each mode means the same on every backend.
public enum TriggerMode: String, CaseIterable, Hashable, Sendable {
  /// By every wait, for as long as it is ready.
  case level
  /// Once when it becomes ready, and again when something new happens, such as more bytes arriving: read or write until
  /// that would block, or there may be no further event.
  case edge
  /// Once; then it is silent, hang-ups and errors included, until it is modified, which arms it again.
  case oneShot = "one-shot"
}

extension TriggerMode: CustomStringConvertible {
  /// The mode's name: "level", "edge" or "one-shot".
  public var description: String { rawValue }
}
