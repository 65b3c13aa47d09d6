import Multiplex
import SystemPackage

/// An echo server that shows what a task for each connection costs at least: the calls of the C server, a continuation
/// for each wait, and an executor that is an array of jobs. It has no buffers to lend, no queue, no deadline and no
/// cancellation; a peer that doesn't read blocks it.
@main
enum BareTasks {
  static func main() throws {
    _ = try OpenFileLimit.raise()
    let server = try Server()
    // Written at once, also into a pipe: the benchmark waits for it.
    try FileDescriptor.standardOutput.writeAll(Array("listening on \(server.address)\n".utf8))
    try server.run()
  }
}
