public import Multiplex

/// The backends that work on this machine. A container may forbid one of them.
public let usableBackends = Poller.Backend.allCases.filter { $0.unavailability == nil }
