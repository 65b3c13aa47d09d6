import CMultiplex
import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

/// A ring returns its resources to the system when it ends. Other tests have rings too, so there are many, and the
/// bounds are generous.
@Suite("Ring, ownership", .needsRing) struct RingOwnershipTests {
  private static let many = 300
  private static let others = 150

  @Test("a ring's descriptor and memory are released when it ends")
  func ends() throws {
    let before = (openDescriptors(ofKind: "io_uring"), mappedRings())
    for index in 0..<Self.many {
      var ring = try Ring(entries: 8, isSingleIssuer: index.isMultiple(of: 2))
      try ring.prepare(.nop())
      try ring.submit()
    }
    #expect(eventually { openDescriptors(ofKind: "io_uring") < before.0 + Self.others })
    #expect(eventually { mappedRings() < before.1 + 2 * Self.others })
  }

  @Test("a ring exists as long as its value")
  func lives() throws {
    let ring = try Ring()
    let number = ring.fileDescriptor.rawValue
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)").contains("[io_uring]"))
    #expect(try Kernel.fcntl(number, F_GETFD) & FD_CLOEXEC != 0, "it is closed on exec")
    #expect(mappedRings() >= 2)
    _ = consume ring
  }

  @Test("the buffers of a group are released with the last of the group and its ring")
  func groups() throws {
    let size = 64 << 20
    let before = try virtualMemory()
    for _ in 0..<Self.many {
      var ring = try Ring(entries: 8)
      // Reserved, but never touched.
      try ring.register(try BufferGroup(id: 1, capacity: 64, bufferSize: size / 64))
    }
    #expect(try virtualMemory() - before < Self.many * size / 2)
  }

  @Test("an operation in progress when the ring ends releases its file")
  func cancelled() throws {
    let pipe = try PipeDescriptors()
    let reader = try pipe.reader.renumbered()
    let writer = pipe.writer.fileDescriptor
    do {
      var ring = try Ring(isSingleIssuer: true)
      try ring.prepare(.poll(reader.fileDescriptor, for: .in, token: 1))
      try ring.submit()
      try reader.close()
      #expect(kernelReadiness(of: writer, for: .read) == [], "the poll holds the file")
    }
    #expect(eventually { kernelReadiness(of: writer, for: .read) == [.error] })
  }

  /// In bytes.
  private func virtualMemory() throws -> Int {
    let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ").first
    return try #require(pages.flatMap { Int($0) }) * 4096
  }
}

/// How many memory mappings this process shares with rings: two for each.
func mappedRings() -> Int {
  // Foundation mistakes the end of the first chunk that such a file returns for the end of the file.
  var maps: [UInt8] = []
  if let file = FileHandle(forReadingAtPath: "/proc/self/maps") {
    while let piece = try? file.read(upToCount: 65_536), !piece.isEmpty { maps += piece }
  }
  return String(decoding: maps, as: UTF8.self).split(separator: "\n").count { $0.contains("[io_uring]") }
}
