import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

/// What register, modify and unregister accept and refuse, and what they leave behind.
@Suite struct RegistrationTests {
  @Test("the count follows register and unregister", arguments: usableBackends)
  func count(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    #expect(poller.count == 0)
    try poller.register(near, for: .read)
    try poller.register(far, for: .read)
    try poller.modify(near, for: .write)
    #expect(poller.count == 2)
    try poller.unregister(near)
    #expect(poller.count == 1)
    try poller.unregister(far)
    #expect(poller.count == 0)
  }

  @Test("a duplicate registration is refused and changes nothing", arguments: usableBackends, TriggerMode.allCases)
  func duplicate(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read, token: 1)
    for other in TriggerMode.allCases {
      let reason = refusal { () throws(MultiplexError) in
        try poller.register(near, for: .write, mode: other, token: 2)
      }
      #expect(reason == .alreadyRegistered)
    }
    #expect(poller.count == 1)
    #expect(try poller.found() == [:], "the interest in writing was refused")
    try far.fileDescriptor.put()
    #expect(try poller.tokens(within: patience) == [1])
    #expect(try poller.tokens() == [1], "the mode is as it was")
  }

  @Test("a duplicate is recognized by its descriptor, whatever object it comes with", arguments: usableBackends)
  func duplicateByDescriptor(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .read)
    let byNumber = refusal { () throws(MultiplexError) in try poller.register(near.fileDescriptor, for: .read) }
    #expect(byNumber == .alreadyRegistered)
    try poller.unregister(near.fileDescriptor)
    #expect(refusal { () throws(MultiplexError) in try poller.unregister(near) } == .notRegistered)
  }

  @Test("two descriptors of one open file are two registrations", arguments: usableBackends, TriggerMode.allCases)
  func duplicateOfFile(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let second = try OwnedDescriptor(duplicating: near.fileDescriptor)
    try poller.register(near, for: .read, mode: mode, token: 1)
    try poller.register(second, for: .read, mode: mode, token: 2)
    try far.fileDescriptor.put()
    #expect(try poller.tokens(within: patience) == [1, 2])
    try poller.unregister(near)
    try far.fileDescriptor.put()
    try poller.modify(second, for: .read)
    #expect(try poller.tokens(within: patience) == [2])
  }

  @Test("an unknown descriptor can't be modified, unregistered or taken", arguments: usableBackends)
  func unknown(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    let key = near.fileDescriptor
    #expect(refusal { () throws(MultiplexError) in try poller.modify(key, for: .read) } == .notRegistered)
    #expect(refusal { () throws(MultiplexError) in try poller.unregister(key) } == .notRegistered)
    #expect(refusal { () throws(MultiplexError) in _ = try poller.take(key) } == .notRegistered)
    #expect(poller.count == 0)
  }

  @Test("a negative descriptor isn't open", arguments: usableBackends, TriggerMode.allCases)
  func negative(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    for number in [Int32.min, -2] {
      let descriptor = FileDescriptor(rawValue: number)
      let reason = refusal { () throws(MultiplexError) in try poller.register(descriptor, for: .read, mode: mode) }
      #expect(reason == .notOpen)
      #expect(refusal { () throws(MultiplexError) in try poller.unregister(descriptor) } == .notRegistered)
    }
    #expect(poller.count == 0)
  }

  @Test("a closed socket is refused as such, with advice", arguments: usableBackends)
  func closedSocket(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let multiplexer = try Multiplexer<Int>(backend: backend)
    let (near, far) = try Socket.pair()
    near.close()
    far.close()
    let registering = [
      #expect(throws: MultiplexError.self) { try poller.register(near, for: .read) },
      #expect(throws: MultiplexError.self) { try multiplexer.register(near, for: .read, attachment: 1) },
    ]
    let others = [
      #expect(throws: MultiplexError.self) { try poller.modify(near, for: .read) },
      #expect(throws: MultiplexError.self) { try poller.unregister(near) },
      #expect(throws: MultiplexError.self) { try multiplexer.modify(near, for: .read) },
      #expect(throws: MultiplexError.self) { try multiplexer.modify(near, attachment: 1) },
      #expect(throws: MultiplexError.self) { try multiplexer.unregister(near) },
    ]
    for error in registering + others { #expect(error?.reason == .closed) }
    for error in registering { #expect(error?.advice?.contains("make another") == true) }
    for error in others { #expect(error?.advice?.contains("before it is closed") == true) }
  }

  @Test("a number beyond all open files isn't open", arguments: usableBackends, TriggerMode.allCases)
  func huge(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    // A table large enough to hold it would take more memory than there is.
    let descriptor = FileDescriptor(rawValue: .max)
    let reason = refusal { () throws(MultiplexError) in try poller.register(descriptor, for: .read, mode: mode) }
    #expect(reason == .notOpen)
    #expect(refusal { () throws(MultiplexError) in try poller.unregister(descriptor) } == .notRegistered)
    #expect(poller.count == 0)
    #expect(try poller.found() == [:])
  }

  @Test(
    "registering a closed descriptor fails and leaves nothing behind", arguments: usableBackends,
    TriggerMode.allCases)
  func closed(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
    let number = owned.fileDescriptor
    try owned.close()
    let reason = refusal { () throws(MultiplexError) in try poller.register(number, for: .read, mode: mode, token: 1) }
    #expect(reason == .notOpen)
    #expect(poller.count == 0)
    #expect(try poller.found() == [:])

    try number.become(near.fileDescriptor)
    let again = OwnedDescriptor(adopting: number)
    try poller.register(again, for: .read, mode: mode, token: 2)
    try far.fileDescriptor.put()
    #expect(try poller.tokens(within: patience) == [2])
  }

  @Test("the poller's own checks come before the kernel's", arguments: usableBackends)
  func validationFirst(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
    let number = owned.fileDescriptor
    try poller.register(number, for: .read)
    try owned.close()
    // The kernel would report that it isn't open.
    #expect(refusal { () throws(MultiplexError) in try poller.register(number, for: .read) } == .alreadyRegistered)
    try poller.unregister(number)
    poller.close()
    #expect(refusal { () throws(MultiplexError) in try poller.register(number, for: .read) } == .closed)
  }

  @Test("a regular file is either refused, leaving nothing behind, or always ready", arguments: usableBackends)
  func regularFile(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let file = try regularFile()
    let key = file.fileDescriptor
    switch refusal({ () throws(MultiplexError) in try poller.register(key, for: .read | .write) }) {
    case nil: #expect(try poller.found(within: patience) == [key: [.readable, .writable]])
    case .notPollable: #expect(poller.count == 0)
    case let other: Issue.record("refused for another reason: \(String(describing: other))")
    }
  }

  @Test(
    "select, poll and io_uring report a regular file as always ready",
    arguments: [Poller.Backend.select, .poll, .ioUring].filter(usableBackends.contains))
  func regularFileIsReady(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let file = try regularFile()
    try poller.register(file, for: .read, mode: .oneShot)
    #expect(try poller.found(within: patience) == [file.fileDescriptor: [.readable]])
    #expect(try poller.found() == [:])
  }

  @Test(
    "select, poll and io_uring never report a regular file for priority data, and keep reporting others",
    arguments: [Poller.Backend.select, .poll, .ioUring].filter(usableBackends.contains), [TriggerMode.level, .oneShot])
  func regularFileHasNoPriorityData(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let file = try regularFile()
    try poller.register(file, for: .priority, mode: mode)
    let (near, far) = try Socket.pair()
    try poller.register(near, for: .read)
    for _ in 0..<2 { #expect(try poller.found() == [:]) }
    #expect(try poller.found(within: .milliseconds(5)) == [:])
    try far.fileDescriptor.put()
    #expect(try poller.found(within: patience) == [near.fileDescriptor: [.readable]])
    try poller.modify(file, for: .read, mode: mode)
    let both: [FileDescriptor: Readiness] = [file.fileDescriptor: [.readable], near.fileDescriptor: [.readable]]
    #expect(try poller.found(within: patience) == both)
    try poller.unregister(file)
    #expect(try poller.found() == [near.fileDescriptor: [.readable]])
  }

  @Test("edge mode refuses a regular file, whose readiness never changes", arguments: usableBackends)
  func regularFileEdge(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let file = try regularFile()
    let key = file.fileDescriptor
    let reason = refusal { () throws(MultiplexError) in try poller.register(key, for: .read, mode: .edge) }
    #expect(reason == .notPollable)
    #expect(poller.count == 0)
    #expect(try poller.found() == [:])
  }

  @Test("tokens are returned as given", arguments: usableBackends, TriggerMode.allCases)
  func tokens(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    for token in [0, 1, UInt64(UInt32.max) + 1, .max] {
      let (near, far) = try Socket.pair()
      defer { far.close() }
      try poller.register(near, for: .write, mode: mode, token: token)
      #expect(try poller.tokens(within: patience) == [token])
      try poller.modify(near, for: .read | .write)
      #expect(try poller.tokens(within: patience) == [token], "modifying leaves the token alone")
      try poller.unregister(near)
    }
  }

  @Test(
    "modify replaces the token if one is given, also for an event that isn't visited yet", arguments: usableBackends)
  func newToken(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .write, token: 1)
    let batch = try poller.wait(timeout: patience)
    try poller.modify(near, for: .write, token: 2)
    #expect(batch.map(\.token) == [2])
    #expect(try poller.tokens(within: patience) == [2])
    try poller.modify(near, for: .read | .write)
    #expect(try poller.tokens(within: patience) == [2])
  }

  @Test("modify replaces the interest", arguments: usableBackends, TriggerMode.allCases)
  func modifyReplaces(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    try far.fileDescriptor.put()
    try poller.register(near, for: .priority, mode: mode)
    #expect(try poller.found() == [:])
    for interest in Interest.combinations {
      try poller.modify(near, for: interest)
      let expected = kernelReadiness(of: near.fileDescriptor, for: interest)
      #expect(try poller.found() == (expected.isEmpty ? [:] : [near.fileDescriptor: expected]))
    }
  }

  @Test(
    "modifying a descriptor that was closed fails and drops it", arguments: usableBackends, TriggerMode.allCases)
  func modifyClosed(backend: Poller.Backend, mode: TriggerMode) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    for newMode in TriggerMode.allCases {
      let owned = try OwnedDescriptor(duplicating: near.fileDescriptor).renumbered()
      let number = owned.fileDescriptor
      try poller.register(number, for: .read, mode: mode)
      try owned.close()
      let reason = refusal { () throws(MultiplexError) in try poller.modify(number, for: .write, mode: newMode) }
      #expect(reason == .notOpen)
      #expect(poller.count == 0)
      #expect(refusal { () throws(MultiplexError) in try poller.unregister(number) } == .notRegistered)
      #expect(try poller.found() == [:])
    }
  }

  @Test("a closed poller refuses every operation, and closing it again does nothing", arguments: usableBackends)
  func closedPoller(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    let key = near.fileDescriptor
    try poller.register(near, for: .write)
    let batch = try poller.wait(timeout: patience)
    poller.close()
    poller.close()
    #expect(poller.isClosed)
    #expect(poller.count == 0)
    #expect(batch.isEmpty)
    #expect(refusal { () throws(MultiplexError) in try poller.register(key, for: .read) } == .closed)
    #expect(refusal { () throws(MultiplexError) in try poller.modify(key, for: .read) } == .closed)
    #expect(refusal { () throws(MultiplexError) in try poller.unregister(key) } == .closed)
    #expect(refusal { () throws(MultiplexError) in _ = try poller.take(key) } == .closed)
    #expect(refusal { () throws(MultiplexError) in _ = try poller.wait(timeout: .zero) } == .closed)
    poller.waker.wake()
  }

  @Test("descriptors that a poller opens are closed on exec", arguments: usableBackends)
  func closeOnExec(backend: Poller.Backend) throws {
    let poller = try Poller(backend: backend)
    let (near, far) = try Socket.pair()
    defer { far.close() }
    try poller.register(near, for: .read, mode: .edge)
    // Neither the tests nor their runtime open such files for child processes.
    let kinds = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[io_uring]"]
    var seen = 0
    for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
      let path = "/proc/self/fd/\(name)"
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path), kinds.contains(target),
        // Another test may have closed it meanwhile.
        let info = try? String(contentsOfFile: "/proc/self/fdinfo/\(name)", encoding: .utf8),
        let line = info.split(separator: "\n").first(where: { $0.hasPrefix("flags:") }),
        let flags = line.split(separator: "\t").last.flatMap({ UInt32($0, radix: 8) })
      else { continue }
      seen += 1
      #expect(flags & 0o2000000 != 0, "descriptor \(name), \(target)")
    }
    #expect(seen >= 2)
  }

  private func regularFile() throws -> OwnedDescriptor {
    let path = FilePath("/proc/self/exe")
    return OwnedDescriptor(adopting: try FileDescriptor.open(path, .readOnly, options: .closeOnExec))
  }
}
