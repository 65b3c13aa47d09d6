import Multiplex
import MultiplexAsync
import SystemPackage

/// Records the events an observer is notified of, and on which thread.
final class RecordingObserver: ReactorObserver {
  enum Happening: Sendable {
    case ready(FileDescriptor, Readiness)
    case turnEnded(readyCount: Int)
    case waitFailed(MultiplexError)
    case listening(ObservedListener)
    case acceptFailed(ObservedListener, MultiplexError)
    case stoppedListening(ObservedListener)
    case connectFailed(SocketAddress, ConnectionError)
    case opened(ObservedConnection)
    case closed(ObservedConnection, CloseReason, unsent: Int)
    case received(ObservedConnection, Int)
    case receivedEnd(ObservedConnection)
    case sent(ObservedConnection, Int)
    case queued(ObservedConnection, Int)
  }

  let events: ReactorEvents
  private let recorder = Recorder<(Happening, ListedThread?)>()

  init(_ events: ReactorEvents = .all) {
    self.events = events
  }

  var all: [Happening] { recorder.elements.map(\.0) }
  var threads: Set<ListedThread?> { Set(recorder.elements.map(\.1)) }

  func ready(_ descriptor: FileDescriptor, for readiness: Readiness) { add(.ready(descriptor, readiness)) }
  func turnEnded(readyCount: Int) { add(.turnEnded(readyCount: readyCount)) }
  func waitFailed(because error: MultiplexError) { add(.waitFailed(error)) }
  func listening(_ listener: ObservedListener) { add(.listening(listener)) }
  func acceptFailed(_ listener: ObservedListener, because error: MultiplexError) { add(.acceptFailed(listener, error)) }
  func stoppedListening(_ listener: ObservedListener) { add(.stoppedListening(listener)) }
  func connectFailed(to address: SocketAddress, because error: ConnectionError) { add(.connectFailed(address, error)) }
  func opened(_ connection: ObservedConnection) { add(.opened(connection)) }
  func closed(_ connection: ObservedConnection, because reason: CloseReason, unsent: Int) {
    add(.closed(connection, reason, unsent: unsent))
  }
  func received(_ count: Int, on connection: ObservedConnection) { add(.received(connection, count)) }
  func receivedEnd(on connection: ObservedConnection) { add(.receivedEnd(connection)) }
  func sent(_ count: Int, on connection: ObservedConnection) { add(.sent(connection, count)) }
  func queued(_ count: Int, on connection: ObservedConnection) { add(.queued(connection, count)) }

  private func add(_ happening: Happening) {
    recorder.add((happening, .current))
  }
}

extension RecordingObserver {
  var listeners: [ObservedListener] {
    all.compactMap { if case .listening(let listener) = $0 { listener } else { nil } }
  }

  var stoppedListeners: [ObservedListener] {
    all.compactMap { if case .stoppedListening(let listener) = $0 { listener } else { nil } }
  }

  var acceptFailures: [MultiplexError] {
    all.compactMap { if case .acceptFailed(_, let error) = $0 { error } else { nil } }
  }

  var waitFailures: [MultiplexError] {
    all.compactMap { if case .waitFailed(let error) = $0 { error } else { nil } }
  }

  var connectFailures: [(address: SocketAddress, error: ConnectionError)] {
    all.compactMap { if case .connectFailed(let address, let error) = $0 { (address, error) } else { nil } }
  }

  var opened: [ObservedConnection] {
    all.compactMap { if case .opened(let connection) = $0 { connection } else { nil } }
  }

  /// Why connections were closed, and how many bytes each has lost.
  var closed: [(reason: CloseReason, unsent: Int)] {
    all.compactMap { if case .closed(_, let reason, let unsent) = $0 { (reason, unsent) } else { nil } }
  }

  var turnCount: Int { all.count { if case .turnEnded = $0 { true } else { false } } }
  var received: [Int] { all.compactMap { if case .received(_, let count) = $0 { count } else { nil } } }
  var sent: [Int] { all.compactMap { if case .sent(_, let count) = $0 { count } else { nil } } }
  var queued: [Int] { all.compactMap { if case .queued(_, let count) = $0 { count } else { nil } } }

  /// The events of one connection, in order and in a few words.
  func story(of connection: ObservedConnection) -> [String] {
    all.compactMap { happening in
      switch happening {
      case .opened(connection): "opened"
      case .received(connection, let count): "received \(count)"
      case .receivedEnd(connection): "received the end"
      case .sent(connection, let count): "sent \(count)"
      case .queued(connection, let count): "queued \(count)"
      case .closed(connection, let reason, let unsent): "closed: \(reason), unsent \(unsent)"
      default: nil
      }
    }
  }
}
