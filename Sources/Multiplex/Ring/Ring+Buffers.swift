internal import SystemPackage

extension Ring {
  /// Lets receives take buffers from a group, which the ring keeps from then on.
  ///
  /// - Throws: ``MultiplexError/Reason/alreadyRegistered`` where a group has the same number, or another ring takes from
  ///   this one, or did until it ended on another thread than its single issuer's.
  public mutating func register(_ group: BufferGroup) throws(MultiplexError) {
    guard !groups.contains(where: { $0.id == group.id }) else {
      throw MultiplexError(
        call: "Ring.register", subject: "group \(group.id)", reason: .alreadyRegistered, errno: .fileExists,
        advice: "give each group a number of its own")
    }
    try group.register(with: self)
    groups.append(group)
  }
}
