import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Where system calls, and libraries built on them, disagree with one another, all backends agree.
@Suite struct DisagreementTests {
  /// What happens on each backend, or one value if they agree.
  private func outcomes<Outcome: Hashable>(_ body: (Poller) throws -> Outcome) throws -> Set<Outcome> {
    Set(try usableBackends.map { try body(Poller(backend: $0)) })
  }

  @Test("an interest is never empty, so no backend has to handle an empty one")
  func emptyInterest() {
    for interest in Interest.combinations {
      #expect(interest.removing(interest) == nil)
      let parts = [Interest.read, .write, .priority].filter(interest.contains)
      #expect(!parts.isEmpty)
      let rebuilt = parts.dropFirst().reduce(parts[0], |)
      #expect(rebuilt == interest)
    }
    #expect((Interest.read | .write).removing(.write) == .read)
    #expect(Interest.read.removing(.priority) == .read)
  }

  @Test("a duplicate, an unknown descriptor and a closed poller are three distinct errors on every backend")
  func threeErrors() throws {
    let reasons = try outcomes { poller in
      let (near, far) = try Socket.pair()
      try poller.register(near, for: .read)
      let duplicate = refusal { () throws(MultiplexError) in try poller.register(near, for: .read) }
      let unknown = refusal { () throws(MultiplexError) in try poller.unregister(far) }
      poller.close()
      let closed = refusal { () throws(MultiplexError) in try poller.unregister(near) }
      return [duplicate, unknown, closed]
    }
    #expect(reasons == [[.alreadyRegistered, .notRegistered, .closed]])
  }

  @Test("errors have the same wording on every backend, and name the call and the descriptor")
  func wording() throws {
    let (near, far) = try Socket.pair()
    let texts = try outcomes { poller in
      try poller.register(near, for: .read)
      var texts: [String] = []
      do { try poller.register(near, for: .read) } catch { texts.append("\(error)") }
      do { try poller.modify(far, for: .read) } catch { texts.append("\(error)") }
      return texts
    }
    #expect(texts.count == 1)
    let lines = texts.first ?? []
    #expect(lines.count == 2)
    #expect(lines.first?.contains("Poller.register on descriptor \(near.fileDescriptor.rawValue)") == true)
    #expect(lines.last?.contains("Poller.modify on descriptor \(far.fileDescriptor.rawValue)") == true)
  }

  @Test("a descriptor that was closed while it was registered is reported as invalid once, and can be unregistered")
  func closedWhileRegistered() throws {
    for mode in TriggerMode.allCases {
      let stories = try outcomes { poller in
        let pipe = try PipeDescriptors()
        let owned = try pipe.reader.renumbered()
        let number = owned.fileDescriptor
        try poller.register(number, for: .read, mode: mode)
        try owned.close()
        var story: [Readiness] = []
        _ = try eventually {
          for event in try poller.wait(timeout: .milliseconds(1)) { story.append(event.readiness) }
          return !story.isEmpty
        }
        for event in try poller.wait(timeout: .milliseconds(5)) { story.append(event.readiness) }
        try poller.unregister(number)
        return story
      }
      #expect(stories == [[.invalid]])
    }
  }

  @Test("every backend reports a disconnected peer in the same way")
  func peerGone() throws {
    for mode in TriggerMode.allCases {
      for interest in Interest.combinations {
        let found = try outcomes { poller in
          let (near, far) = try Socket.pair()
          try far.fileDescriptor.put()
          try far.shutdown(.both)
          try poller.register(near, for: interest, mode: mode)
          return try poller.wait(timeout: patience).map(\.readiness)
        }
        #expect(found.count == 1)
        #expect(found.first?.first?.contains(.hangUp) == true)
      }
    }
  }

  @Test("a batch has the events of one wait only, and none after the poller is closed")
  func batches() throws {
    let counts = try outcomes { poller in
      let (near, far) = try Socket.pair()
      defer { far.close() }
      try poller.register(near, for: .write)
      let first = try poller.wait(timeout: patience)
      let second = try poller.wait(timeout: patience)
      let before = [first.count { _ in true }, second.count { _ in true }]
      poller.close()
      return before + [second.count { _ in true }]
    }
    #expect(counts == [[0, 1, 0]])
  }
}
