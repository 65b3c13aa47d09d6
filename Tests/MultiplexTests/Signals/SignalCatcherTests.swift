import Foundation
import Multiplex
import TestSupport
import Testing

@Suite("SignalCatcher") struct SignalCatcherTests {
  @Test("signals that arrived for a catcher that has ended aren't passed to the next")
  func reuse() throws {
    // Real-time signals that no other test in this process uses.
    let (number, other) = (Int32(63), Int32(64))
    for number in [number, other] { _ = signal(number, SIG_IGN) }
    try SecondParty {
      SignalCatcher.unblock([number])
      for _ in 0..<100 {
        func leave() throws {
          let catcher = try SignalCatcher([number])
          raise(number)
          #expect(eventually { kernelReadiness(of: catcher.fileDescriptor, for: .read) == [.readable] })
        }
        try leave()
        let next = try SignalCatcher([other])
        #expect(kernelReadiness(of: next.fileDescriptor, for: .read) == [])
        #expect(next.take() == [])
      }
    }.join()
  }
}
