import Foundation
import MultiplexAsync
import SystemPackage
import TestSupport
import Testing

/// Control groups as the kernel shows them, in a directory of the test's own.
@Suite("A quota of processor time")
struct ProcessorQuotaTests {
  @Test(
    "the processor quota is the smallest of the process's cgroups, rounded up",
    arguments: [
      (outer: "max 100000", inner: "max 100000", processors: nil),
      (outer: "max 100000", inner: "200000 100000", processors: 2),
      (outer: "150000 100000", inner: "400000 100000", processors: 2),
      (outer: "400000 100000", inner: "10000 100000", processors: 1),
      (outer: "", inner: "300000", processors: nil),
      (outer: "x y", inner: "100000 0", processors: nil),
    ] as [(String, String, Int?)])
  func quotas(outer: String, inner: String, processors: Int?) throws {
    let groups = try Groups(membership: "1:cpu:/\n0::/outer/inner\n")
    try groups.write(outer, for: "outer")
    try groups.write(inner, for: "outer/inner")
    #expect(groups.quota == processors)
  }

  @Test("the quota of a container is read at its own root")
  func container() throws {
    let groups = try Groups(membership: "0::/\n")
    try groups.write("250000 100000\n", for: "")
    #expect(groups.quota == 3)
  }

  @Test("there is no quota without cgroup v2", arguments: ["", "1:cpu:/outer\n", "0::\n"])
  func none(membership: String) throws {
    let groups = try Groups(membership: membership)
    try groups.write("100000 100000", for: "")
    #expect(groups.quota == nil)
  }

  private struct Groups {
    let folder: TemporaryFolder
    let membership: FilePath
    let root: FilePath

    init(membership text: String) throws {
      folder = try TemporaryFolder()
      membership = FilePath(folder.file("membership"))
      root = FilePath(folder.file("groups"))
      try Data(text.utf8).write(to: URL(filePath: membership.string))
    }

    var quota: Int? { ProcessorQuota.current(membership: membership, root: root) }

    func write(_ text: String, for group: String) throws {
      let path = URL(filePath: root.string).appending(path: group)
      try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
      try Data(text.utf8).write(to: path.appending(path: "cpu.max"))
    }
  }
}
