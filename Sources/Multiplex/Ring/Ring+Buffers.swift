internal import SystemPackage

extension Ring {
  /// Lets receives take buffers from a group. The ring keeps the group from then on.
  ///
  /// - Throws: ``MultiplexError/Reason/alreadyRegistered`` if a group of the ring has the same number, or another ring
  ///   uses this group, or did so until it ended on a thread other than its single issuer's.
  public mutating func register(_ group: BufferGroup) throws(MultiplexError) {
    guard !groups.contains(where: { $0.id == group.id }) else {
      throw MultiplexError(
        call: "Ring.register", subject: "group \(group.id)", reason: .alreadyRegistered, errno: .fileExists,
        advice: "give each group a different number")
    }
    try group.register(with: self)
    groups.append(group)
  }
}
