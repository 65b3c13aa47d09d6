internal import Multiplex

/// One wait for a borrowed descriptor to be ready.
final class ReadinessWait: CancellableWait {
  let interest: Interest
  private var body: ((Readiness) -> Void)?
  private let onCancel: (ReadinessWait) -> Void

  init(
    for interest: Interest, body: @escaping (Readiness) -> Void, onCancel: @escaping (ReadinessWait) -> Void
  ) {
    self.interest = interest
    self.body = body
    self.onCancel = onCancel
  }

  func finish(_ readiness: Readiness) {
    let body = self.body
    self.body = nil
    body?(readiness)
  }

  func cancel() {
    guard body != nil else { return }
    body = nil
    onCancel(self)
  }
}
