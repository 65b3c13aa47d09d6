extension Reactor {
  /// Suspends the calling task until after the next wait for I/O: after `Task.yield()` it may run several times before
  /// that.
  func nextTurn() async {
    await Waiter<Void>.suspend { waiter in
      onLoop { [loop] in loop.performAfterNextWait { waiter.resume(returning: ()) } }
    }
  }
}
