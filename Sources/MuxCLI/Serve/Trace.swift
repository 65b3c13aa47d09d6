import Multiplex
import SystemPackage

/// Shows the loop at work, turn by turn: what was registered, what was ready, what was done.
final class Trace {
  private var turn = 0
  private var ready: [String] = []
  private var done: [String] = []

  func found(_ descriptor: FileDescriptor, _ readiness: Readiness) {
    ready.append("\(descriptor.rawValue) \(readiness)")
  }

  func did(_ descriptor: FileDescriptor, _ action: Action) {
    done.append("\(descriptor.rawValue) \(action)")
  }

  /// Prints the turn and begins the next.
  ///
  /// - Parameter registered: The descriptors that the turn waited for, and what for.
  func endTurn(registered: [String]) {
    guard !ready.isEmpty || !done.isEmpty else { return }
    turn += 1
    let label = "turn \(turn)"
    let margin = String(repeating: " ", count: label.count)
    Console.print("\(label)  registered: \(registered.joined(separator: ", "))")
    Console.print("\(margin)  ready:      \(ready.isEmpty ? "nothing" : ready.joined(separator: ", "))")
    for line in done { Console.print("\(margin)  done:       \(line)") }
    ready = []
    done = []
  }
}
