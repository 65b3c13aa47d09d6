import Multiplex

/// What a run of `mux bench` is to do.
struct BenchPlan {
  /// When it has done enough.
  enum End {
    case after(Duration)
    case requests(Int)
  }

  let target: Endpoint
  let connections: Int
  /// Of each message, in bytes.
  let size: Int
  /// How many messages may be on the way on a connection at a time.
  let pipeline: Int
  let end: End
  /// Messages per second, over all connections; nil sends the next as soon as one is back.
  let rate: Double?
  let warmUp: Duration
  /// How long connecting, or an answer, may take.
  let timeout: Duration
  let backend: Poller.Backend
}
