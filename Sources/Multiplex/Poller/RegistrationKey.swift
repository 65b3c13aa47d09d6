/// Names one registration of a descriptor, as distinct from earlier and later ones of the same number.
struct RegistrationKey: Hashable {
  let descriptor: Int32
  /// Grows with each registration of the number.
  let generation: UInt32

  init(descriptor: Int32, generation: UInt32) {
    self.descriptor = descriptor
    self.generation = generation
  }

  /// Both in one number, for kernels that hand a number of the caller's back.
  init(packed: UInt64) {
    descriptor = Int32(truncatingIfNeeded: packed)
    generation = UInt32(truncatingIfNeeded: packed >> 32)
  }

  var packed: UInt64 { UInt64(generation) << 32 | UInt64(UInt32(bitPattern: descriptor)) }
}
