/// When a ready descriptor is reported. Each mode behaves the same on every backend.
public enum TriggerMode: String, CaseIterable, Hashable, Sendable {
  /// By every wait, for as long as it is ready.
  case level
  /// Once when it becomes ready, and again when something new happens, such as more bytes arriving. Read or write until
  /// that would block: otherwise there may be no further event.
  case edge
  /// Once. Then it is silent, including hang-ups and errors, until it is modified, which re-arms it.
  case oneShot = "one-shot"
}

extension TriggerMode: CustomStringConvertible {
  /// The mode's name: "level", "edge" or "one-shot".
  public var description: String { rawValue }
}
