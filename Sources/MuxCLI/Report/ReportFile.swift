import ArgumentParser
import Foundation
import SystemPackage

/// The file of a report. It is opened before the work, so that a wrong path is reported at once.
struct ReportFile {
  private let path: String

  /// Checks that the file can be written.
  ///
  /// - Throws: A failure that says why it can't.
  init(_ path: String) throws(Failure) {
    self.path = path
    // A link counts as existing, even if its target doesn't.
    let isNew = (try? FileManager.default.attributesOfItem(atPath: path)) == nil
    do {
      // An existing file is kept until there is a new report, and no empty file is left behind.
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
    Failure("can't write the report '\(path)': \(error)", status)
  }
}
