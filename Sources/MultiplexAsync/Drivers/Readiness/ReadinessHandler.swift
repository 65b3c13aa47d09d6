internal import Multiplex

/// Is notified when a descriptor of a readiness driver is ready.
protocol ReadinessHandler: AnyObject {
  func handle(_ readiness: Readiness)
}
