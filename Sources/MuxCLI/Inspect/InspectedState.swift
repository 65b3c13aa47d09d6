import Multiplex

/// The state of a server, as /state.json shows it: docs/inspector.md describes each field.
struct InspectedState: Encodable {
  struct Server: Encodable {
    let service: String
    let backend: String
    let threads: Int
    let addresses: [String]
    let processID: Int
    let uptimeSeconds: Double
  }

  struct Connections: Encodable {
    let open: Int
    let accepted: Int
    let acceptFailures: Int
    let closed: [String: Int]
    let queuedBytes: Int
    let lostBytes: Int
  }

  struct Transfers: Encodable {
    let receivedBytes: Int
    let sentBytes: Int
    let receivedPerSecond: Double
    let sentPerSecond: Double
  }

  struct Turns: Encodable {
    let count: Int
    let ready: Int
    let perSecond: Double
    let readyPerTurn: Double
    let busy: Double
  }

  struct Moment: Encodable {
    let secondsAgo: Double
    let receivedPerSecond: Double
    let sentPerSecond: Double
    let turnsPerSecond: Double
  }

  struct Thread: Encodable {
    let thread: Int
    let open: Int
    let turns: Turns
    let lastTurns: [LastTurn]
  }

  struct LastTurn: Encodable {
    let turn: Int
    let waitedSeconds: Double
    let workedSeconds: Double
    let registered: [String]
    let ready: [String]
    let done: [String]
  }

  struct Connection: Encodable {
    let descriptor: Int
    let peer: String?
    let thread: Int
    let ageSeconds: Double
    let idleSeconds: Double
    let receivedBytes: Int
    let sentBytes: Int
    let queuedBytes: Int
  }

  /// The maximum number of connections that are listed.
  static let maximumConnections = 200

  let server: Server
  let connections: Connections
  let transfers: Transfers
  let turns: Turns
  let lastMinute: [Moment]
  let threads: [Thread]
  let recentConnections: [Connection]
  /// The number of open connections that aren't listed.
  let omittedConnections: Int

  /// Nanoseconds as seconds, to the microsecond.
  static func seconds(_ nanoseconds: Int) -> Double {
    (Double(nanoseconds) / 1000).rounded() / 1e6
  }
}

// MARK: - Making it

extension InspectedState {
  /// Makes the state of a server.
  ///
  /// - Parameters:
  ///   - server: What it is.
  ///   - snapshots: Each of its threads.
  ///   - history: The flow through its threads.
  ///   - now: The present time: see ``MonotonicClock/now``.
  init(server: Server, snapshots: [ThreadMonitor.Snapshot], history: FlowHistory, now: Int) {
    self.server = server
    let counts = snapshots.map(\.counts)
    let flow = counts.map(\.flow).reduce(Flow(), +)
    let rates = history.presentRates
    connections = Connections(counts, open: snapshots.map(\.openConnections).reduce(0, +))
    transfers = Transfers(
      receivedBytes: flow.received, sentBytes: flow.sent, receivedPerSecond: rates.received, sentPerSecond: rates.sent)
    turns = Turns(flow, rates)
    lastMinute = history.rates.map { time, rates in
      Moment(
        secondsAgo: Self.seconds(max(0, now - time)), receivedPerSecond: rates.received, sentPerSecond: rates.sent,
        turnsPerSecond: rates.turns)
    }
    threads = snapshots.enumerated().map { index, snapshot in
      Thread(
        thread: index + 1, open: snapshot.openConnections,
        turns: Turns(snapshot.counts.flow, history.presentRates(ofThreadAt: index)),
        lastTurns: snapshot.lastTurns.map(LastTurn.init))
    }
    let recent = snapshots.enumerated().flatMap { index, snapshot in
      snapshot.recentConnections.map { (thread: index + 1, record: $0) }
    }
    recentConnections = recent.sorted { $0.record.activeAt > $1.record.activeAt }.prefix(Self.maximumConnections)
      .map { Connection($0.record, thread: $0.thread, now: now) }
    omittedConnections = connections.open - recentConnections.count
  }
}

extension InspectedState.Connections {
  fileprivate init(_ counts: [ThreadMonitor.Counts], open: Int) {
    func total(_ number: (ThreadMonitor.Counts) -> Int) -> Int { counts.map(number).reduce(0, +) }
    self.open = open
    accepted = total(\.accepted)
    acceptFailures = total(\.acceptFailures)
    queuedBytes = total(\.queued)
    lostBytes = total(\.lost)
    closed = Dictionary(
      uniqueKeysWithValues: CloseCategory.allCases.map { category in
        (category.rawValue, total { $0.closed[category] ?? 0 })
      })
  }
}

extension InspectedState.Turns {
  fileprivate init(_ flow: Flow, _ rates: FlowRates) {
    count = flow.turns
    ready = flow.ready
    perSecond = rates.turns
    readyPerTurn = rates.readyPerTurn
    busy = rates.busy
  }
}

extension InspectedState.LastTurn {
  fileprivate init(_ turn: Turn) {
    self.turn = turn.number
    waitedSeconds = InspectedState.seconds(turn.waited)
    workedSeconds = InspectedState.seconds(turn.worked)
    registered = turn.registeredWords
    ready = turn.readyWords
    done = turn.doneWords
  }
}

extension InspectedState.Connection {
  fileprivate init(_ record: ConnectionRecord, thread: Int, now: Int) {
    descriptor = Int(record.descriptor)
    peer = record.peer.flatMap { $0 == .unix(path: "") ? nil : $0.description }
    self.thread = thread
    ageSeconds = InspectedState.seconds(max(0, now - record.openedAt))
    idleSeconds = InspectedState.seconds(max(0, now - record.activeAt))
    receivedBytes = record.received
    sentBytes = record.sent
    queuedBytes = record.queued
  }
}
