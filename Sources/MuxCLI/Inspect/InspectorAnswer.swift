/// What the inspector answers, apart from how HTTP writes it.
struct InspectorAnswer {
  enum Status {
    case ok, foreign, notFound, notAllowed, failed
  }

  let status: Status
  let headers: KeyValuePairs<String, String>
  let body: String

  static func page(_ html: String) -> InspectorAnswer {
    // The page needs nothing but itself and the server's state, so that is all that the browser lets it have.
    let policy = """
      default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; \
      form-action 'none'; frame-ancestors 'none'
      """
    return InspectorAnswer(
      status: .ok,
      headers: [
        "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Content-Security-Policy": policy,
      ],
      body: html)
  }

  static func json(_ value: some Encodable) -> InspectorAnswer {
    do {
      return InspectorAnswer(
        status: .ok, headers: ["Content-Type": "application/json", "Cache-Control": "no-store"],
        body: try JSON.text(value) + "\n")
    } catch {
      return plain(.failed, "\(error)")
    }
  }

  static let foreign = plain(.foreign, "the inspector isn't that host: use the address that mux prints")

  static let notFound = plain(.notFound, "not found: see / and /state.json")

  static let notAllowed = InspectorAnswer(
    status: .notAllowed, headers: ["Content-Type": "text/plain", "Allow": "GET, HEAD"],
    body: "only GET and HEAD are allowed\n")

  private static func plain(_ status: Status, _ text: String) -> InspectorAnswer {
    InspectorAnswer(status: status, headers: ["Content-Type": "text/plain"], body: "\(text)\n")
  }
}
