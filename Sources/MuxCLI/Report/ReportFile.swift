import ArgumentParser
import Foundation
import SystemPackage

/// The file of a report, tried before the work so that a wrong path costs nothing.
struct ReportFile {
  private let path: String

  /// - Throws: Why nothing can be written there.
  init(_ path: String) throws(Failure) {
    self.path = path
    // A link is there, whatever it leads to.
    let isNew = (try? FileManager.default.attributesOfItem(atPath: path)) == nil
    do {
      // What is there stays until there is something better, and no empty file is left behind.
      try open().close()
      if isNew { try FileManager.default.removeItem(atPath: path) }
    } catch {
      throw failure(error, .cantCreate)
    }
  }

  func write(_ text: String) throws(Failure) {
    do {
      let file = try open(.truncate)
      _ = try file.closeAfter { try file.writeAll(text.utf8) }
    } catch {
      throw failure(error, .ioError)
    }
  }

  private func open(_ options: FileDescriptor.OpenOptions = []) throws -> FileDescriptor {
    try FileDescriptor.open(
      FilePath(path), .writeOnly, options: options.union([.create, .closeOnExec]),
      permissions: [.ownerReadWrite, .groupRead, .otherRead])
  }

  private func failure(_ error: any Error, _ status: ExitCode) -> Failure {
    Failure("the report '\(path)' can't be written: \(error)", status)
  }
}
