import Multiplex
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The tutorial's first server: one list of inputs, one select; everything that a client sends is sent back.
///
///     echo-select [HOST:PORT]
///
/// It sends everything before it serves the next client, so a slow reader makes all others wait, and is finally
/// dropped. `echo-queued` solves this.
///
/// Like the other servers of the tutorial, this one is self-contained, so that it can be read on its own and compared
/// with them.
@main
enum EchoSelect {
  /// How long a client may read none of its reply before it is dropped.
  static let patience = Duration.seconds(5)

  static func serve(_ listener: Socket) throws(MultiplexError) -> Never {
    var inputs = [listener]
    var isFull = false
    while true {
      fflush(nil)  // shows the output before the wait, also if it is a pipe
      // A listener that can't accept stays ready. It skips one turn; connections wait in the kernel.
      let watched = isFull ? inputs.filter { $0 != listener } : inputs
      let rlist = try select(reading: watched, timeout: .seconds(0.5)).reading
      print("inputs:", inputs)
      print("rlist:", rlist)
      isFull = false

      for socket in rlist {
        if socket == listener {
          do {
            guard let connection = try listener.accept() else { continue }
            inputs.append(connection)
            print("accepted", connection)
          } catch {
            print(error)  // no descriptor is left, for example
            isFull = true
          }
        } else if !echo(socket) {
          inputs.removeAll { $0 == socket }
          socket.close()
        }
      }
    }
  }

  /// Sends received bytes back; returns false if the connection has ended.
  static func echo(_ socket: Socket) -> Bool {
    do {
      guard let bytes = try socket.receive(upTo: 65_536) else { return true }
      try socket.sendAll(bytes, timeout: patience)
      return !bytes.isEmpty
    } catch {
      print(error)  // reset, gone or too slow: the end of this connection, not of the server
      return false
    }
  }
}

// MARK: - The command line

extension EchoSelect {
  /// Listens on the address in the only argument, or on the tutorial's.
  static func main() {
    let arguments = CommandLine.arguments.dropFirst()
    guard arguments.count <= 1, arguments.first?.hasPrefix("-") != true else {
      fail("usage: echo-select [HOST:PORT]", status: EX_USAGE)
    }
    do {
      let address = try HostPort(arguments.first ?? "127.0.0.1:9999").resolve(for: .listening)[0]
      let listener = try Socket.listening(on: address)
      print("listening on", try listener.localAddress())
      try serve(listener)
    } catch {
      fail("\(error)", status: error.reason == .unknownAddress ? EX_USAGE : EX_UNAVAILABLE)
    }
  }

  private static func fail(_ reason: String, status: Int32) -> Never {
    _ = try? FileDescriptor.standardError.writeAll("echo-select: \(reason)\n".utf8)
    exit(status)
  }
}
