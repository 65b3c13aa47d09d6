import Multiplex
import MultiplexAsync
import SystemPackage

/// Standard input: a terminal, a pipe or a file.
struct Keyboard {
  private static let readSize = 64 * 1024

  /// Waits for input.
  ///
  /// - Returns: The bytes; nil at the end of input.
  func read(on reactor: Reactor) async throws -> [UInt8]? {
    while true {
      let bytes: [UInt8]?
      if try await isReady(on: reactor) {
        bytes = try readNow()
      } else {
        bytes = try await reactor.offload { try readNow() }
      }
      // Another process that shares the input may have been faster.
      guard let bytes else { continue }
      return bytes.isEmpty ? nil : bytes
    }
  }

  /// Waits until reading doesn't block.
  ///
  /// - Returns: False for a file, which can't be waited for: reading it may block, but not forever.
  private func isReady(on reactor: Reactor) async throws -> Bool {
    do {
      _ = try await reactor.readiness(of: FileDescriptor.standardInput, for: .read)
      return true
    } catch let error as MultiplexError where error.reason == .notPollable {
      return false
    }
  }

  /// Reads without waiting.
  ///
  /// - Returns: The bytes, none at the end of input; nil if nothing is available now.
  private func readNow() throws -> [UInt8]? {
    do {
      return try unsafe [UInt8](unsafeUninitializedCapacity: Self.readSize) { buffer, count in
        count = try unsafe FileDescriptor.standardInput.read(into: UnsafeMutableRawBufferPointer(buffer))
      }
    } catch Errno.tryAgain {
      return nil
    } catch {
      throw Failure("standard input: \(error)", .ioError)
    }
  }
}
