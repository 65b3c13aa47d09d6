import CMultiplex
import Multiplex
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// The other end of its pipe shows whether a descriptor was closed, since its number may be reused meanwhile.
@Suite("OwnedDescriptor") struct OwnedDescriptorTests {
  @Test("an owned descriptor is closed at the end of its scope")
  func scope() throws {
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    func use(_ writer: consuming OwnedDescriptor) throws { try writer.put("x") }
    try use(writer)
    #expect(try pipe.reader.take() == "x")
    #expect(try pipe.reader.ends())
  }

  @Test("an owned descriptor is open until the end of its scope, used or not")
  func untilTheEnd() throws {
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    let lent = writer.fileDescriptor
    #expect(try pipe.reader.take() == nil)
    #expect(try unsafe [1].withUnsafeBytes { try unsafe lent.write($0) } == MemoryLayout<Int>.size)
    _ = consume writer
  }

  @Test("an owned descriptor is closed at once where it is dropped")
  func dropped() throws {
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    _ = consume writer
    #expect(try pipe.reader.ends())
  }

  @Test("close closes an owned descriptor, and the end of its scope doesn't close the number again")
  func closedOnce() throws {
    let pipe = try PipeDescriptors()
    let writer = try OwnedDescriptor(duplicating: pipe.writer.fileDescriptor).renumbered()
    try pipe.writer.close()
    let sentinel = try PipeDescriptors()
    let number = writer.fileDescriptor.rawValue
    func use(_ writer: consuming OwnedDescriptor, _ other: Int32) throws {
      let number = writer.fileDescriptor.rawValue
      try writer.close()
      // Another file gets the number.
      try Kernel.duplicate(other, as: number)
    }
    try use(writer, sentinel.writer.fileDescriptor.rawValue)
    #expect(try pipe.reader.ends())
    let other = OwnedDescriptor(adopting: number)
    try sentinel.writer.close()
    // The sentinel's only writer has that number: it is still open.
    #expect(try sentinel.reader.take() == nil)
    try other.close()
    #expect(try sentinel.reader.ends())
  }

  @Test("a released descriptor is the caller's to close")
  func released() throws {
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    func release(_ writer: consuming OwnedDescriptor) -> FileDescriptor { writer.release() }
    let descriptor = release(writer)
    #expect(try pipe.reader.take() == nil)
    try descriptor.close()
    #expect(try pipe.reader.ends())
  }

  @Test("an owned descriptor is closed when an error ends its scope")
  func thrown() throws {
    struct Failure: Error {}
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    func fail(_ writer: consuming OwnedDescriptor) throws {
      try writer.put("x")
      throw Failure()
    }
    do {
      try fail(writer)
      Issue.record("nothing was thrown")
    } catch is Failure {}
    #expect(try pipe.reader.take() == "x")
    #expect(try pipe.reader.ends())
  }

  @Test("an initializer that throws closes the descriptor it was given")
  func throwingInitializer() throws {
    struct Failure: Error {}
    struct Holder: ~Copyable {
      let descriptor: OwnedDescriptor
      init(_ descriptor: consuming OwnedDescriptor, fails: Bool) throws {
        self.descriptor = descriptor
        if fails { throw Failure() }
      }
    }
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    do {
      _ = try Holder(writer, fails: true)
      Issue.record("nothing was thrown")
    } catch is Failure {}
    #expect(try pipe.reader.ends())
  }

  @Test("an owned descriptor in an object is closed with the last reference")
  func inClass() throws {
    final class Holder {
      let descriptor: OwnedDescriptor
      init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
    }
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    var first: Holder? = Holder(writer)
    var second = first
    first = nil
    #expect(try pipe.reader.take() == nil)
    try second?.descriptor.put("x")
    second = nil
    #expect(try pipe.reader.take() == "x")
    #expect(try pipe.reader.ends())
  }

  @Test("an owned descriptor in an optional is closed when the optional becomes nil")
  func inOptional() throws {
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    var optional: OwnedDescriptor? = consume writer
    #expect(try pipe.reader.take() == nil)
    optional = nil
    #expect(try pipe.reader.ends())
    _ = consume optional
  }

  @Test("assigning to a variable closes the old descriptor")
  func reassigned() throws {
    let first = try PipeDescriptors()
    let second = try PipeDescriptors()
    var writer = first.writer
    #expect(try first.reader.take() == nil)
    writer = second.writer
    #expect(try first.reader.ends())
    #expect(try second.reader.take() == nil)
    try writer.close()
    #expect(try second.reader.ends())
  }

