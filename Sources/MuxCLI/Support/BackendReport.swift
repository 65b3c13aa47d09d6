import Multiplex
import MultiplexAsync

/// What each backend offers on this machine.
struct BackendReport: Encodable {
  struct Entry: Encodable {
    let name: String
    let available: Bool
    /// Why the backend doesn't work here.
    let reason: String?
    /// Whether `auto` selects the backend for a poller: in `mux bench`.
    let automatic: Bool
    /// Whether `auto` selects the backend for a reactor: in `mux serve`, `connect` and `relay`.
    let automaticForReactors: Bool
    let emulatedModes: [String]
    /// The number of descriptors that the backend can wait for.
    let maximumDescriptors: Int
    let cost: String

    fileprivate var automaticFor: String {
      [(automatic, "poller"), (automaticForReactors, "reactor")].filter(\.0).map(\.1).joined(separator: ", ")
    }
  }

  let openFiles: Int
  let openFilesMaximum: Int
  let backends: [Entry]

  init() throws {
    let limit = try OpenFileLimit()
    let automatic = Poller.Backend.automatic
    openFiles = limit.current
    openFilesMaximum = limit.maximum
    backends = Poller.Backend.allCases.map { backend in
      let reason = backend.unavailability
      return Entry(
        name: backend.name, available: reason == nil, reason: reason?.description, automatic: backend == automatic,
        automaticForReactors: backend == Reactor.automaticBackend,
        emulatedModes: backend.emulatedModes.map(\.description),
        maximumDescriptors: min(limit.maximum, backend.descriptorLimit ?? .max), cost: backend.summary)
    }
  }

  var lines: [String] {
    var table = Table(header: ["BACKEND", "WORKS", "AUTO", "DESCRIPTORS", "EMULATED", "COST OF A WAIT"])
    for entry in backends {
      let emulated = entry.emulatedModes.joined(separator: ", ")
      table.append([
        entry.name, entry.available ? "yes" : "no", entry.automaticFor.isEmpty ? "-" : entry.automaticFor,
        "up to \(Quantity.count(entry.maximumDescriptors))", emulated.isEmpty ? "-" : emulated, entry.cost,
      ])
    }
    let reasons = backends.compactMap { entry in entry.reason.map { "\(entry.name): \($0)" } }
    return table.lines + reasons + [
      "open files: \(Quantity.count(openFiles)) now, \(Quantity.count(openFilesMaximum)) at most (ulimit -n)"
    ]
  }
}
