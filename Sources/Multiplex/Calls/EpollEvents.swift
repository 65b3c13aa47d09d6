/// What epoll watches a descriptor for, how, and what it reports: the `EPOLL*` bits of epoll_ctl(2).
public struct EpollEvents: OptionSet, Hashable, Sendable {
  /// The bits, as in `struct epoll_event`.
  public let rawValue: UInt32

  /// Any bits, known here or not.
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  // The numbers are part of Linux's ABI, and the same on every architecture.

  /// There is something to read, or the end of input (`EPOLLIN`).
  public static let `in` = EpollEvents(rawValue: 0x001)
  /// There is something urgent, such as out-of-band data (`EPOLLPRI`).
  public static let priority = EpollEvents(rawValue: 0x002)
  /// There is room to write (`EPOLLOUT`).
  public static let out = EpollEvents(rawValue: 0x004)
  /// An error is pending; always watched for (`EPOLLERR`).
  public static let error = EpollEvents(rawValue: 0x008)
  /// Both directions are closed; always watched for (`EPOLLHUP`).
  public static let hangUp = EpollEvents(rawValue: 0x010)
  /// Declared by the kernel, but never reported by epoll, which forgets closed descriptors (`EPOLLNVAL`).
  public static let invalid = EpollEvents(rawValue: 0x020)
  /// Ordinary data to read; the same as ``in`` for most descriptors (`EPOLLRDNORM`).
  public static let readNormal = EpollEvents(rawValue: 0x040)
  /// Priority band data to read (`EPOLLRDBAND`).
  public static let readBand = EpollEvents(rawValue: 0x080)
  /// Room for ordinary data; the same as ``out`` for most descriptors (`EPOLLWRNORM`).
  public static let writeNormal = EpollEvents(rawValue: 0x100)
  /// Room for priority data (`EPOLLWRBAND`).
  public static let writeBand = EpollEvents(rawValue: 0x200)
  /// Declared by the kernel, but not used (`EPOLLMSG`).
  public static let message = EpollEvents(rawValue: 0x400)
  /// The peer has finished sending (`EPOLLRDHUP`).
  public static let readHangUp = EpollEvents(rawValue: 0x2000)

  /// Mode: of several epoll instances that watch one descriptor, not all are woken (`EPOLLEXCLUSIVE`); only in
  /// `register`.
  public static let exclusive = EpollEvents(rawValue: 1 << 28)
  /// Mode: keeps the system from suspending while the event is handled; requires a privilege (`EPOLLWAKEUP`).
  public static let wakeUp = EpollEvents(rawValue: 1 << 29)
  /// Mode: silent after one event, until modified (`EPOLLONESHOT`).
  public static let oneShot = EpollEvents(rawValue: 1 << 30)
  /// Mode: reports changes instead of states (`EPOLLET`).
  public static let edgeTriggered = EpollEvents(rawValue: 1 << 31)

  /// All of the modes.
  static let modes: EpollEvents = [.exclusive, .wakeUp, .oneShot, .edgeTriggered]
}

extension EpollEvents: CustomStringConvertible {
  /// C's names, separated by bars: "EPOLLIN|EPOLLET".
  public var description: String {
    describe([
      (.in, "EPOLLIN"), (.priority, "EPOLLPRI"), (.out, "EPOLLOUT"), (.readNormal, "EPOLLRDNORM"),
      (.readBand, "EPOLLRDBAND"), (.writeNormal, "EPOLLWRNORM"), (.writeBand, "EPOLLWRBAND"),
      (.message, "EPOLLMSG"), (.readHangUp, "EPOLLRDHUP"), (.error, "EPOLLERR"), (.hangUp, "EPOLLHUP"),
      (.invalid, "EPOLLNVAL"), (.exclusive, "EPOLLEXCLUSIVE"), (.wakeUp, "EPOLLWAKEUP"),
      (.oneShot, "EPOLLONESHOT"), (.edgeTriggered, "EPOLLET"),
    ])
  }
}