  @Test("an owned descriptor that is taken out of a mutex and dropped is closed")
  func inMutex() throws {
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    let mutex = Mutex<OwnedDescriptor?>(consume writer)
    #expect(try pipe.reader.take() == nil)
    let taken = mutex.withLock { $0.take() }
    let isEmpty = mutex.withLock { $0 == nil }
    #expect(isEmpty)
    #expect(try pipe.reader.take() == nil)
    _ = consume taken
    #expect(try pipe.reader.ends())
  }

  @Test("an owned descriptor left in a mutex is closed with the mutex")
  func leftInMutex() throws {
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    func hold(_ writer: consuming OwnedDescriptor) {
      let mutex = Mutex<OwnedDescriptor?>(consume writer)
      mutex.withLock { _ in }
    }
    hold(writer)
    #expect(try pipe.reader.ends())
  }

  @Test("a dropped pipe closes both ends, and one that is taken apart closes the remaining end")
  func pipes() throws {
    func takeReader(_ pipe: consuming PipeDescriptors) -> OwnedDescriptor { pipe.reader }
    let pipe = try PipeDescriptors()
    let outer = try OwnedDescriptor(duplicating: pipe.writer.fileDescriptor)
    let reader = takeReader(pipe)
    #expect(try reader.take() == nil)
    try outer.close()
    #expect(try reader.ends())
  }

  @Test("an adopted socket is closed once, with its object or by close")
  func sockets() throws {
    Forks.pause()
    defer { Forks.resume() }
    let (left, right) = try Socket.pair()
    let duplicate = try OwnedDescriptor(duplicating: right.fileDescriptor)
    right.close()
    var adopted: Socket? = Socket(adopting: duplicate)
    #expect(try left.receive(upTo: 1) == nil)
    try adopted?.sendAll([1])
    adopted = nil
    #expect(try left.receive(upTo: 1) == [1])
    #expect(try left.receive(upTo: 1) == [])
  }

  @Test("a duplicate is another descriptor of the same file, closed separately and on exec")
  func duplicate() throws {
    let pipe = try PipeDescriptors()
    let writer = pipe.writer
    let copy = try writer.duplicate()
    #expect(copy.fileDescriptor != writer.fileDescriptor)
    #expect(try Kernel.fcntl(copy.fileDescriptor.rawValue, 1 /* F_GETFD */) == 1 /* FD_CLOEXEC */)
    try writer.close()
    #expect(try pipe.reader.take() == nil)
    try copy.put("x")
    try copy.close()
    #expect(try pipe.reader.take() == "x")
    #expect(try pipe.reader.ends())
  }

  @Test("a descriptor that isn't open can't be duplicated")
  func duplicateOfNothing() throws {
    let error = #expect(throws: MultiplexError.self) {
      _ = try OwnedDescriptor(duplicating: FileDescriptor(rawValue: -1))
    }
    #expect(error?.reason == .notOpen)
    #expect(error?.descriptor == FileDescriptor(rawValue: -1))
  }

  @Test("an adopted descriptor can be made non-blocking, and blocking again")
  func nonBlocking() throws {
    let pipe = try PipeDescriptors()
    for isNonBlocking in [false, true, true] {
      try pipe.reader.setNonBlocking(isNonBlocking)
      let flags = try Kernel.fcntl(pipe.reader.fileDescriptor.rawValue, F_GETFL)
      #expect((flags & O_NONBLOCK != 0) == isNonBlocking)
      #expect(flags & O_ACCMODE == O_RDONLY)
    }
    let closed = FileDescriptor(rawValue: .max)
    #expect(refusal { () throws(MultiplexError) in try closed.setNonBlocking() } == .notOpen)
  }

  @Test("a read of zero bytes is refused, since it would look like the end of input")
  func readNothing() throws {
    let pipe = try PipeDescriptors()
    var nothing: [UInt8] = []
    let error = #expect(throws: MultiplexError.self) {
      var span = nothing.mutableSpan
      var buffer = unsafe span.mutableBytes
      return try pipe.reader.read(into: &buffer)
    }
    #expect(error?.reason == .invalidArgument)
  }

  @Test("close reports that somebody else has closed the descriptor")
  func closedElsewhere() throws {
    let pipe = try PipeDescriptors()
    let writer = try OwnedDescriptor(duplicating: pipe.writer.fileDescriptor).renumbered()
    try pipe.writer.close()
    let number = writer.fileDescriptor
    try number.close()
    do {
      try writer.close()
      Issue.record("nothing was thrown")
    } catch {
      #expect(error.call == "close")
      #expect(error.errno == .badFileDescriptor)
      #expect(error.descriptor == number)
    }
  }
}
