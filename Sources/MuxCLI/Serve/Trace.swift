import Multiplex
import MultiplexAsync

/// Prints each turn of a reactor: what was registered, what was ready, what was done.
enum Trace {
  /// Makes the trace of a reactor.
  ///
  /// - Parameters:
  ///   - backend: The backend of the reactor.
  ///   - thread: The number of the thread, printed before each turn; nil if there is only one.
  static func observer(backend: Poller.Backend, thread: Int?) -> any ReactorObserver {
    let prefix = thread.map { "thread \($0) " } ?? ""
    return TurnCollector(backend: backend) { Console.print(lines(of: $0, prefix).joined(separator: "\n")) }
  }

  private static func lines(of turn: Turn, _ prefix: String) -> [String] {
    let label = "\(prefix)turn \(turn.number)"
    let margin = String(repeating: " ", count: label.count)
    let ready = turn.ready.isEmpty ? "nothing" : turn.readyWords.joined(separator: ", ")
    return [
      "\(label)  registered: \(turn.registeredWords.joined(separator: ", "))", "\(margin)  ready:      \(ready)",
    ] + turn.doneWords.map { "\(margin)  done:       \($0)" }
  }
}
