internal import SystemPackage

extension Poller {
  /// A way to wait, chosen when a poller is made. All of them mean the same.
  ///
  /// A new one is a file in `Backends/`, which defines the implementation and its name here, and a line in ``all``.
  public struct Backend: Hashable, Sendable {
    /// The name, as tools take and show it: "epoll".
    public let name: String
    /// The modes that the system call lacks, and that are emulated.
    public let emulatedModes: [TriggerMode]
    /// What waiting costs, and what bounds the number of descriptors, in words.
    public let summary: String

    let implementation: any ReadinessBackend.Type

    init(name: String, emulatedModes: [TriggerMode], summary: String, implementation: any ReadinessBackend.Type) {
      self.name = name
      self.emulatedModes = emulatedModes
      self.summary = summary
      self.implementation = implementation
    }

    /// Every backend, the best first.
    public static let all: [Backend] = [
      .epoll,
      .ioUring,
      .poll,
      .select,
    ]

    /// The best backend that works here, found out by trying.
    public static var automatic: Backend {
      all.first { $0.unavailability == nil } ?? .select
    }

    /// The backend with a name; nil if there is none.
    public init?(named name: String) {
      guard let backend = Self.all.first(where: { $0.name == name }) else { return nil }
      self = backend
    }

    /// Why the backend doesn't work here: the kernel is too old, or a sandbox forbids it. Nil if it works.
    ///
    /// A passing shortage, of descriptors for example, is no reason.
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

extension Poller.Backend: CustomStringConvertible {
  /// The name.
  public var description: String { name }
}
