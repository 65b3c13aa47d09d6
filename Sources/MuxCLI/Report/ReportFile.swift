import ArgumentParser
import Foundation
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The file of a report. It is opened before the work, so that a wrong path is reported at once.
///
/// A regular file is replaced once its successor is complete: a full disk destroys no earlier report. Anything else, such
/// as a pipe or a terminal, is written to.
struct ReportFile {
  private static let permissions: FilePermissions = [.ownerReadWrite, .groupRead, .otherRead]

  private let path: String
  /// What isn't a regular file stays open: the reader of a named pipe would take its closing for the end.
  private let stream: FileDescriptor?

  /// Checks that the file can be written.
  ///
  /// - Throws: A failure that says why it can't.
  init(_ path: String) throws(Failure) {
    self.path = path
    // A link counts as existing, even if its target doesn't.
    let isNew = (try? FileManager.default.attributesOfItem(atPath: path)) == nil
    do {
      // An existing file is kept until there is a new report, and no empty file is left behind.
      let file = try Self.open(path)
      stream = try Self.isRegular(file) ? nil : file
      if stream == nil { try file.close() }
      if isNew { try FileManager.default.removeItem(atPath: path) }
    } catch {
      throw Self.failure(error, path, .cantCreate)
    }
  }

  func write(_ text: String) throws(Failure) {
    do {
      if let stream { return try Self.write(text, to: stream) }
      if let place = Self.replaceablePlace(of: path), try replace(place, by: text) { return }
      try Self.write(text, to: Self.open(path, .truncate))
    } catch {
      throw Self.failure(error, path, .ioError)
    }
  }

  private static func open(_ path: String, _ options: FileDescriptor.OpenOptions = []) throws -> FileDescriptor {
    try FileDescriptor.open(
      FilePath(path), .writeOnly, options: options.union([.create, .closeOnExec]), permissions: permissions)
  }

  private static func isRegular(_ file: FileDescriptor) throws(Errno) -> Bool {
    try FileStatus.of(file).st_mode & S_IFMT == S_IFREG
  }

  private static func write(_ text: String, to file: FileDescriptor) throws {
    _ = try file.closeAfter { try file.writeAll(text.utf8) }
  }

  private static func failure(_ error: any Error, _ path: String, _ status: ExitCode) -> Failure {
    Failure("can't write the report '\(path)': \(error)", status)
  }
}

// MARK: - Replacing a file

extension ReportFile {
  /// Writes a new file next to the present one, and puts it in its place.
  ///
  /// - Returns: False if no file can be made there: then the present one has to be written to.
  private func replace(_ place: String, by text: String) throws -> Bool {
    // A name of its own length may be too long with anything appended.
    let name = ".mux-report-\(String(UInt64.random(in: .min ... .max), radix: 36))"
    let draft = "\((place as NSString).deletingLastPathComponent)/\(name)"
    guard let file = try? Self.open(draft, .exclusiveCreate) else { return false }
    do {
      Self.copyOwnership(of: place, to: file)
      try Self.write(text, to: file)
      guard unsafe rename(draft, place) == 0 else { throw Errno(rawValue: errno) }
    } catch {
      _ = unsafe unlink(draft)
      throw error
    }
    return true
  }

  /// The regular file that a path leads to, possibly through links, or where there will be one; nil if the path leads to
  /// something else, or to a file that others hold on to.
  private static func replaceablePlace(of path: String) -> String? {
    var place = path
    // As many as the kernel follows.
    for _ in 0..<40 {
      guard !isSpecial(place) else { return nil }
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: place) else {
        return isReplaceable(place) ? place : nil
      }
      let folder = (place as NSString).deletingLastPathComponent
      place = target.hasPrefix("/") || folder.isEmpty ? target : "\(folder)/\(target)"
    }
    return nil
  }

  /// Whether a path is one of those that lead to open files, such as /dev/stdout and /dev/fd/3.
  private static func isSpecial(_ path: String) -> Bool {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().resolvingSymlinksInPath().path
    return folder == "/dev" || folder.hasPrefix("/proc/")
  }

  private static func isReplaceable(_ path: String) -> Bool {
    do throws(Errno) {
      let status = try FileStatus.withoutFollowing(path)
      // Another name of the file would keep the earlier report.
      return status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1
    } catch {
      return error == .noSuchFileOrDirectory
    }
  }

  private static func copyOwnership(of path: String, to file: FileDescriptor) {
    guard let status = try? FileStatus.of(path) else { return }
    // Only root may give files away. The permissions come last, as a new owner resets some.
    _ = fchown(file.rawValue, status.st_uid, status.st_gid)
    _ = fchmod(file.rawValue, status.st_mode & 0o7777)
  }
}
