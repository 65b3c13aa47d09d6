public import Multiplex
public import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// What the kernel itself reports about one descriptor: one call of poll, without the product's code.
public func kernelReadiness(of descriptor: FileDescriptor, for interest: Interest) -> Readiness {
  let readHangUp: Int16 = 0x2000  // POLLRDHUP, which headers declare for _GNU_SOURCE only
  var events: Int16 = 0
  if interest.contains(.read) { events |= Int16(POLLIN) | readHangUp }
  if interest.contains(.write) { events |= Int16(POLLOUT) }
  if interest.contains(.priority) { events |= Int16(POLLPRI) }
  var entry = pollfd(fd: descriptor.rawValue, events: events, revents: 0)
  // One entry, borrowed for the call.
  _ = unsafe poll(&entry, 1, 0)
  let meanings: [(Int16, Readiness)] = [
    (Int16(POLLIN), .readable), (Int16(POLLOUT), .writable), (Int16(POLLPRI), .priority), (readHangUp, .readClosed),
    (Int16(POLLHUP), .hangUp), (Int16(POLLERR), .error), (Int16(POLLNVAL), .invalid),
  ]
  return meanings.reduce(into: []) { readiness, meaning in
    if entry.revents & meaning.0 != 0 { readiness.insert(meaning.1) }
  }
}
