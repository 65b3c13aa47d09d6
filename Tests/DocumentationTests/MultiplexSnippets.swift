import Multiplex
import SystemPackage

/// The code in the pages of `Multiplex.docc`, verbatim except for indentation: `DocumentationTests` compares.
enum MultiplexSnippets {
  static func waitForTerminalAndSocket(_ socket: Socket) throws {
    let poller = try Poller()
    try poller.register(FileDescriptor.standardInput, for: .read, token: 1)
    try poller.register(socket, for: .read, token: 2)
    for event in try poller.wait(timeout: .seconds(5)) {
      print(event.token == 1 ? "something was typed" : "something has come")
    }
  }

  static func chooseBackend(_ name: String) throws {
    guard let backend = Poller.Backend(name) else {
      let names = Poller.Backend.allCases.map(\.name)
      return print("there is no \(name); there are \(names.joined(separator: ", "))")
    }
    if let error = backend.unavailability { return print("\(backend) doesn't work here: \(error)") }
    let poller = try Poller(backend: backend)
    poller.close()
  }

  static func serveWithSelect() throws {
    let listener = try Socket.listening(on: SocketAddress("127.0.0.1:9999"))
    var inputs = [listener]
    while true {
      let ready = try select(reading: inputs, timeout: .seconds(0.5))
      for socket in ready.reading {
        if socket == listener {
          guard let connection = try listener.accept() else { continue }
          inputs.append(connection)
        } else if let data = try socket.receive(upTo: 1024) {
          if data.isEmpty { inputs.removeAll { $0 == socket } } else { try socket.sendAll(data) }
        }
      }
    }
  }

  static func keepNames(of socket: Socket, _ name: String) throws {
    let multiplexer = try Multiplexer<String>()
    try multiplexer.register(socket, for: .read, attachment: name)
    for event in try multiplexer.wait(timeout: .seconds(1)) {
      print(event.registration.attachment, event.readiness)
    }
  }
}
