import CMultiplex
import CTestSupport
import Foundation
import Multiplex
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// Signals here are for one thread, which has them to itself.
@Suite("SignalDescriptor") struct SignalDescriptorTests {
  @Test("an arriving signal makes the descriptor readable, is taken once, and has no other effect")
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

  @Test("several signals are taken one after another, each once however often it arrived")
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

  @Test("a signal tells who sent it, why, and what was sent along")
  func info() throws {
    let taken = try SecondParty {
      let signals = try SignalDescriptor([SIGUSR1, SIGUSR2])
      raise(SIGUSR1)
      #expect(cts_signal_this_thread(SIGUSR2, 1234) == 0)
      return [try signals.nextInfo(), try signals.nextInfo(), try signals.nextInfo()]
    }.join()
    #expect(taken.map { $0?.signal } == [SIGUSR1, SIGUSR2, nil])
    // SI_TKILL, as `raise` sends to a thread; SI_QUEUE.
    #expect(taken.map { $0?.code } == [-6, -1, nil])
    #expect(taken.map { $0?.processID } == [getpid(), getpid(), nil])
    #expect(taken.map { $0?.userID } == [getuid(), getuid(), nil])
    #expect(taken[1]?.value == 1234)
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

  @Test("pending signals that weren't taken have no effect when the value ends")
  func pendingAtTheEnd() throws {
    // Ignored by default, so that a failure ends only this test.
    _ = signal(SIGURG) { _ in effects.add(1, ordering: .relaxed) }
    defer { _ = signal(SIGURG, SIG_DFL) }
    try SecondParty {
      func use() throws {
        let signals = try SignalDescriptor([SIGURG])
        raise(SIGURG)
        _ = signals.fileDescriptor
      }
      try use()
    }.join()
    #expect(effects.load(ordering: .relaxed) == 0)
  }

  @Test("two values on one thread end in any order, and a signal is blocked as long as one of them uses it")
  func severalValues() throws {
    let states = try SecondParty {
      func end(_ signals: consuming SignalDescriptor) {}
      unblock(SIGUSR1)
      unblock(SIGUSR2)
      var states: [[Bool]] = []
      func note() { states.append([isBlocked(SIGUSR1), isBlocked(SIGUSR2)]) }
      let first = try SignalDescriptor([SIGUSR1])
      let second = try SignalDescriptor([SIGUSR1, SIGUSR2])
      raise(SIGUSR1)
      end(first)
      note()
      let kept = try second.next()
      end(second)
      note()
      return states + [[kept == SIGUSR1]]
    }.join()
    #expect(states == [[true, true], [false, false], [true]])
  }

  @Test("a value that outlives its thread blocks nothing in a later thread with the same identifier")
  func outlived() throws {
    final class Kept: @unchecked Sendable { var value: SignalDescriptor? }
    let kept = Kept()
    let first = try SecondParty {
      unblock(SIGUSR2)
      kept.value = try SignalDescriptor([SIGUSR2])
      return UInt(pthread_self())
    }.join()
    var namesakes = 0
    for _ in 0..<200 where namesakes < 3 {
      let (name, isLeftBlocked) = try SecondParty {
        unblock(SIGUSR2)
        func use() throws { _ = try SignalDescriptor([SIGUSR2]).next() }
        try use()
        return (UInt(pthread_self()), isBlocked(SIGUSR2))
      }.join()
      if name == first { namesakes += 1 }
      #expect(!isLeftBlocked)
    }
    withExtendedLifetime(kept) {}
  }

  @Test("a signal that was blocked before stays blocked")
  func blockedBefore() throws {
    let states = try SecondParty {
      unblock(SIGUSR2)
      func use() throws {
        let outer = try SignalDescriptor([SIGUSR1])
        func useMore() throws { _ = try SignalDescriptor([SIGUSR1, SIGUSR2]).next() }
        try useMore()
        _ = outer.fileDescriptor
      }
      block(SIGUSR1)
      try use()
      return [isBlocked(SIGUSR1), isBlocked(SIGUSR2)]
    }.join()
    #expect(states == [true, false])
  }

  @Test("signals that can't be received are rejected", arguments: [SIGKILL, SIGSTOP])
  func unreceivable(number: Int32) throws {
    let error = #expect(throws: MultiplexError.self) { _ = try SignalDescriptor([SIGUSR1, number]) }
    #expect(error?.reason == .invalidArgument)
    #expect(error?.subject == "signal \(number)")
    #expect(error?.advice?.contains("SIGKILL") == true)
  }

  @Test("a signal descriptor is non-blocking and closed on exec")
  func flags() throws {
    let (status, descriptor) = try SecondParty {
      let signals = try SignalDescriptor([SIGUSR1])
      let number = signals.fileDescriptor.rawValue
      return (try Kernel.fcntl(number, F_GETFL), try Kernel.fcntl(number, F_GETFD))
    }.join()
    #expect(status & O_NONBLOCK != 0)
    #expect(descriptor & FD_CLOEXEC != 0)
  }

  @Test("an invalid signal number is rejected, and the mask is unchanged", arguments: [-1, 0, 10_000])
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

private func block(_ signal: Int32) { change(SIG_BLOCK, signal) }
private func unblock(_ signal: Int32) { change(SIG_UNBLOCK, signal) }

private func change(_ how: Int32, _ signal: Int32) {
  var mask = sigset_t()
  unsafe sigemptyset(&mask)
  unsafe sigaddset(&mask, signal)
  unsafe pthread_sigmask(how, &mask, nil)
}

/// How often a signal had its default effect.
private let effects = Atomic(0)
