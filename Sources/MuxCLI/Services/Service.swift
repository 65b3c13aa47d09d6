import MultiplexAsync

/// What a server does with a connection, in a task of its own.
protocol Service: SendableMetatype {
  /// Serves a connection to its end.
  static func serve(_ connection: Connection) async throws
}
