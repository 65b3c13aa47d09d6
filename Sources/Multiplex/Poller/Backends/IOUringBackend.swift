extension Poller.Backend {
  public static let ioUring = Self(
    name: "io_uring", emulatedModes: [], summary: "placeholder", implementation: EpollBackend.self)
}
