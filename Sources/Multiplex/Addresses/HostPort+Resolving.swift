internal import CMultiplex
internal import SystemPackage

extension HostPort {
  /// What an address is for. It decides what an empty host means.
  public enum Purpose: Sendable {
    /// An empty host means this machine.
    case connecting
    /// An empty host means every address of this machine.
    case listening
  }

  /// Looks up the addresses of the host: at least one, each once, in the order of preference of RFC 6724.
  ///
  /// The system's resolver looks a name up, which may block for many seconds; a numeric address never blocks.
  ///
  /// Corresponding C function: `getaddrinfo`.
  ///
  /// - Parameter purpose: What an empty host means.
  /// - Returns: The addresses; never empty.
  /// - Throws: ``MultiplexError/Reason/unknownAddress`` with the resolver's message; `EAGAIN` if the name can't be
  ///   looked up now, and may have an address nonetheless.
  public func resolve(for purpose: Purpose = .connecting) throws(MultiplexError) -> [SocketAddress] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = cmx_SOCK_STREAM
    unsafe hints.ai_flags = purpose == .listening ? AI_PASSIVE : 0
    var list: UnsafeMutablePointer<addrinfo>? = nil
    let status = unsafe getaddrinfo(host.isEmpty ? nil : host, port, &hints, &list)
    guard status == 0 else { throw unresolved(status) }
    defer { unsafe freeaddrinfo(list) }

    var addresses: [SocketAddress] = []
    // getaddrinfo's linked list; it lives until freeaddrinfo above.
    var next = unsafe list
    while let entry = unsafe next {
      if let raw = unsafe entry.pointee.ai_addr,
        let address = unsafe SocketAddress(raw, length: entry.pointee.ai_addrlen), !addresses.contains(address)
      {
        addresses.append(address)
      }
      unsafe next = entry.pointee.ai_next
    }
    guard !addresses.isEmpty else { throw unresolved(EAI_NONAME) }
    return addresses
  }

  /// The error for a status of getaddrinfo other than 0. To be called right after it.
  package func unresolved(_ status: Int32) -> MultiplexError {
    // Read before anything else sets it.
    let errno = Errno.current
    return switch status {
    case EAI_AGAIN:
      MultiplexError(
        call: "getaddrinfo", subject: "'\(self)'", reason: .system, errno: .tryAgain,
        advice: "no name server has answered: check the network, or try again later")
    case EAI_SYSTEM:
      MultiplexError(call: "getaddrinfo", subject: "'\(self)'", errno: errno)
    case EAI_MEMORY:
      MultiplexError(call: "getaddrinfo", subject: "'\(self)'", errno: .noMemory)
    default:
      MultiplexError(
        call: "getaddrinfo", subject: "'\(self)'", reason: .unknownAddress, errno: .invalidArgument,
        // A static string of the C library.
        advice: unsafe "\(whatToCheck(after: status)) (\(String(cString: gai_strerror(status))))")
    }
  }

  private func whatToCheck(after status: Int32) -> String {
    status == EAI_SERVICE ? "write the port as a number instead of '\(port)'" : "check the host's name"
  }
}
