internal import Multiplex

/// What is to be told when a descriptor of a readiness driver is ready.
protocol ReadinessHandler: AnyObject {
  func handle(_ readiness: Readiness)
}
