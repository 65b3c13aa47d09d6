import Multiplex
import MultiplexAsync
import Synchronization
import SystemPackage

/// Prints each turn of a reactor: what was registered, what was ready, what was done.
final class Trace: ReactorObserver {
  private struct State {
    var turn = 0
    /// What each descriptor is, and what it is registered for.
    var registered: [Int32: (what: String, interest: Interest)] = [:]
    /// What was registered when the turn began.
    var registeredBefore: [String] = []
    var ready: [String] = []
    var done: [(descriptor: Int32, action: Action)] = []
  }

  /// Printed before each turn; empty if there is only one thread.
  private let prefix: String
  /// Whether connections are registered once, for reading and writing, as on backends with edge-triggered events.
  private let hasEdges: Bool
  /// Used only by the reactor's thread: the lock is never contended.
  private let state = Mutex(State())

  /// Makes the trace of a reactor.
  ///
  /// - Parameters:
  ///   - backend: The backend of the reactor.
  ///   - thread: The number of the thread; nil if there is only one.
  init(backend: Poller.Backend, thread: Int?) {
    prefix = thread.map { "thread \($0) " } ?? ""
    hasEdges = !backend.emulatedModes.contains(.edge)
  }

  func ready(_ descriptor: FileDescriptor, for readiness: Readiness) {
    state.withLock { $0.ready.append("\(descriptor.rawValue) \(readiness)") }
  }

  func turnEnded(readyCount: Int) {
    let lines = state.withLock { endTurn(&$0) }
    if !lines.isEmpty { Console.print(lines.joined(separator: "\n")) }
  }

  func listening(_ listener: ObservedListener) {
    state.withLock { $0.registered[listener.descriptor.rawValue] = ("listener", .read) }
  }

  func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) {
    did(listener.descriptor, .refused(error.description))
  }

  func stoppedListening(_ listener: ObservedListener) {
    state.withLock { $0.registered[listener.descriptor.rawValue] = nil }
  }

  func opened(_ connection: ObservedConnection) {
    did(connection.descriptor, .accepted(connection.peer.clientName))
    expect(connection, queued: 0)
  }

  func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int) {
    did(connection.descriptor, .closed(reason.description))
    state.withLock { $0.registered[connection.descriptor.rawValue] = nil }
  }

  func received(_ count: Int, on connection: ObservedConnection) {
    moved(connection) { received, _, _ in received += count }
  }

  func receivedEnd(on connection: ObservedConnection) {
    did(connection.descriptor, .endOfInput)
  }

  func sent(_ count: Int, on connection: ObservedConnection) {
    moved(connection) { _, sent, _ in sent += count }
  }

  func queued(_ count: Int, on connection: ObservedConnection) {
    moved(connection) { _, _, queued in queued = count }
    expect(connection, queued: count)
  }
}

extension Trace {
  private func did(_ descriptor: FileDescriptor, _ action: Action) {
    state.withLock { $0.done.append((descriptor.rawValue, action)) }
  }

  /// Notes bytes that moved on a connection. Consecutive moves on the same connection become one line.
  private func moved(
    _ connection: ObservedConnection, _ add: (_ received: inout Int, _ sent: inout Int, _ queued: inout Int) -> Void
  ) {
    state.withLock { state in
      var (received, sent, queued) = (0, 0, 0)
      let fd = connection.descriptor.rawValue
      if let (descriptor, action) = state.done.last, descriptor == fd,
        case .moved(let receivedBefore, let sentBefore, let queuedBefore) = action
      {
        (received, sent, queued) = (receivedBefore, sentBefore, queuedBefore)
        state.done.removeLast()
      }
      add(&received, &sent, &queued)
      state.done.append((fd, .moved(received: received, sent: sent, queued: queued)))
    }
  }

  private func expect(_ connection: ObservedConnection, queued: Int) {
    let interest: Interest = hasEdges || queued > 0 ? .read | .write : .read
    state.withLock { $0.registered[connection.descriptor.rawValue] = ("client", interest) }
  }

  /// Ends a turn.
  ///
  /// - Returns: The lines to print; none if nothing happened.
  private func endTurn(_ state: inout State) -> [String] {
    defer {
      state.ready = []
      state.done = []
      state.registeredBefore = state.registered.sorted { $0.key < $1.key }.map { descriptor, registration in
        "\(descriptor) \(registration.what) for \(registration.interest)"
      }
    }
    guard !state.ready.isEmpty || !state.done.isEmpty else { return [] }
    state.turn += 1
    let label = "\(prefix)turn \(state.turn)"
    let margin = String(repeating: " ", count: label.count)
    let ready = state.ready.isEmpty ? "nothing" : state.ready.joined(separator: ", ")
    return [
      "\(label)  registered: \(state.registeredBefore.joined(separator: ", "))", "\(margin)  ready:      \(ready)",
    ] + state.done.map { "\(margin)  done:       \($0.descriptor) \($0.action)" }
  }
}
