public import Multiplex

/// The backends that work here: a container may forbid one of them.
public let usableBackends = Poller.Backend.allCases.filter { $0.unavailability == nil }
