import CMultiplex
import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

@Suite("Pipe descriptors") struct PipeDescriptorsTests {
  @Test("both ends of a pipe are non-blocking and closed on exec")
  func flags() throws {
    let pipe = try PipeDescriptors()
    for number in [pipe.reader.fileDescriptor.rawValue, pipe.writer.fileDescriptor.rawValue] {
      #expect(try Kernel.fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
      #expect(try Kernel.fcntl(number, F_GETFL) & O_NONBLOCK != 0)
    }
  }

  @Test("bytes written at one end are read at the other, in order, and then there are none")
  func inOrder() throws {
    let pipe = try PipeDescriptors()
    #expect(try pipe.reader.take() == nil)
    try pipe.writer.put("one ")
    try pipe.writer.put("two")
    #expect(try pipe.reader.take() == "one two")
    #expect(try pipe.reader.take() == nil)
  }

  @Test("a pipe accepts any bytes: an array, a slice, and a collection that isn't contiguous")
  func collections() throws {
    let pipe = try PipeDescriptors()
    #expect(try pipe.writer.write(Array("ab".utf8)) == 2)
    #expect(try pipe.writer.write(Array("xcd".utf8).dropFirst()) == 2)
    #expect(try pipe.writer.write(Array("fe".utf8).reversed()) == 2)
    #expect(try pipe.reader.take() == "abcdef")
  }

  @Test("a read from a pipe returns what is there, and no more than requested")
  func intoArray() throws {
    let pipe = try PipeDescriptors()
    #expect(try pipe.reader.read(upTo: 10) == nil)
    try pipe.writer.put("abcdef")
    #expect(try pipe.reader.read(upTo: 4) == Array("abcd".utf8))
    #expect(try pipe.reader.read(upTo: .max) == Array("ef".utf8))
    #expect(refusal { () throws(MultiplexError) in _ = try pipe.reader.read(upTo: 0) } == .invalidArgument)
    try pipe.writer.close()
    // A process that is being spawned may have the other end for a moment.
    #expect(try pipe.reader.ends())
    #expect(try pipe.reader.read(upTo: 1) == [])
  }

  @Test("once the writer is closed the reader gets the remaining bytes, and then the end of input")
  func endOfInput() throws {
    let pipe = try PipeDescriptors()
    try pipe.writer.put("rest")
    try pipe.writer.close()
    #expect(try pipe.reader.take() == "rest")
    #expect(try pipe.reader.ends())
    #expect(try pipe.reader.take() == "")
  }

  @Test("a full pipe accepts nothing until something was read")
  func full() throws {
    let pipe = try PipeDescriptors()
    let block = [UInt8](repeating: 7, count: 4096)
    var written = 0
    while let count = try pipe.writer.write(unsafe block.span.bytes) { written += count }
    #expect(written >= 4096)
    #expect(try pipe.reader.take(upTo: 4096)?.utf8.count == 4096)
    #expect(try pipe.writer.write(unsafe block.span.bytes) == 4096)
  }

  @Test("using the wrong end of a pipe is an error that says so")
  func wrongEnd() throws {
    let pipe = try PipeDescriptors()
    let writing = #expect(throws: MultiplexError.self) { try pipe.reader.put("x") }
    #expect(writing?.call == "write")
    #expect(writing?.errno == .badFileDescriptor)
    #expect(writing?.advice?.contains("for writing") == true)
    let reading = #expect(throws: MultiplexError.self) { _ = try pipe.writer.take() }
    #expect(reading?.call == "read")
    #expect(reading?.advice?.contains("for reading") == true)
  }

  @Test("a child process inherits neither end of a pipe")
  func notInherited() throws {
    let pipe = try PipeDescriptors()
    let writer = try OwnedDescriptor(duplicating: pipe.writer.fileDescriptor).renumbered()
    // A descriptor that isn't close-on-exec is inherited: the C library's way of spawning closes nothing.
    let other = try OwnedDescriptor(duplicating: pipe.writer.fileDescriptor).renumbered()
    _ = try Kernel.fcntl(other.fileDescriptor.rawValue, F_SETFD, 0)
    let numbers = [writer.fileDescriptor.rawValue, other.fileDescriptor.rawValue]
    let command = "test ! -e /proc/self/fd/\(numbers[0]) && test -e /proc/self/fd/\(numbers[1])"
    let status = Forks.make { unsafe system(command) }
    #expect(status == 0)
  }
}
