internal import SystemPackage

extension Poller {
  // To add one, define its implementation and its name in a file in `Backends/`, and list it in `allCases`.
  /// A system call to wait with, chosen when a poller is made. All backends behave the same.
  public struct Backend: Hashable, CaseIterable, Sendable {
    /// The name, as tools accept and show it: "epoll".
    public let name: String
    /// The modes that the system call lacks, and that are therefore emulated.
    public let emulatedModes: [TriggerMode]
    /// What the cost of a wait depends on, for people: "cost grows with the ready descriptors".
    public let summary: String

    let implementation: any ReadinessBackend.Type

    init(name: String, emulatedModes: [TriggerMode], summary: String, implementation: any ReadinessBackend.Type) {
      self.name = name
      self.emulatedModes = emulatedModes
      self.summary = summary
      self.implementation = implementation
    }

    /// Every backend, the best first.
    public static let allCases: [Backend] = [
      .epoll,
      .ioUring,
      .poll,
      .select,
    ]

    /// The best backend that works here. Each access tries them: see ``unavailability``.
    public static var automatic: Backend {
      allCases.first { $0.unavailability == nil } ?? .select
    }

    /// Why the backend doesn't work here: the kernel is too old, or a sandbox forbids it; nil if it works.
    ///
    /// Each access opens what the backend needs, and closes it again. A temporary shortage, of descriptors for example,
    /// doesn't count.
    public var unavailability: MultiplexError? {
      do {
        _ = try implementation.init()
        return nil
      } catch {
        switch (error.call, error.errno) {
        case (_, .noFunction), (_, .notPermitted), (_, .permissionDenied): return error
        // Both are permanent: the limit on locked memory, and flags that the kernel doesn't know.
        case ("io_uring_setup", .noMemory), ("io_uring_setup", .invalidArgument): return error
        default: return nil
        }
      }
    }

    /// How many descriptors the kernel lets this user wait for, in addition to the open-file limit; nil if it doesn't
    /// say.
    public var descriptorLimit: Int? { implementation.descriptorLimit }

    /// Backends are equal if their names are.
    public static func == (left: Backend, right: Backend) -> Bool { left.name == right.name }

    /// Hashes the name.
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
  }
}

extension Poller.Backend: LosslessStringConvertible {
  /// The backend with a name, such as "epoll"; nil if there is none.
  public init?(_ description: String) {
    guard let backend = Self.allCases.first(where: { $0.name == description }) else { return nil }
    self = backend
  }

  /// The name.
  public var description: String { name }
}
