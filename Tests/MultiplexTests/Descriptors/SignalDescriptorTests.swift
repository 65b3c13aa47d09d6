import CMultiplex
import Foundation
import Multiplex
import SystemPackage
import TestSupport
import Testing

/// Signals are for one thread here, which has them to itself.
@Suite("SignalDescriptor") struct SignalDescriptorTests {
  @Test("a signal that arrives makes it readable, is taken once, and does nothing else")
  func oneSignal() throws {
    let outcome = try SecondParty {
      let signals = try SignalDescriptor([SIGUSR1, SIGUSR2])
      let before = try select(reading: [signals.fileDescriptor], timeout: .zero).isEmpty
      raise(SIGUSR1)
      let ready = try select(reading: [signals.fileDescriptor]).reading.count
      return (before, ready, [try signals.next(), try signals.next()])
    }.join()
    #expect(outcome.0)
    #expect(outcome.1 == 1)
    #expect(outcome.2 == [SIGUSR1, nil])
  }

  @Test("several signals are taken one after the other, each once however often it came")
  func severalSignals() throws {
    let taken = try SecondParty {
      let signals = try SignalDescriptor([SIGUSR1, SIGUSR2])
      raise(SIGUSR1)
      raise(SIGUSR2)
      raise(SIGUSR1)
      return [try signals.next(), try signals.next(), try signals.next()]
    }.join()
    #expect(Set(taken) == [SIGUSR1, SIGUSR2, nil])
  }

  @Test("the thread has its earlier mask back when the value ends")
  func maskRestored() throws {
    let (before, during, after) = try SecondParty {
      let before = isBlocked(SIGUSR1)
      func use() throws -> Bool {
        let signals = try SignalDescriptor([SIGUSR1])
        defer { _ = signals.fileDescriptor }
        return isBlocked(SIGUSR1)
      }
      let during = try use()
      return (before, during, isBlocked(SIGUSR1))
    }.join()
    #expect(during)
    #expect(before == after)
  }

  @Test("the descriptor is non-blocking and closed on exec")
  func flags() throws {
    let (status, descriptor) = try SecondParty {
      let signals = try SignalDescriptor([SIGUSR1])
      let number = signals.fileDescriptor.rawValue
      return (try Kernel.fcntl(number, F_GETFL), try Kernel.fcntl(number, F_GETFD))
    }.join()
    #expect(status & O_NONBLOCK != 0)
    #expect(descriptor & FD_CLOEXEC != 0)
  }

  @Test("a number that is no signal is refused, and the mask stays as it was", arguments: [-1, 0, 10_000])
  func noSignal(number: Int32) throws {
    let (error, before, after) = try SecondParty {
      let before = isBlocked(SIGUSR1)
      do {
        _ = try SignalDescriptor([SIGUSR1, number])
        return (nil as MultiplexError?, before, isBlocked(SIGUSR1))
      } catch let error as MultiplexError {
        return (error, before, isBlocked(SIGUSR1))
      }
    }.join()
    #expect(error?.reason == .invalidArgument)
    #expect(error?.subject == "signal \(number)")
    #expect(before == after)
  }
}

/// Whether this thread has a signal blocked.
private func isBlocked(_ signal: Int32) -> Bool {
  var mask = sigset_t()
  unsafe pthread_sigmask(SIG_BLOCK, nil, &mask)
  return unsafe sigismember(&mask, signal) == 1
}
