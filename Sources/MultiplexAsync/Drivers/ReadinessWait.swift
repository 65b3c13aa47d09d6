internal import Multiplex

/// One wait for a borrowed descriptor to be ready.
final class ReadinessWait: CancellableWait {
  let descriptor: Int32
  let interest: Interest
  private var body: ((Readiness) -> Void)?
  private let onCancel: (ReadinessWait) -> Void

  init(
    descriptor: Int32, interest: Interest, body: @escaping (Readiness) -> Void,
    onCancel: @escaping (ReadinessWait) -> Void
  ) {
    self.descriptor = descriptor
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
