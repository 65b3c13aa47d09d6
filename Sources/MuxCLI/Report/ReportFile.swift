import Foundation
import SystemPackage

/// The file of a report, tried before the work so that a wrong path costs nothing.
struct ReportFile {
  private let path: String

  /// - Throws: Why nothing can be written there.
  init(_ path: String) throws(Failure) {
    self.path = path
    let isNew = !FileManager.default.fileExists(atPath: path)
    do {
      // What is there stays until there is something better, and no empty file is left behind.
      let mode: FilePermissions = [.ownerReadWrite, .groupRead, .otherRead]
      try FileDescriptor.open(FilePath(path), .writeOnly, options: [.create, .closeOnExec], permissions: mode).close()
      if isNew { try FileManager.default.removeItem(atPath: path) }
    } catch {
      throw Self.failure(path, error)
    }
  }

  func write(_ text: String) throws(Failure) {
    do {
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    } catch {
      throw Self.failure(path, error)
    }
  }

  private static func failure(_ path: String, _ error: any Error) -> Failure {
    Failure("the report '\(path)' can't be written: \(error)", .cantCreate)
  }
}
