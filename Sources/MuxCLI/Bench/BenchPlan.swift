import Multiplex

/// The work of a run of `mux bench`.
struct BenchPlan {
  /// When the run ends.
  enum End {
    case after(Duration)
    case requests(Int)
  }

  let target: Endpoint
  let connections: Int
  /// The size of each message, in bytes.
  let size: Int
  /// The maximum number of messages in flight per connection.
  let pipeline: Int
  let end: End
  /// Messages per second over all connections; nil to send the next message as soon as one has come back.
  let rate: Double?
  let warmUp: Duration
  /// The time limit for connecting, and for a response.
  let timeout: Duration
  let backend: Poller.Backend
}
