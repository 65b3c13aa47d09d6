import Multiplex
import SystemPackage
import Testing

@Suite("MultiplexError") struct MultiplexErrorTests {
  @Test(
    "the reason follows from the call and the error number",
    arguments: [
      ("read", Errno.badFileDescriptor, MultiplexError.Reason.notOpen),
      ("socket", .tooManyOpenFiles, .openFileLimit),
      ("accept4", .tooManyOpenFilesInSystem, .openFileLimit),
      ("epoll_ctl", .fileExists, .alreadyRegistered),
      ("epoll_ctl", .noSuchFileOrDirectory, .notRegistered),
      ("epoll_ctl", .notPermitted, .notPollable),
      ("setsockopt", .invalidArgument, .invalidArgument),
      ("bind", .fileExists, .system),
      ("unlink", .noSuchFileOrDirectory, .system),
      ("bind", .notPermitted, .system),
      ("recv", .connectionReset, .system),
    ])
  func reasons(call: String, errno: Errno, reason: MultiplexError.Reason) {
    let error = MultiplexError(call: call, errno: errno)
    #expect(error.reason == reason)
    #expect(error.errno == errno)
    #expect(error.call == call)
  }

  @Test(
    "there is advice where there is something to do, and otherwise none",
    arguments: [
      ("epoll_ctl", Errno.notPermitted, "regular files"),
      ("epoll_ctl", Errno.notPermitted, "in level mode"),
      ("epoll_ctl", .noSpace, "max_user_watches"),
      ("socket", .tooManyOpenFiles, "ulimit -n"),
      ("socket", .tooManyOpenFilesInSystem, "fs.file-max"),
      ("bind", .addressInUse, "choose another"),
      ("bind", .permissionDenied, "1024"),
      ("connect", .connectionRefused, "is the server running"),
      ("connect", .noSuchFileOrDirectory, "is the server running"),
      ("connect", .permissionDenied, "socket's file"),
      ("connect", .permissionDenied, ".broadcast"),
      ("write", .badFileDescriptor, "for writing"),
      ("recv", .connectionReset, nil),
      ("unlink", .noSuchFileOrDirectory, nil),
      ("getsockopt", .notSocket, nil),
    ] as [(String, Errno, String?)])
  func advice(call: String, errno: Errno, words: String?) {
    let advice = MultiplexError(call: call, errno: errno).advice
    if let words {
      #expect(advice?.contains(words) == true)
    } else {
      #expect(advice == nil)
    }
  }

  @Test("an error's description is one line: the call, its subject, what happened, and what to do")
  func description() {
    let refused = MultiplexError(call: "connect", subject: "127.0.0.1:9", errno: .connectionRefused)
    #expect(
      refused.description
        == "connect 127.0.0.1:9: Connection refused; nothing listens there: is the server running?")
    let file = MultiplexError(call: "epoll_ctl", descriptor: FileDescriptor(rawValue: 7), errno: .notPermitted)
    #expect(file.description.hasPrefix("epoll_ctl on descriptor 7: Operation not permitted; epoll can't wait for"))
    let reset = MultiplexError(call: "recv", descriptor: FileDescriptor(rawValue: 3), errno: .connectionReset)
    #expect(reset.description == "recv on descriptor 3: Connection reset by peer")
    let closed = MultiplexError(call: "epoll_wait", reason: .closed, errno: .badFileDescriptor)
    #expect(closed.description == "epoll_wait: already closed")
  }

  @Test("an invalid argument reported by the kernel isn't described as out of range")
  func invalidArgument() {
    let error = MultiplexError(call: "setsockopt", descriptor: FileDescriptor(rawValue: 3), errno: .invalidArgument)
    #expect(error.description == "setsockopt on descriptor 3: Invalid argument")
  }

  @Test("errors with the same contents are equal")
  func equality() {
    let error = MultiplexError(call: "recv", descriptor: FileDescriptor(rawValue: 3), errno: .connectionReset)
    #expect(error == MultiplexError(call: "recv", descriptor: FileDescriptor(rawValue: 3), errno: .connectionReset))
    #expect(error != MultiplexError(call: "recv", descriptor: FileDescriptor(rawValue: 4), errno: .connectionReset))
    #expect(error != MultiplexError(call: "send", descriptor: FileDescriptor(rawValue: 3), errno: .connectionReset))
  }
}
