import Synchronization

/// Records what happens, in order, from any thread.
final class Recorder<Element: Sendable>: Sendable {
  private let list = Mutex<[Element]>([])

  var elements: [Element] { list.withLock { $0 } }

  func add(_ element: Element) {
    list.withLock { $0.append(element) }
  }

  /// Removes the element that was added first.
  func takeFirst() -> Element? {
    list.withLock { $0.isEmpty ? nil : $0.removeFirst() }
  }
}
