internal import SystemPackage

extension Poller {
  /// A way to wait, chosen when a poller is made. All of them mean the same.
  ///
  /// A new one is a file in `Backends/`, which defines the implementation and its name here, and a line in ``allCases``.
  public struct Backend: Hashable, CaseIterable, Sendable {
    /// The name, as tools take and show it: "epoll".
    public let name: String
    /// The modes that the system call lacks, and that are emulated.
    public let emulatedModes: [TriggerMode]
    /// What the cost of a wait depends on, for people to read: "cost grows with the ready descriptors".
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

    /// The best backend that works here. Each call tries: see ``unavailability``.
    public static var automatic: Backend {
      allCases.first { $0.unavailability == nil } ?? .select
    }

    /// Why the backend doesn't work here: the kernel is too old, or a sandbox forbids it. Nil if it works.
    ///
    /// Each call opens what the backend needs, and closes it again. A temporary shortage, of descriptors for example, is no
    /// reason.
    public var unavailability: MultiplexError? {
      do {
        _ = try implementation.init()
        return nil
      } catch {
        switch (error.call, error.errno) {
        case (_, .noFunction), (_, .notPermitted), (_, .permissionDenied): return error
        // The limit of locked memory, and flags that the kernel doesn't know, which both last.
        case ("io_uring_setup", .noMemory), ("io_uring_setup", .invalidArgument): return error
        default: return nil
        }
      }
    }

    /// How many descriptors the kernel lets this user wait for, besides the limit of open files; nil if it doesn't say.
    public var descriptorLimit: Int? { implementation.descriptorLimit }

    /// Backends with the same name are the same.
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
