/// A request to the inspector.
struct InspectorRequest {
  let method: String
  let path: String

  /// Whether it asks for something without changing anything.
  var isReading: Bool { method == "GET" || method == "HEAD" }
}
