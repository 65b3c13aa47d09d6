/// Identifies one registration of a descriptor, as opposed to earlier and later ones of the same number.
struct RegistrationKey: Hashable {
  let descriptor: Int32
  /// Incremented with each registration of the number.
  let generation: UInt32

  init(descriptor: Int32, generation: UInt32) {
    self.descriptor = descriptor
    self.generation = generation
  }

  /// Unpacks a key from one number, for system calls that return a number of the caller's.
  init(packed: UInt64) {
    descriptor = Int32(truncatingIfNeeded: packed)
    generation = UInt32(truncatingIfNeeded: packed >> 32)
  }

  var packed: UInt64 { UInt64(generation) << 32 | UInt64(UInt32(bitPattern: descriptor)) }
}
